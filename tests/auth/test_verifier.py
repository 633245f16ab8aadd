"""The door."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import (
    AccessTokenRequiredError,
    AuthXException,
    BadConfigurationError,
    CSRFError,
    FreshTokenRequiredError,
    JWTDecodeError,
    LoginTypeMismatchError,
    RefreshTokenRequiredError,
    TokenExpiredError,
    TokenInvalidAudienceError,
    TokenInvalidIssuerError,
    TokenInvalidSignatureError,
)
from authx.auth.identity import Identity
from authx.auth.schema import TokenPayload
from authx.auth.verifier import RolesClaim, Verifier
from tests.auth.forge import CLAIMS, NOW, OTHER_SECRET, SECRET, Clock, forge, rsa_pair, unsigned


def door(
    login_type: str | None = None,
    roles_claim: RolesClaim = "roles",
    clock: Clock | None = None,
    **settings: Any,
) -> Verifier:
    config = AuthXConfig(**{"JWT_SECRET_KEY": SECRET, **settings})
    return Verifier(config, login_type=login_type, roles_claim=roles_claim, clock=clock or Clock())


def token(**claims: Any) -> str:
    return forge({**CLAIMS, **claims})


# --- claims ---------------------------------------------------------------------------------------------


def test_claims() -> None:
    """A good token gives its claims as they are, unknown ones too."""
    assert door().claims(token(role="x", n=[1])) == {**CLAIMS, "role": "x", "n": [1]}


def test_types() -> None:
    """A token opens the doors of its type; one without a type is an access token."""
    door().claims(forge({"sub": "ada"}))
    door().claims(token(type="refresh"), type="refresh")
    door().claims(token(type="x"), type=None)
    for kind in ("refresh", "x", None):
        with pytest.raises(AccessTokenRequiredError):
            door().claims(token(type=kind))
    with pytest.raises(RefreshTokenRequiredError):
        door().claims(token(), type="refresh")


def test_freshness() -> None:
    """Where fresh tokens are needed no others will do."""
    door().claims(token(fresh=True), fresh=True)
    for stale in (token(), token(fresh=False)):
        with pytest.raises(FreshTokenRequiredError):
            door().claims(stale, fresh=True)


def test_csrf() -> None:
    """The CSRF value is compared if asked for, and nothing never equals nothing."""
    door().claims(token(csrf="c"))
    door().claims(token(csrf="c"), csrf="c", verify_csrf=True)
    for claims in ({"csrf": None}, {"csrf": "c"}):
        for submitted in (None, "", "x", "é", "\ud800"):
            with pytest.raises(CSRFError):
                door().claims(token(**claims), csrf=submitted, verify_csrf=True)


@pytest.mark.parametrize("claims", [{}, {"csrf": ""}])
def test_an_empty_csrf_value(claims: dict[str, str]) -> None:
    """It matches an empty claim where claims are asked for, as apps know it, and never at the door of an
    identity, which takes it from anybody."""
    door().claims(token(**claims), csrf="", verify_csrf=True)
    with pytest.raises(CSRFError):
        door().claims(token(**claims), verify_csrf=True)
    for submitted in ("", None):
        with pytest.raises(CSRFError):
            door().identity(token(**claims), csrf=submitted, verify_csrf=True)


def test_in_order() -> None:
    """Of several faults the first is reported: of the token, its type, its freshness, its CSRF value."""
    expectations: dict[str, Any] = {"fresh": True, "csrf": "x", "verify_csrf": True}

    with pytest.raises(TokenExpiredError):
        door().claims(token(exp=NOW, type="refresh"), **expectations)
    with pytest.raises(JWTDecodeError, match="scopes must be"):
        door().claims(token(scopes="a", type="refresh"), **expectations)
    with pytest.raises(AccessTokenRequiredError):
        door().claims(token(type="refresh"), **expectations)
    with pytest.raises(FreshTokenRequiredError):
        door().claims(token(), **expectations)
    with pytest.raises(CSRFError):
        door().claims(token(fresh=True), **expectations)


def test_the_clock() -> None:
    """Time is what the clock says, give or take the leeway."""
    clock = Clock(NOW + 899.9)
    verifier = door(clock=clock)

    verifier.claims(token())
    clock.now = NOW + 900
    with pytest.raises(TokenExpiredError):
        verifier.claims(token())
    verifier.config.JWT_DECODE_LEEWAY = 10
    verifier.claims(token())
    clock.now = NOW + 910
    with pytest.raises(TokenExpiredError):
        verifier.claims(token())
    verifier.config.JWT_DECODE_LEEWAY = None
    clock.now = NOW - 1
    with pytest.raises(JWTDecodeError, match="not yet valid"):
        verifier.claims(token())


def test_the_settings_are_read_each_time() -> None:
    """Key, audience and issuer may be assigned later."""
    verifier = door()
    verifier.claims(token())
    verifier.config.JWT_DECODE_AUDIENCE = ["web"]
    with pytest.raises(TokenInvalidAudienceError):
        verifier.claims(token(aud="app"))
    verifier.config.JWT_DECODE_ISSUER = "me"
    with pytest.raises(TokenInvalidIssuerError):
        verifier.claims(token(aud="web", iss="you"))
    verifier.claims(token(aud="web", iss="me"))
    verifier.config.JWT_SECRET_KEY = OTHER_SECRET
    with pytest.raises(TokenInvalidSignatureError):
        verifier.claims(token(aud="web", iss="me"))


def test_rotation() -> None:
    """After a rotation tokens of both keys are read, and faults are reported as they are."""
    verifier = door(JWT_SECRET_KEY=OTHER_SECRET, JWT_PREVIOUS_SECRET_KEY=SECRET)
    current, previous, unknown = (forge(CLAIMS, secret=secret) for secret in (OTHER_SECRET, SECRET, "x" * 64))

    assert verifier.claims(current) == verifier.claims(previous) == CLAIMS
    with pytest.raises(TokenInvalidSignatureError):
        verifier.claims(unknown)
    for secret in (SECRET, OTHER_SECRET):
        with pytest.raises(TokenExpiredError):
            verifier.claims(forge({**CLAIMS, "exp": 1}, secret=secret))


def test_an_empty_previous_key_is_none() -> None:
    """An unset variable of the environment is no key."""
    with pytest.raises(TokenInvalidSignatureError):
        door(JWT_PREVIOUS_SECRET_KEY="").claims(forge(CLAIMS, secret=""))


def test_rotation_of_key_pairs() -> None:
    """The previous public key reads what its private key signed, with the same algorithm only."""
    signed = jwt.encode(CLAIMS, rsa_pair().private, "RS256")
    settings: dict[str, Any] = {
        "JWT_PUBLIC_KEY": rsa_pair("other").public,
        "JWT_PREVIOUS_PUBLIC_KEY": rsa_pair().public,
    }

    assert door(JWT_ALGORITHM="RS256", **settings).claims(signed) == CLAIMS
    with pytest.raises(JWTDecodeError):
        door(JWT_ALGORITHM="PS256", **settings).claims(signed)


@pytest.mark.parametrize("forged", [forge(CLAIMS, secret=rsa_pair().public), unsigned(CLAIMS)])
@pytest.mark.parametrize("settings", [{}, {"JWT_DECODE_ALGORITHMS": ["HS256"]}])
def test_key_confusion(forged: str, settings: dict[str, Any]) -> None:
    """A public key is no secret, not even with an algorithm of secrets among those set."""
    verifier = door(JWT_ALGORITHM="RS256", JWT_PUBLIC_KEY=rsa_pair().public, **settings)

    with pytest.raises(JWTDecodeError):
        verifier.claims(forged)


@pytest.mark.parametrize(
    "settings",
    [
        {"JWT_SECRET_KEY": None},
        {"JWT_SECRET_KEY": ""},
        {"JWT_SECRET_KEY": rsa_pair().public},
        {"JWT_ALGORITHM": "RS256"},
        {"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": SECRET},
    ],
)
def test_no_usable_key(settings: dict[str, Any]) -> None:
    """The server's fault is never blamed on the token."""
    with pytest.raises(BadConfigurationError) as caught:
        door("admin", **settings).claims(token())

    assert caught.value.login_type == "admin"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda verifier: verifier.claims("x"),
        lambda verifier: verifier.claims(token(exp=1)),
        lambda verifier: verifier.claims(token(type="refresh")),
        lambda verifier: verifier.claims(token(), fresh=True),
        lambda verifier: verifier.claims(token(), verify_csrf=True),
        lambda verifier: verifier.identity(token(sub="")),
        lambda verifier: verifier.identity(token()),
        lambda verifier: verifier.identity(token(type="refresh")),
    ],
)
def test_the_login_type_is_on_every_exception(attempt: Callable[[Verifier], Any]) -> None:
    """Whoever handles an exception knows which login refused."""
    with pytest.raises(AuthXException) as caught:
        attempt(door("admin"))
    assert caught.value.login_type == "admin"


# --- identity -------------------------------------------------------------------------------------------


def test_identity() -> None:
    """An access token stands for somebody who may do something until some time."""
    identity = door("admin").identity(
        token(
            scopes=["chat:*"],
            roles=["staff"],
            session_id="s1",
            login_type="admin",
            fresh=True,
            color="red",
            exp=NOW + 900.5,
        )
    )

    assert identity == Identity(
        "ada",
        scopes=frozenset({"chat:*"}),
        roles=frozenset({"staff"}),
        session="s1",
        token_id="j1",
        issued_at=float(NOW),
        expires_at=NOW + 900.5,
        login_type="admin",
        fresh=True,
    )
    assert identity.claims["color"] == "red"


def test_the_least_identity() -> None:
    """A user is enough."""
    assert door().identity(forge({"sub": "ada"})) == Identity("ada")


def test_refresh_tokens_are_nobody() -> None:
    """Refresh tokens get new access tokens, and open nothing themselves."""
    with pytest.raises(AccessTokenRequiredError):
        door().identity(token(type="refresh"))


def test_an_identity_may_need_more() -> None:
    """Freshness and CSRF are asked as for claims."""
    door().identity(token(fresh=True, csrf="c"), fresh=True, csrf="c", verify_csrf=True)
    with pytest.raises(FreshTokenRequiredError):
        door().identity(token(), fresh=True)
    with pytest.raises(CSRFError):
        door().identity(token(csrf="c"), csrf="x", verify_csrf=True)


@pytest.mark.parametrize("user", [None, "", 5, ["ada"], True])
def test_no_user(user: Any) -> None:
    """The user is a string with something in it, in whichever claim it is."""
    with pytest.raises(JWTDecodeError, match="email must be a non-empty string"):
        door(JWT_IDENTITY_CLAIM="email").identity(token(email=user))


def test_another_identity_claim() -> None:
    """The settings say which claim names the user; a token without it is nobody's."""
    verifier = door(JWT_IDENTITY_CLAIM="email")

    assert verifier.identity(token(email="ada@example.test")).user == "ada@example.test"
    with pytest.raises(JWTDecodeError):
        verifier.identity(token())


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, set()),
        ({"scopes": None, "scope": None}, set()),
        ({"scopes": []}, set()),
        ({"scope": "a b  c:*"}, {"a", "b", "c:*"}),
        ({"scope": ""}, set()),
        ({"scopes": ["a"], "scope": "b a"}, {"a", "b"}),
    ],
)
def test_scopes(claims: dict[str, Any], scopes: set[str]) -> None:
    """Scopes are a list, or separated by spaces (RFC 8693, section 4.2), or both."""
    assert door().identity(token(**claims)).scopes == scopes


@pytest.mark.parametrize(
    ("where", "claims", "roles"),
    [
        ("roles", {}, set()),
        ("roles", {"roles": None}, set()),
        ("roles", {"roles": "admin"}, {"admin"}),
        ("roles", {"roles": ""}, set()),
        ("roles", {"roles": ["admin", "staff"]}, {"admin", "staff"}),
        ("realm_access.roles", {"realm_access": {"roles": ["admin"]}}, {"admin"}),
        ("realm_access.roles", {"realm_access": {}}, set()),
        ("realm_access.roles", {"realm_access": None}, set()),
        ("realm_access.roles", {}, set()),
        ("https://app.test/roles", {"https://app.test/roles": ["admin"]}, {"admin"}),
        (lambda claims: claims["groups"], {"groups": ["admin"]}, {"admin"}),
        (lambda claims: (group for group in claims["groups"]), {"groups": ["admin"]}, {"admin"}),
        (lambda _: "admin", {}, {"admin"}),
        (lambda _: None, {}, set()),
    ],
)
def test_roles(where: RolesClaim, claims: dict[str, Any], roles: set[str]) -> None:
    """Roles are where they are said to be: a claim, a path, or what a callable finds."""
    assert door(roles_claim=where).identity(token(**claims)).roles == roles


@pytest.mark.parametrize(
    ("where", "claims"),
    [
        ("roles", {"roles": 5}),
        ("roles", {"roles": False}),
        ("roles", {"roles": {}}),
        ("roles", {"roles": {"admin": True}}),
        ("roles", {"roles": ["admin", 5]}),
        ("roles", {"roles": [["admin"]]}),
        ("realm_access.roles", {"realm_access": ["admin"]}),
        ("realm_access.roles", {"realm_access": {"roles": 5}}),
        ("a.b.c", {"a": {"b": "text"}}),
        (lambda claims: claims["groups"], {}),
        (lambda claims: claims["groups"], {"groups": 5}),
        (lambda claims: claims["groups"].keys(), {"groups": []}),
        (lambda claims: [int(claims["n"])], {"n": "x"}),
        (lambda claims: [5], {}),
    ],
)
def test_roles_of_another_shape(where: RolesClaim, claims: dict[str, Any]) -> None:
    """Roles that cannot be read are a refusal, not an identity without roles."""
    with pytest.raises(JWTDecodeError, match="Invalid token: "):
        door(roles_claim=where).identity(token(**claims))


def test_a_roles_callable_cannot_change_the_claims() -> None:
    """What reads the roles gets a read-only view."""

    def elevate(claims: Any) -> list[str]:
        claims["sub"] = "root"
        return ["admin"]

    with pytest.raises(JWTDecodeError):
        door(roles_claim=elevate).identity(token())


@pytest.mark.parametrize(
    ("claims", "session"),
    [
        ({"session_id": "a", "sid": "b"}, "a"),
        ({"sid": "b"}, "b"),
        ({"session_id": None, "sid": "b"}, "b"),
        ({"session_id": "", "sid": ""}, None),
        ({}, None),
    ],
)
def test_sessions(claims: dict[str, Any], session: str | None) -> None:
    """The session is ours, or the OpenID provider's."""
    assert door().identity(token(**claims)).session == session


@pytest.mark.parametrize("claims", [{"session_id": 5}, {"sid": ["a"]}, {"scope": ["a"]}, {"scope": 5}])
def test_other_shapes(claims: dict[str, Any]) -> None:
    """Claims that only an identity reads are refused by it, and by nobody else."""
    door().claims(token(**claims))
    with pytest.raises(JWTDecodeError, match="must be a string"):
        door().identity(token(**claims))


@pytest.mark.parametrize("actual", [None, "user"])
def test_another_login(actual: str | None) -> None:
    """A login takes no tokens of another one, though they share a key; without a name it takes all."""
    with pytest.raises(LoginTypeMismatchError) as caught:
        door("admin").identity(token(login_type=actual))
    assert (caught.value.expected_type, caught.value.actual_type) == ("admin", actual)

    assert door().identity(token(login_type=actual)).login_type == actual
    assert door("admin").claims(token(login_type=actual))["login_type"] == actual


# --- hostile input --------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**400), 1e308, "1767225600"])
    | st.text(alphabet=st.characters(exclude_categories=()), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        *("sub", "jti", "iat", "nbf", "exp", "aud", "iss", "type", "fresh", "csrf", "scopes", "login_type"),
        *("scope", "roles", "session_id", "sid", "__class__", "model_dump", "extra"),
    ]
)


@given(st.dictionaries(NAMES, JSON))
def test_claims_of_any_shape(claims: dict[str, Any]) -> None:
    """With a good signature too, whatever the claims are: an identity, or a refusal."""
    for payload in (claims, {"sub": "ada", "exp": NOW + 1, **claims}):
        signed = forge(json.dumps(payload).encode("utf-8", "surrogatepass"))
        try:
            accepted = door().claims(signed, type=None)
        except JWTDecodeError:
            accepted = None
        try:
            identity = door().identity(signed)
        except (JWTDecodeError, AccessTokenRequiredError):
            continue
        assert accepted is not None
        assert identity.user == accepted["sub"]


@given(st.dictionaries(NAMES, JSON))
def test_claims_that_pass_make_a_payload(claims: dict[str, Any]) -> None:
    """The door and the payload model agree on the shape of claims."""
    try:
        accepted = door().claims(forge({"sub": "ada", **claims}), type=None)
    except JWTDecodeError:
        return
    assert TokenPayload.from_claims(accepted).sub == accepted["sub"]


@given(text=st.text(alphabet=st.characters(exclude_categories=()), max_size=40))
def test_any_text(text: str) -> None:
    """Any text at all is refused as a token that cannot be decoded."""
    for hostile in (text, text * 3_000, f"{token()}{text}." if text else "."):
        with pytest.raises(JWTDecodeError):
            door().identity(hostile)


@pytest.mark.parametrize("hostile", [None, 5, b"a.b.c", token().encode(), ["a.b.c"], "x" * 1_000_000])
def test_anything_at_all(hostile: Any) -> None:
    """What is no string, or a huge one, is no token."""
    with pytest.raises(JWTDecodeError):
        door().identity(hostile)


# --- for those who end tokens -----------------------------------------------------------------------------


def test_now() -> None:
    """Whoever has to do with tokens goes by the same clock."""
    clock = Clock(NOW + 0.5)

    assert door(clock=clock).now() == NOW + 0.5
    clock.now += 1
    assert door(clock=clock).now() == NOW + 1.5


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"exp": NOW - 1},
        {"nbf": NOW + 9},
        {"iat": NOW + 9},
        {"aud": "web"},
        {"iss": "x"},
        {"type": "refresh"},
    ],
)
def test_own_claims(claims: dict[str, Any]) -> None:
    """A token that was made by this login is its own, whether it will do or not."""
    verifier = door("admin", JWT_DECODE_ISSUER="us", JWT_DECODE_AUDIENCE="us")
    own = token(login_type="admin", **claims)

    assert verifier.own_claims(own) == {**CLAIMS, "login_type": "admin", **claims}


@pytest.mark.parametrize(
    ("not_own", "error"),
    [
        (forge({**CLAIMS, "login_type": "admin"}, secret=OTHER_SECRET), TokenInvalidSignatureError),
        (unsigned(CLAIMS), JWTDecodeError),
        (token(), LoginTypeMismatchError),
        (token(login_type="user"), LoginTypeMismatchError),
        (token(login_type="admin", exp="x"), JWTDecodeError),
        (token(login_type="admin", jti=5), JWTDecodeError),
        (token(login_type="admin", aud=5), JWTDecodeError),
    ],
)
def test_what_is_not_its_own(not_own: str, error: type[AuthXException]) -> None:
    """By another key, of another login, or of no shape that anybody would accept."""
    with pytest.raises(error) as caught:
        door("admin").own_claims(not_own)

    assert caught.value.login_type == "admin"


# --- other rights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles_claim", "claims", "changed"),
    [
        ("roles", {"roles": ["a"]}, {"roles": ["x", "y"]}),
        ("roles", {}, {"roles": ["x", "y"]}),
        ("groups", {"groups": "a", "roles": ["b"]}, {"groups": ["x", "y"]}),
        ("a.b", {"a": {"b": ["z"], "c": 1}}, {"a": {"b": ["x", "y"], "c": 1}}),
        ("a.b", {"a.b": ["z"], "a": {"b": ["z"]}}, {"a.b": ["x", "y"]}),
        ("a.b", {}, {"a": {"b": ["x", "y"]}}),
        (lambda claims: claims.get("r"), {"r": ["z"]}, {}),
    ],
)
def test_other_roles(roles_claim: RolesClaim, claims: dict[str, Any], changed: dict[str, Any]) -> None:
    """They are where they were read, and nothing else is touched; what the token said stays as it is."""
    verifier = door(roles_claim=roles_claim)
    identity = verifier.identity(token(scopes=["s"], **claims))
    other = verifier.with_rights(identity, roles=frozenset({"y", "x"}))

    assert other.roles == {"x", "y"}
    assert other.scopes == identity.scopes
    assert dict(other.claims) == {**identity.claims, **changed}
    assert identity.claims == {**CLAIMS, "scopes": ["s"], **claims}
    assert other.overridden == (set(changed) or {"roles"})
    # A token of the same shape would give them.
    if changed:
        assert verifier._roles(dict(other.claims)) == other.roles


@pytest.mark.parametrize(
    ("claims", "changed"),
    [
        ({"scopes": ["a"]}, {"scopes": ["x", "y"]}),
        ({}, {"scopes": ["x", "y"]}),
        ({"scope": "a b"}, {"scopes": ["x", "y"], "scope": "x y"}),
    ],
)
def test_other_scopes(claims: dict[str, Any], changed: dict[str, Any]) -> None:
    """In each of the two claims that say them, beside the roles that were changed before."""
    verifier = door()
    identity = verifier.with_rights(verifier.identity(token(**claims)), roles=frozenset({"r"}))
    other = verifier.with_rights(identity, scopes=frozenset({"y", "x"}))

    assert other.scopes == {"x", "y"}
    assert other.roles == {"r"}
    assert dict(other.claims) == {**CLAIMS, "roles": ["r"], **claims, **changed}
    assert other.overridden == {"roles", *changed}
    assert other.kept_claims == CLAIMS


def test_the_latest_token_that_was_accepted() -> None:
    """Whatever it is for; what will not do is not remembered, and what does not say when it was made."""
    verifier = door(JWT_DECODE_LEEWAY=10)
    verifier.claims(forge({"sub": "ada"}))
    assert verifier.latest_issue < 0
    verifier.claims(token(iat=NOW - 5, type="refresh"), type="refresh")
    assert verifier.latest_issue == NOW - 5
    verifier.identity(token(iat=NOW + 8))
    verifier.identity(token(iat=NOW + 3))
    for refused in (token(iat=NOW + 12), token(iat=NOW + 9, exp=NOW - 100)):
        with pytest.raises(JWTDecodeError):
            verifier.identity(refused)
    assert verifier.latest_issue == NOW + 8
