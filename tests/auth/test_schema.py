"""Payloads, request tokens and responses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from freezegun import freeze_time
from pydantic import ValidationError

from authx.auth.exceptions import (
    AccessTokenRequiredError,
    CSRFError,
    FreshTokenRequiredError,
    JWTDecodeError,
    RefreshTokenRequiredError,
    TokenExpiredError,
    TokenInvalidSignatureError,
)
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse
from authx.auth.token import decode_token
from tests.auth.forge import NOW, OTHER_SECRET, SECRET, forge

START = datetime(2026, 1, 1, tzinfo=UTC)


def request_token(claims: dict[str, Any] | None = None, **values: Any) -> RequestToken:
    return RequestToken(token=forge({"sub": "ada", **(claims or {})}), **{"location": "headers", **values})


def test_defaults() -> None:
    """Only the user is required; id and time of issue are made up."""
    first, second = TokenPayload(sub="ada"), TokenPayload(sub="ada")

    assert first.model_dump(exclude={"jti", "iat"}) == {
        "iss": None,
        "sub": "ada",
        "aud": None,
        "exp": None,
        "nbf": None,
        "type": "access",
        "csrf": "",
        "scopes": None,
        "fresh": False,
        "login_type": None,
    }
    assert first.jti != second.jti
    assert type(first.iat) is int


@pytest.mark.parametrize(
    "values", [{}, {"sub": 5}, {"sub": "ada", "scopes": "a b"}, {"sub": "ada", "exp": 1e20}]
)
def test_refused(values: dict[str, Any]) -> None:
    """Claims of the wrong type make no payload."""
    with pytest.raises(ValidationError):
        TokenPayload(**values)


@pytest.mark.parametrize(
    "exp",
    [
        NOW + 0.5,
        datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
        datetime(2026, 1, 1, 1, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=1))),
        timedelta(seconds=0.5),
    ],
)
@freeze_time(START)
def test_exp_is_a_point_in_time(exp: Any) -> None:
    """Numbers, points in time and distances from now all become a point in UTC."""
    payload = TokenPayload(sub="ada", exp=exp)

    assert payload.exp == START + timedelta(seconds=0.5)
    assert isinstance(payload.exp, datetime)
    assert payload.exp.tzinfo is UTC


def test_large_numbers_are_seconds() -> None:
    """A time beyond the year 2603 is what it says, and not taken for milliseconds."""
    assert TokenPayload.model_validate({"sub": "ada", "exp": 20_000_000_001}).exp == datetime(
        2603, 10, 11, 11, 33, 21, tzinfo=UTC
    )


@freeze_time(START)
def test_nbf_is_in_seconds() -> None:
    """Points in time and distances from now become seconds; numbers stay as they are."""
    values: list[Any] = [5, 5.5, START, timedelta(seconds=1), None]

    assert [TokenPayload(sub="ada", nbf=nbf).nbf for nbf in values] == [5, 5.5, NOW, NOW + 1, None]


def test_unknown_claims_are_kept() -> None:
    """Claims that are no fields are attributes, and have a dict of their own."""
    payload = TokenPayload.model_validate({"sub": "ada", "role": "admin", "n": [1]})

    assert payload.model_dump()["role"] == "admin"
    assert getattr(payload, "role") == "admin"  # noqa: B009 - the type knows nothing of it
    assert payload.custom_claims == {"role": "admin", "n": [1]}
    assert payload.extra_dict == {}


@freeze_time(START)
def test_durations() -> None:
    """Times as datetimes, and how far they are from now."""
    payload = TokenPayload(sub="ada", iat=NOW - 60, exp=timedelta(seconds=30))

    assert payload.issued_at == START - timedelta(seconds=60)
    assert payload.expiry_datetime == START + timedelta(seconds=30)
    assert payload.time_until_expiry == timedelta(seconds=30)
    assert payload.time_since_issued == timedelta(seconds=60)


def test_times_assigned_later() -> None:
    """Assigning is not validated: a distance counts from ``iat``, a number is a time, the rest an error."""
    payload = TokenPayload(sub="ada", iat=START)

    assert payload.issued_at == START
    payload.exp = timedelta(hours=1)
    assert payload.expiry_datetime == START + timedelta(hours=1)
    payload.exp = NOW  # type: ignore[assignment]
    assert payload.expiry_datetime == START
    for value in (None, True, "soon"):
        payload.exp = value  # type: ignore[assignment]
        payload.iat = value  # type: ignore[assignment]
        with pytest.raises(TypeError, match="exp is no point in time"):
            _ = payload.expiry_datetime
        with pytest.raises(TypeError, match="iat is no point in time"):
            _ = payload.issued_at


def test_scopes() -> None:
    """Scopes are asked by the wildcard rules."""
    assert TokenPayload(sub="ada", scopes=["a:*"]).has_scopes("a:b", "a")
    assert not TokenPayload(sub="ada").has_scopes("a")


def test_encode() -> None:
    """Fields are written, unknown claims and the login type are not, and data wins over all but scopes."""
    payload = TokenPayload.model_validate(
        {
            "sub": "ada",
            "jti": "j1",
            "iat": 5,
            "nbf": 6,
            "exp": NOW + 0.5,
            "iss": "me",
            "aud": ["web"],
            "csrf": "c",
            "scopes": ["s"],
            "fresh": True,
            "login_type": "admin",
            "role": "lost",
        }
    )

    assert decode_token(payload.encode(SECRET), SECRET, verify=False) == {
        "sub": "ada",
        "jti": "j1",
        "iat": 5,
        "nbf": 6,
        "exp": NOW + 0.5,
        "iss": "me",
        "aud": ["web"],
        "csrf": "c",
        "scopes": ["s"],
        "fresh": True,
        "type": "access",
    }
    token = payload.encode(SECRET, data={"sub": "eve", "scopes": ["x"], "login_type": "user"})
    claims = decode_token(token, SECRET, verify=False)
    assert (claims["sub"], claims["scopes"], claims["login_type"]) == ("eve", ["s"], "user")


def test_decode() -> None:
    """A token becomes a payload, or the exception that fits."""
    assert TokenPayload.decode(forge({"sub": "ada", "role": "x"}), SECRET).custom_claims == {"role": "x"}
    assert TokenPayload.decode(forge({"sub": "ada"}, secret=OTHER_SECRET), SECRET, verify=False).sub == "ada"
    with pytest.raises(TokenExpiredError):
        TokenPayload.decode(forge({"sub": "ada", "exp": 1}), SECRET)
    with pytest.raises(TokenInvalidSignatureError):
        TokenPayload.decode(forge({"sub": "ada"}, secret=OTHER_SECRET), SECRET)


@pytest.mark.parametrize(
    "claims",
    [
        {"jti": "j"},
        {"sub": "ada", "scopes": "a b"},
        {"sub": "ada", "fresh": "maybe"},
        {"sub": "ada", "csrf": 5},
    ],
)
def test_decode_refuses_with_its_own_exception(claims: dict[str, Any]) -> None:
    """A claim of the wrong type is a JWTDecodeError, not an exception of the validating library."""
    with pytest.raises(JWTDecodeError, match=r"^Invalid token: (sub|scopes|fresh|csrf): "):
        TokenPayload.decode(forge(claims), SECRET)


def test_request_token() -> None:
    """The place is required, and one of four."""
    assert request_token().type == "access"
    with pytest.raises(ValidationError):
        RequestToken(token="x", location="pocket")  # type: ignore[arg-type]


def test_verify_types() -> None:
    """The token must be of the type the request token is for, unless nobody asks."""
    assert request_token().verify(SECRET).sub == "ada"
    with pytest.raises(AccessTokenRequiredError):
        request_token({"type": "refresh"}).verify(SECRET)
    with pytest.raises(RefreshTokenRequiredError):
        request_token({"type": "access"}, type="refresh").verify(SECRET)
    assert request_token({"type": "x"}).verify(SECRET, verify_type=False).type == "x"


def test_verify_freshness() -> None:
    """Freshness is checked if asked for."""
    assert request_token({"fresh": True}).verify(SECRET, verify_fresh=True).fresh
    with pytest.raises(FreshTokenRequiredError):
        request_token().verify(SECRET, verify_fresh=True)


def test_verify_csrf() -> None:
    """Only tokens from cookies need their CSRF value."""
    claims = {"csrf": "c"}

    request_token(claims, csrf="c", location="cookies").verify(SECRET)
    request_token(claims, location="json").verify(SECRET)
    request_token(claims, location="cookies").verify(SECRET, verify_csrf=False)
    for csrf in (None, "", "x", "é"):
        with pytest.raises(CSRFError):
            request_token(claims, csrf=csrf, location="cookies").verify(SECRET)


def test_verify_an_empty_csrf_value() -> None:
    """An empty value is one, and matches an empty claim; no value matches none."""
    request_token({"csrf": ""}, csrf="", location="cookies").verify(SECRET)
    request_token({}, csrf="", location="cookies").verify(SECRET)
    with pytest.raises(CSRFError):
        request_token({"csrf": ""}, location="cookies").verify(SECRET)


def test_verify_in_order() -> None:
    """Of several faults the first is reported: of the token, its type, its freshness, its CSRF value."""
    claims: dict[str, Any] = {"exp": 1, "type": "refresh", "csrf": "c"}
    token = request_token(claims, location="cookies")

    with pytest.raises(TokenExpiredError):
        token.verify(SECRET, verify_fresh=True)
    with pytest.raises(AccessTokenRequiredError):
        token.verify(SECRET, verify_jwt=False, verify_fresh=True)
    with pytest.raises(FreshTokenRequiredError):
        token.verify(SECRET, verify_jwt=False, verify_type=False, verify_fresh=True)
    with pytest.raises(CSRFError):
        token.verify(SECRET, verify_jwt=False, verify_type=False)


def test_response() -> None:
    """A pair of tokens is of the type bearer."""
    assert TokenResponse(access_token="a", refresh_token="r").model_dump() == {
        "access_token": "a",
        "refresh_token": "r",
        "token_type": "bearer",
    }
