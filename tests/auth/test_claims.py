"""What must hold of claims."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.claims import check_fresh, check_registered, check_shape, check_type, session_of
from authx.auth.exceptions import (
    AccessTokenRequiredError,
    FreshTokenRequiredError,
    JWTDecodeError,
    RefreshTokenRequiredError,
    TokenExpiredError,
    TokenInvalidAudienceError,
    TokenInvalidIssuerError,
    TokenTypeError,
)
from tests.auth.forge import NOW


@pytest.mark.parametrize("exp", [NOW + 1, NOW + 0.5, 253_402_300_799])
def test_not_expired(exp: float) -> None:
    """A token is good until its last fraction of a second, and may be so until the year 9999."""
    check_registered({"exp": exp}, now=NOW)


@pytest.mark.parametrize("exp", [NOW, NOW - 0.001, 0, -1, -1e9])
def test_expired(exp: float) -> None:
    """At ``exp`` itself the token has expired."""
    with pytest.raises(TokenExpiredError, match=r"^Token has expired$"):
        check_registered({"exp": exp}, now=NOW)


def test_leeway() -> None:
    """Clocks may differ by the leeway, either way, and not by more."""
    check_registered({"exp": NOW - 9, "nbf": NOW + 10, "iat": NOW + 10}, now=NOW, leeway=10)
    for claims in ({"exp": NOW - 10}, {"nbf": NOW + 11}, {"iat": NOW + 11}):
        with pytest.raises(JWTDecodeError):
            check_registered(claims, now=NOW, leeway=10)


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_not_yet_valid(name: str) -> None:
    """A token from a later second is not yet valid; one from later in this second is."""
    check_registered({name: NOW + 0.9}, now=NOW)
    with pytest.raises(JWTDecodeError, match=rf"^Invalid token: The token is not yet valid \({name}\)$"):
        check_registered({name: NOW + 1}, now=NOW)


@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "soon",
        "1767225600",
        [],
        {},
        float("nan"),
        float("inf"),
        -float("inf"),
        10**400,
        -(10**400),
        1e18,
    ],
)
def test_times_that_are_none(name: str, value: Any) -> None:
    """A time is a number, finite, and in a year that there is."""
    with pytest.raises(JWTDecodeError, match=rf"\({name}\) must be an integer") as caught:
        check_registered({name: value}, now=NOW)
    assert type(caught.value) is JWTDecodeError


@pytest.mark.parametrize(
    ("claim", "asked", "error"),
    [
        (None, None, None),
        ("web", "web", None),
        (["web", "app"], "app", None),
        ("web", ["app", "web"], None),
        (["x", "web"], ("app", "web"), None),
        ("web", None, TokenInvalidAudienceError),
        (["web"], None, TokenInvalidAudienceError),
        ("web", "app", TokenInvalidAudienceError),
        ("web", "we", TokenInvalidAudienceError),
        ("web", [], TokenInvalidAudienceError),
        (["web", 5], "web", TokenInvalidAudienceError),
        ({"web": 1}, "web", TokenInvalidAudienceError),
        (5, "web", TokenInvalidAudienceError),
        (None, "web", JWTDecodeError),
        ("", "web", JWTDecodeError),
        ([], "web", JWTDecodeError),
    ],
)
def test_audience(claim: Any, asked: Any, error: type[Exception] | None) -> None:
    """One of the token's audiences must be one of ours; without any of ours it must have none."""
    claims = {} if claim is None else {"aud": claim}
    if error is None:
        check_registered(claims, now=NOW, audience=asked)
        return
    with pytest.raises(error) as caught:
        check_registered(claims, now=NOW, audience=asked)
    assert type(caught.value) is error


def test_issuer() -> None:
    """The issuer must be the one asked for; nobody asked, nobody looks."""
    check_registered({"iss": 5}, now=NOW)
    check_registered({"iss": "me"}, now=NOW, issuer="me")
    for issuer in ("you", None, ["me"]):
        with pytest.raises(TokenInvalidIssuerError, match=r"^Invalid issuer$"):
            check_registered({"iss": issuer}, now=NOW, issuer="me")
    with pytest.raises(JWTDecodeError, match='missing the "iss" claim'):
        check_registered({}, now=NOW, issuer="me")


@pytest.mark.parametrize("value", [None, 5, ["a"], {}])
def test_names_are_strings(value: Any) -> None:
    """A subject and a token id are strings, if they are there."""
    with pytest.raises(JWTDecodeError, match=r"^Invalid token: Subject must be a string$"):
        check_registered({"sub": value}, now=NOW)
    with pytest.raises(JWTDecodeError, match=r"^Invalid token: JWT ID must be a string$"):
        check_registered({"jti": value}, now=NOW)


def test_expiry_comes_before_audience() -> None:
    """Of several faults the first in order is reported."""
    with pytest.raises(TokenExpiredError):
        check_registered({"exp": 1, "aud": "x", "sub": 5}, now=NOW, issuer="me")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"type": None, "csrf": None, "iss": None, "login_type": None, "scopes": None, "aud": None},
        {"type": "TYPE", "csrf": "c", "iss": "i", "login_type": "l", "scopes": [], "aud": "a", "fresh": True},
        {"scopes": ["a"], "aud": ["a", "b"], "roles": {"any": "shape"}, "scope": ["any"]},
    ],
)
def test_shapes(claims: dict[str, Any]) -> None:
    """Our own claims may be absent or null; what is not ours may be anything."""
    check_shape({"sub": "ada", **claims})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("type", [5, [], True]),
        ("csrf", [5, ["c"]]),
        ("iss", [5, {}]),
        ("login_type", [5, ["admin"]]),
        ("fresh", ["maybe", "true", 1, 0, None]),
        ("scopes", ["a b", [5], ["a", None], {"a": 1}, 5]),
        ("aud", [5, {}, [5], 0]),
    ],
)
def test_wrong_shapes(name: str, values: list[Any]) -> None:
    """A claim of ours that is of another type is a refusal that names it."""
    for value in values:
        with pytest.raises(JWTDecodeError, match=f"^Invalid token: {name} must be"):
            check_shape({"sub": "ada", name: value})


def test_a_subject_is_needed() -> None:
    """A token stands for somebody."""
    with pytest.raises(JWTDecodeError, match='missing the "sub" claim'):
        check_shape({})


@pytest.mark.parametrize(
    ("actual", "wanted", "error"),
    [
        ("refresh", "access", AccessTokenRequiredError),
        ("TYPE", "access", AccessTokenRequiredError),
        (None, "access", AccessTokenRequiredError),
        ("access", "refresh", RefreshTokenRequiredError),
        ("access", "reset", TokenTypeError),
    ],
)
def test_another_type(actual: str | None, wanted: str, error: type[Exception]) -> None:
    """The exception says which type was wanted."""
    check_type(wanted, wanted)
    with pytest.raises(TokenTypeError) as caught:
        check_type(actual, wanted)
    assert type(caught.value) is error


def test_fresh() -> None:
    """A token is fresh or it will not do."""
    check_fresh(True)
    with pytest.raises(FreshTokenRequiredError):
        check_fresh(False)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "jti", "iat", "nbf", "exp", "aud", "iss", "fresh", "scopes", "type"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.lists(st.text() | st.integers()),
    )
)
def test_any_claims(claims: dict[str, Any]) -> None:
    """Whatever the claims hold, they pass or they are a JWTDecodeError."""
    try:
        check_registered(claims, now=NOW, audience="web")
        check_shape(claims)
    except JWTDecodeError:
        pass


@pytest.mark.parametrize(
    ("claims", "session"),
    [
        ({}, None),
        ({"session_id": "a"}, "a"),
        ({"sid": "b"}, "b"),
        ({"session_id": "a", "sid": "b"}, "a"),
        ({"session_id": "", "sid": "b"}, "b"),
        ({"session_id": None}, None),
    ],
)
def test_session(claims: dict[str, Any], session: str | None) -> None:
    """A session has our own claim, or that of OpenID Connect."""
    assert session_of(claims) == session


@pytest.mark.parametrize("name", ["session_id", "sid"])
def test_a_session_that_is_none(name: str) -> None:
    """What is no string names no session, and is not passed over."""
    with pytest.raises(JWTDecodeError, match=name):
        session_of({name: 5})
