"""Guards: what a request has to bring along to pass."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.websockets import WebSocket

from authx.auth.exceptions import (
    AccessTokenRequiredError,
    AuthXException,
    CSRFError,
    FreshTokenRequiredError,
    InsufficientScopeError,
    JWTDecodeError,
    MissingTokenError,
    RateLimitExceeded,
    RefreshTokenRequiredError,
    RevokedTokenError,
    SessionRevoked,
)
from authx.auth.facade import AuthX
from authx.auth.guards import (
    Terms,
    admit,
    admit_websocket,
    check_current,
    find_current,
    go_on,
    rate_guard,
    scopes_guard,
    token_guard,
    verify_on_terms,
)
from authx.auth.identity import Identity
from authx.auth.schema import RequestToken, TokenPayload
from authx.auth.sessions import InMemorySessionStore
from tests.auth.asking import asking, auth_of, bearer, request
from tests.auth.forge import NOW, forge


class Recording(AuthX[Any]):
    """Writes down which of its public methods are called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[str] = []

    def ensure_request_exception_handlers(self, request: Any) -> None:
        self.calls.append("ensure_request_exception_handlers")
        super().ensure_request_exception_handlers(request)

    async def get_access_token_from_request(self, *args: Any, **kwargs: Any) -> RequestToken:
        self.calls.append("get_access_token_from_request")
        return await super().get_access_token_from_request(*args, **kwargs)

    async def get_refresh_token_from_request(self, *args: Any, **kwargs: Any) -> RequestToken:
        self.calls.append("get_refresh_token_from_request")
        return await super().get_refresh_token_from_request(*args, **kwargs)

    async def is_token_in_blocklist(self, *args: Any, **kwargs: Any) -> bool:
        self.calls.append("is_token_in_blocklist")
        return await super().is_token_in_blocklist(*args, **kwargs)

    def verify_token(self, *args: Any, **kwargs: Any) -> TokenPayload:
        self.calls.append("verify_token")
        return super().verify_token(*args, **kwargs)

    async def check_ended(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append("check_ended")
        await super().check_ended(*args, **kwargs)

    async def check_session(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append("check_session")
        await super().check_session(*args, **kwargs)


@pytest.mark.parametrize("kind", ["access", "refresh"])
async def test_the_order_of_the_checks(kind: str) -> None:
    """A guard goes through the login's public methods, so that overriding them counts, in this order."""
    auth = Recording(auth_of().config, clock=auth_of()._clock)
    token = auth.create_access_token("ada") if kind == "access" else auth.create_refresh_token("ada")
    payload = await token_guard(auth, Terms(type=kind))(request=request(headers=bearer(token)))

    assert payload.sub == "ada"
    assert auth.calls == [
        "ensure_request_exception_handlers",
        f"get_{kind}_token_from_request",
        "is_token_in_blocklist",
        "verify_token",
        "check_ended",
        "check_session",
    ]


async def test_a_guard_is_an_async_function() -> None:
    """Apps call guards themselves, with a request that never saw an app."""
    auth = auth_of()
    guard = auth.access_token_required

    assert inspect.iscoroutinefunction(guard)
    assert guard is not auth.access_token_required
    assert (await guard(request(headers=bearer(auth.create_access_token("ada"))))).sub == "ada"


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (Terms(), AccessTokenRequiredError),
        (Terms(type="refresh", verify_fresh=True), FreshTokenRequiredError),
        (Terms(locations=["query"]), MissingTokenError),
    ],
)
async def test_terms(terms: Terms, error: type[AuthXException]) -> None:
    """What a guard asks for has to be there."""
    auth = auth_of()
    asked = request(headers=bearer(auth.create_refresh_token("ada")))
    with pytest.raises(error):
        await admit(auth, asked, terms)

    assert (await admit(auth, asked, Terms(verify_type=False))).type == "refresh"
    with pytest.raises(RefreshTokenRequiredError):
        await admit(auth, request(headers=bearer(auth.create_access_token("ada"))), Terms(type="refresh"))


async def test_revoked_before_verified() -> None:
    """Whatever stands in the blocklist is revoked, be it a token or not."""
    auth = auth_of(login_type="admin")
    auth.set_token_blocklist(lambda token: token == "junk")

    with pytest.raises(RevokedTokenError) as caught:
        await admit(auth, request(headers=bearer("junk")), Terms())
    assert caught.value.login_type == "admin"
    with pytest.raises(RevokedTokenError):
        await auth.check_blocklist("junk")
    with pytest.raises(JWTDecodeError):
        await admit(auth, request(headers=bearer("other")), Terms())


def with_cookie(auth: AuthX[Any], method: str, csrf: str | None = "own") -> Request:
    token = auth.create_access_token("ada")
    own = auth.verifier.claims(token)["csrf"]
    header = {} if csrf is None else {"X-CSRF-TOKEN": own if csrf == "own" else csrf}
    return request(method, {"cookie": f"access_token_cookie={token}", **header})


@pytest.mark.parametrize(
    ("method", "csrf", "verify_csrf", "error"),
    [
        ("GET", None, None, None),
        ("GET", "x", None, None),
        ("GET", "x", True, CSRFError),
        ("GET", None, True, CSRFError),
        ("GET", "", True, CSRFError),
        ("GET", "own", True, None),
        ("POST", "own", None, None),
        ("POST", "own", True, None),
        ("POST", "x", None, CSRFError),
        ("POST", "ä", None, CSRFError),
        ("POST", None, None, MissingTokenError),
        ("POST", None, True, MissingTokenError),
        ("POST", "x", False, None),
        ("POST", None, False, None),
    ],
)
async def test_csrf(
    method: str, csrf: str | None, verify_csrf: bool | None, error: type[AuthXException] | None
) -> None:
    """The value is checked where the method, or the route, wants it, and demanded where it is checked."""
    auth = auth_of(JWT_TOKEN_LOCATION=["cookies"])
    terms = Terms(verify_csrf=verify_csrf)
    if error is None:
        assert (await admit(auth, with_cookie(auth, method, csrf), terms)).sub == "ada"
        return
    with pytest.raises(error):
        await admit(auth, with_cookie(auth, method, csrf), terms)


async def test_a_token_that_belongs_to_an_unprotected_login() -> None:
    """An empty header does not stand for the empty claim of a token made for headers."""
    token = auth_of().create_access_token("ada")
    auth = auth_of(JWT_TOKEN_LOCATION=["cookies"])
    asked = request("GET", {"cookie": f"access_token_cookie={token}", "X-CSRF-TOKEN": ""})

    with pytest.raises(CSRFError):
        await admit(auth, asked, Terms(verify_csrf=True))


async def test_finding_and_verifying_apart() -> None:
    """Those who have more to check can take the steps one by one."""
    auth = auth_of()
    asked = request(headers=bearer(auth.create_access_token("ada")))
    token = await find_current(auth, asked, Terms())

    assert verify_on_terms(auth, asked, token, Terms()).sub == "ada"


@pytest.mark.parametrize(("all_required", "passes"), [(True, False), (False, True)])
async def test_scopes(all_required: bool, passes: bool) -> None:
    """All scopes are asked for, or any of them; the exception says which, and whose token it was."""
    auth = auth_of(login_type="admin")
    guard = scopes_guard(auth, Terms(), ("a:read", "b"), all_required=all_required)
    asked = request(headers=bearer(auth.create_access_token("ada", scopes=["a:*"])))
    if passes:
        assert (await guard(asked)).scopes == ["a:*"]
        return
    with pytest.raises(InsufficientScopeError) as caught:
        await guard(asked)
    assert (caught.value.required, caught.value.provided, caught.value.login_type) == (
        ["a:read", "b"],
        ["a:*"],
        "admin",
    )


async def test_the_rate_is_asked_for_first() -> None:
    """Who comes too often is not even asked for a token."""
    auth = auth_of()
    attempts: list[Request] = []

    async def limiter(asked: Request) -> None:
        attempts.append(asked)
        if len(attempts) > 1:
            raise RateLimitExceeded

    guard = rate_guard(auth, limiter)
    with pytest.raises(MissingTokenError):
        await guard(request())
    with pytest.raises(RateLimitExceeded):
        await guard(request())


def socket(token: str) -> WebSocket:
    async def unused(*_: Any) -> Any:
        raise AssertionError

    scope = {"type": "websocket", "query_string": f"token={token}".encode(), "headers": []}
    return WebSocket(scope, unused, unused)


async def test_websocket() -> None:
    """A socket is opened with an access token that goes on, whatever the settings say of places."""
    store = InMemorySessionStore()
    auth = auth_of(JWT_TOKEN_LOCATION=["cookies"], JWT_SESSION_TRACKING=True)
    auth.set_session_store(store)
    session = await auth.create_session("ada")
    token = auth.create_access_token("ada", session=session.session_id)

    assert (await admit_websocket(auth, socket(token))).sub == "ada"
    with pytest.raises(AccessTokenRequiredError):
        await admit_websocket(auth, socket(auth.create_refresh_token("ada")))
    await store.delete(session.session_id)
    with pytest.raises(SessionRevoked):
        await admit_websocket(auth, socket(token))
    auth.set_token_blocklist(lambda _: True)
    with pytest.raises(RevokedTokenError):
        await admit_websocket(auth, socket(token))


async def test_a_user_is_named_by_the_claim_of_the_settings() -> None:
    """Whoever is ended is ended by the name that an identity has."""
    auth = auth_of(JWT_IDENTITY_CLAIM="email")
    token = auth.create_access_token("17", data={"email": "ada@x"})
    payload = await admit(auth, request(headers=bearer(token)), Terms())
    await auth.revoke_user("17")
    await check_current(auth, payload)

    await auth.revoke_user("ada@x")
    with pytest.raises(RevokedTokenError):
        await check_current(auth, payload)


# --- rights that were changed since -----------------------------------------------------------------------


def changed(auth: AuthX[Any], token: str, *scopes: str) -> Identity:
    """Whom a token stands for, with other rights than it gives."""
    return auth.verifier.with_rights(auth.verifier.identity(token), scopes=frozenset(scopes))


@pytest.mark.parametrize("scopes", [(), ("a",), ("b", "a", "c")])
async def test_the_rights_of_today(scopes: tuple[str, ...]) -> None:
    """Who serves the request may know better than the token what its holder may do now."""
    auth = auth_of()
    token = auth.create_access_token("ada", scopes=["a", "b"], data={"role": "x"})
    known: dict[str, Any] = {"authx.identity": changed(auth, token, *scopes)}
    payload = await admit(auth, request(headers=bearer(token), **known), Terms())

    assert payload.scopes == sorted(scopes)
    assert payload.custom_claims == {"role": "x"}
    guard = auth.scopes_required("a", "b")
    if len(scopes) == 3:
        await guard(request(headers=bearer(token), **known))
    else:
        with pytest.raises(InsufficientScopeError) as caught:
            await guard(request(headers=bearer(token), **known))
        assert caught.value.provided == sorted(scopes)
    opened = socket(token)
    opened.scope.update(known)
    assert (await admit_websocket(auth, opened)).scopes == sorted(scopes)


async def test_tokens_without_an_id() -> None:
    """Rights that were taken away stay away, though the payload makes up an id."""
    auth = auth_of()
    token = forge({"sub": "ada", "exp": NOW + 60, "scopes": ["a"]})
    known: dict[str, Any] = {"authx.identity": changed(auth, token)}
    asked = request(headers=bearer(token), **known)

    assert (await admit(auth, asked, Terms())).scopes == []


@pytest.mark.parametrize(
    "other", [{"sub": "bob"}, {"exp": NOW + 61}, {"iat": NOW}, {"login_type": "x"}, {"jti": "j"}]
)
async def test_two_tokens_without_an_id_are_two(other: dict[str, Any]) -> None:
    """A request may hold the tokens of several logins, and the rights are of one."""
    auth = auth_of()
    claims = {"sub": "ada", "exp": NOW + 60, "scopes": ["a"]}
    known: dict[str, Any] = {"authx.identity": changed(auth, forge(claims), "wide")}
    asked = request(headers=bearer(forge(claims | other)), **known)

    assert (await admit(auth, asked, Terms())).scopes == ["a"]


async def test_an_id_is_of_one_user_and_login() -> None:
    auth = auth_of()
    token = auth.create_access_token("ada", scopes=["a"])
    for strange in ({"user": "bob"}, {"login_type": "x"}):
        identity = replace(changed(auth, token, "wide"), **strange)  # type: ignore[arg-type]
        known: dict[str, Any] = {"authx.identity": identity}
        assert (await admit(auth, request(headers=bearer(token), **known), Terms())).scopes == ["a"]


async def test_only_what_was_changed_is_changed() -> None:
    """Roles are no scopes, and the other way round; a payload of one event is not the next one's."""
    auth = auth_of()
    token = auth.create_access_token("ada", scopes=["a"], data={"roles": ["x"], "scope": "wr"})
    identity = auth.verifier.identity(token)
    known: dict[str, Any] = {
        "authx.identity": auth.verifier.with_rights(identity, roles=frozenset({"y", "z"}))
    }
    for _ in range(2):
        payload = await admit(auth, request(headers=bearer(token), **known), Terms())
        assert payload.scopes == ["a"]
        assert payload.custom_claims == {"roles": ["y", "z"], "scope": "wr"}
        payload.custom_claims["roles"].append("admin")

    known["authx.identity"] = auth.verifier.with_rights(identity, scopes=frozenset())
    payload = await admit(auth, request(headers=bearer(token), **known), Terms())
    assert payload.scopes == []
    assert payload.custom_claims == {"roles": ["x"], "scope": ""}


async def test_rights_of_others() -> None:
    """Rights as they were verified are the token's; those of another token are not this one's."""
    auth = auth_of()
    token = auth.create_access_token("ada", scopes=["a"])
    other = auth.create_access_token("ada", scopes=["b"])
    identity = auth.verifier.identity(token)
    strange: list[Any] = [
        replace(identity, scopes=frozenset()),
        changed(auth, other, "b"),
        {"scopes": ["b"], "overridden": {"scopes"}, "token_id": identity.token_id},
        None,
    ]
    for known in strange:
        asked = request(headers=bearer(token), **{"authx.identity": known})
        payload = await admit(auth, asked, Terms())
        assert payload.scopes == ["a"]
        assert await go_on(auth, asked, payload) is payload


async def test_no_client_says_what_it_may() -> None:
    """Headers, cookies, query and body of a request end up under other keys of its scope."""
    auth = auth_of()
    app = FastAPI()

    @app.post("/{rest:path}", dependencies=[Depends(auth.scopes_required("a"))])
    async def scopes() -> None: ...

    token = auth.create_access_token("ada", scopes=["b"])
    claimed = {"authx.identity": "a"}
    async with asking(app, claimed) as client:
        answer = await client.post(
            "/authx.identity", params=claimed, headers=bearer(token) | claimed, json=claimed
        )

    assert answer.status_code == 403
