"""Several logins in one app."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import (
    AccessTokenRequiredError,
    AuthXException,
    BadConfigurationError,
    CSRFError,
    FreshTokenRequiredError,
    LoginTypeMismatchError,
    MissingTokenError,
    PolicyDeniedError,
    PolicyEvaluationError,
    RefreshTokenRequiredError,
    RevokedTokenError,
    SessionRevoked,
    TokenExpiredError,
    TokenInvalidSignatureError,
)
from authx.auth.facade import AuthX
from authx.auth.manager import AuthManager
from authx.auth.openapi import Guard
from authx.auth.policy import PolicyCondition, PolicyContext, PolicyEngine, PolicyRule
from authx.auth.schema import RequestToken
from authx.auth.sessions import InMemorySessionStore
from tests.auth.forge import NOW, OTHER_SECRET, SECRET, Clock

KEYS = {"admin": SECRET, "user": OTHER_SECRET}


def login(login_type: str | None, key: str | None = None, **settings: Any) -> AuthX[Any]:
    secret = key or KEYS[login_type or "user"]
    return AuthX(AuthXConfig(JWT_SECRET_KEY=secret, **settings), login_type=login_type, clock=Clock())


def managing(*logins: AuthX[Any], **more: Any) -> AuthManager:
    manager = AuthManager(**more)
    for auth in logins or (login("admin"), login("user")):
        manager.register(auth)
    return manager


def request(token: str | None = None, method: str = "GET", **headers: str) -> Request:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": "/x",
            "query_string": b"",
            "headers": raw,
            "client": ("192.0.2.1", 5000),
        }
    )


async def refusal(guard: Guard, asked: Request) -> AuthXException:
    with pytest.raises(AuthXException) as caught:
        await guard(request=asked)
    return caught.value


# --- registration -------------------------------------------------------------------------------------


def test_registration() -> None:
    """Logins are known by their name, each of which is given once."""
    admin, user = login("admin"), login("user")
    manager = managing(user, admin)

    assert manager.login_types == ("user", "admin")
    assert manager.get("admin") is admin
    with pytest.raises(BadConfigurationError, match="already registered"):
        manager.register(login("admin"))
    with pytest.raises(BadConfigurationError, match="needs a login_type"):
        manager.register(login(None))
    with pytest.raises(BadConfigurationError, match="Unknown login_type 'moon'"):
        manager.get("moon")
    assert manager.get("admin") is admin


def test_tokens() -> None:
    """Each login makes its own tokens, in the order of arguments that apps know."""
    manager = managing()
    admin = manager.get("admin").verifier
    hour = timedelta(hours=1)
    access = manager.create_access_token(
        "admin", "ada", True, {"kid": "k"}, hour, {"role": "x"}, None, ["a"], "more", colour="red"
    )
    refresh = manager.create_refresh_token("admin", "ada", None, hour, {"role": "x"}, None, ["r"], "more")
    pair = manager.create_token_pair("admin", "ada", True, access_scopes=["a"], refresh_expiry=hour)

    for token, kind in ((access, "access"), (refresh, "refresh")):
        claims = admin.claims(token, type=kind)
        assert (claims["sub"], claims["login_type"], claims["role"]) == ("ada", "admin", "x")
        assert claims["exp"] == NOW + 3600
    assert admin.claims(access, fresh=True)["scopes"] == ["a"]
    assert admin.claims(pair.access_token, fresh=True)["scopes"] == ["a"]
    assert admin.claims(pair.refresh_token, type="refresh")["exp"] == NOW + 3600
    for make in (manager.create_access_token, manager.create_refresh_token, manager.create_token_pair):
        with pytest.raises(BadConfigurationError):
            make("moon", "ada")


# --- guards -------------------------------------------------------------------------------------------


async def test_guards() -> None:
    """Each guard lets the tokens pass that it asks for, of its login."""
    manager = managing()
    stale = manager.create_access_token("admin", "ada")
    fresh = manager.create_access_token("admin", "ada", fresh=True)
    refresh = manager.create_refresh_token("admin", "ada")

    for token in (stale, fresh):
        payload = await manager.access_token_required("admin")(request=request(token))
        assert (payload.sub, payload.login_type) == ("ada", "admin")
    assert (await manager.fresh_token_required("admin")(request=request(fresh))).fresh
    assert (await manager.refresh_token_required("admin")(request=request(refresh))).type == "refresh"
    assert (await manager.token_required("admin", "access", False)(request=request(refresh))).sub == "ada"

    for guard, asked, error in (
        (manager.access_token_required, request(refresh), AccessTokenRequiredError),
        (manager.refresh_token_required, request(stale), RefreshTokenRequiredError),
        (manager.fresh_token_required, request(stale), FreshTokenRequiredError),
        (manager.access_token_required, request(), MissingTokenError),
    ):
        assert type(await refusal(guard("admin"), asked)) is error


async def test_a_token_of_another_login() -> None:
    """It is refused for what it is, whatever keys the logins have."""
    manager = managing()
    caught = await refusal(
        manager.access_token_required("admin"), request(manager.create_access_token("user", "ada"))
    )
    assert isinstance(caught, LoginTypeMismatchError)
    assert (caught.expected_type, caught.actual_type, caught.login_type) == ("admin", "user", "admin")

    twins = managing(login("admin"), login("user", KEYS["admin"]))
    for token, actual in (
        (twins.create_access_token("user", "ada"), "user"),
        (login(None, KEYS["admin"]).create_access_token("ada"), None),
    ):
        caught = await refusal(twins.access_token_required("admin"), request(token))
        assert isinstance(caught, LoginTypeMismatchError)
        assert caught.actual_type == actual


async def test_the_key_of_one_login_does_not_open_another() -> None:
    """Whoever has the user's key and writes "admin" into a token has a badly signed one."""
    manager = managing()
    forged = login("admin", KEYS["user"]).create_access_token("mallory")
    nameless = login(None, KEYS["user"]).create_access_token("mallory")
    foreign = login("admin", "k" * 64).create_access_token("mallory")

    for token in (forged, nameless, foreign):
        caught = await refusal(manager.access_token_required("admin"), request(token))
        assert type(caught) is TokenInvalidSignatureError
        assert caught.login_type == "admin"


async def test_the_first_error_stays() -> None:
    """A token that no login verifies is refused as by its own."""
    admin = login("admin")
    manager = managing(admin, login("user"))
    expired = admin.create_access_token("ada", expiry=timedelta(seconds=-1))

    assert type(await refusal(manager.access_token_required("admin"), request(expired))) is TokenExpiredError


async def test_a_login_may_come_later() -> None:
    """A guard is made without its login, and misses it only when it is called."""
    manager = AuthManager()
    guard = manager.access_token_required("admin")
    assert type(await refusal(guard, request("x"))) is BadConfigurationError

    manager.register(login("admin"))
    assert (await guard(request=request(manager.create_access_token("admin", "ada")))).sub == "ada"


async def test_cookies() -> None:
    """The CSRF value is checked by the login's own settings, or as the guard says."""
    manager = managing(login("admin", JWT_TOKEN_LOCATION=["cookies"]), login("user"))
    token = manager.create_access_token("admin", "ada")
    cookie = f"access_token_cookie={token}"
    csrf = manager.get("admin").verifier.claims(token)["csrf"]
    guard = manager.access_token_required("admin")

    assert (await guard(request=request(cookie=cookie))).sub == "ada"
    assert (await guard(request=request(method="POST", cookie=cookie, x_csrf_token=csrf))).sub == "ada"
    wrong = request(method="POST", cookie=cookie, x_csrf_token="wrong")
    assert type(await refusal(guard, wrong)) is CSRFError
    lenient = manager.token_required("admin", verify_csrf=False)
    assert (await lenient(request=request(method="POST", cookie=cookie))).sub == "ada"
    elsewhere = manager.token_required("admin", locations=["headers"])
    assert type(await refusal(elsewhere, request(cookie=cookie))) is MissingTokenError


async def test_revoked() -> None:
    """Blocklist and sessions of the login count."""
    admin = login("admin", JWT_SESSION_TRACKING=True)
    manager = managing(admin, login("user"))
    store = InMemorySessionStore()
    admin.set_session_store(store)
    session = await admin.create_session("ada")
    token = manager.create_access_token("admin", "ada", session=session.session_id)
    guard = manager.access_token_required("admin")
    assert (await guard(request=request(token))).sub == "ada"

    await store.delete(session.session_id)
    assert type(await refusal(guard, request(token))) is SessionRevoked
    admin.set_token_blocklist(lambda raw: raw == token)
    assert type(await refusal(guard, request(token))) is RevokedTokenError


class Watched(AuthX[Any]):
    """An app's own AuthX."""

    def verify_token(self, token: RequestToken, *args: Any, **kwargs: Any) -> Any:
        payload = super().verify_token(token, *args, **kwargs)
        payload.sub = payload.sub.upper()
        return payload


async def test_what_an_app_overrides_counts() -> None:
    """A login's own ways of doing things are those of its guards."""
    manager = managing(Watched(AuthXConfig(JWT_SECRET_KEY=SECRET), login_type="admin"))
    token = manager.create_access_token("admin", "ada")

    assert (await manager.access_token_required("admin")(request=request(token))).sub == "ADA"


# --- policies -----------------------------------------------------------------------------------------


def test_the_engine() -> None:
    """It is the one given, or one of the rules given; more may come later."""
    engine = PolicyEngine()
    rule = PolicyRule("allow", ["*"], ["*"])

    assert AuthManager(engine, [rule]).policy_engine is engine
    assert engine.rules == []
    assert AuthManager(policy_rules=[rule]).policy_engine.rules == [rule]
    manager = AuthManager()
    manager.add_policy_rule(rule)
    assert manager.policy_engine.rules == [rule]


async def test_what_policies_see() -> None:
    """Who, what, and under which circumstances: found out, unless it is said."""
    manager = managing(policy_rules=[PolicyRule("allow", ["read"], ["docs:*"])])
    seen: list[PolicyContext] = []

    def watch(context: PolicyContext, rule: PolicyRule) -> bool:
        seen.append(context)
        return True

    manager.add_policy_evaluator(watch)
    caller = request(manager.create_access_token("admin", "ada", scopes=["a"]))
    payload = await manager.authorize("admin", "read", "docs:1", request=caller)
    told = await manager.authorize(
        "admin", "read", "docs", payload=payload, subject={}, resource_attrs={"owner": 1}, env={"hour": 99}
    )
    found, given = seen

    assert (found.login_type, found.action, found.resource) == ("admin", "read", "docs:1")
    assert found.payload is payload
    assert found.request is caller
    assert found.subject == {"sub": "ada", "scopes": ["a"], "login_type": "admin"}
    assert found.resource_attrs == {}
    assert (found.environment["method"], found.environment["client_ip"]) == ("GET", "192.0.2.1")

    assert told is given.payload is payload
    assert given.request is None
    assert (given.subject, given.resource_attrs) == ({}, {"owner": 1})
    assert given.environment["hour"] == 99
    assert "method" not in given.environment


async def test_refused() -> None:
    """What is not allowed, what cannot be judged, and whoever is not known, is refused."""
    manager = managing(policy_rules=[PolicyRule("allow", ["read"], ["*"])])
    caller = request(manager.create_access_token("admin", "ada"))
    payload = await manager.authorize("admin", "read", "x", request=caller)

    with pytest.raises(PolicyDeniedError, match="No policy rule matched") as caught:
        await manager.authorize("admin", "write", "x", payload=payload)
    assert caught.value.login_type == "admin"
    with pytest.raises(PolicyDeniedError):
        await manager.authorize("admin", "read", "x")
    with pytest.raises(LoginTypeMismatchError):
        await manager.authorize("user", "read", "x", payload=payload)
    with pytest.raises(MissingTokenError):
        await manager.authorize("admin", "read", "x", request=request())
    with pytest.raises(BadConfigurationError):
        await manager.authorize("moon", "read", "x", request=caller)
    manager.add_policy_rule(PolicyRule("deny", ["*"], ["*"], [PolicyCondition("token", "sub", "gt", 5)]))
    with pytest.raises(PolicyEvaluationError):
        await manager.authorize("admin", "read", "x", payload=payload)


async def test_a_policy_as_a_guard() -> None:
    """The guard asks for an access token, and then the policies, with what it was told of the route."""
    wanted = [PolicyCondition(source, "k", "equals", source) for source in ("subject", "resource")]
    late = PolicyCondition("environment", "k", "equals", "late")
    manager = managing(policy_rules=[PolicyRule("allow", ["read"], ["docs"], [*wanted, late])])
    token = manager.create_access_token("admin", "ada")
    told: dict[str, Any] = {"subject": {"k": "subject"}, "resource_attrs": {"k": "resource"}}

    guard = manager.policy_required("admin", "read", "docs", **told, env={"k": "late"})
    assert (await guard(request=request(token))).sub == "ada"
    early = manager.policy_required("admin", "read", "docs", **told, env={"k": "early"})
    assert type(await refusal(early, request(token))) is PolicyDeniedError
    assert type(await refusal(guard, request())) is MissingTokenError
    refresh = manager.create_refresh_token("admin", "ada")
    assert type(await refusal(guard, request(refresh))) is AccessTokenRequiredError


# --- on the wire --------------------------------------------------------------------------------------


async def test_answers() -> None:
    """Refusals are answered without handle_errors, in the manager's words."""
    manager = managing(policy_rules=[PolicyRule("deny", ["*"], ["*"], reason="closed")])
    manager.MSG_TokenError = "Who are you?"
    app = FastAPI()
    app.get("/guarded", dependencies=[Depends(manager.access_token_required("admin"))])(lambda: None)
    app.get("/judged", dependencies=[Depends(manager.policy_required("admin", "a", "r"))])(lambda: None)
    user, admin = (manager.create_access_token(kind, "ada") for kind in ("user", "admin"))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:

        async def get(path: str, token: str = "") -> tuple[int, Any]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await client.get(path, headers=headers)
            return answer.status_code, answer.json()

        assert await get("/guarded") == (401, {"message": "Who are you?", "error_type": "MissingTokenError"})
        assert await get("/guarded", user) == (
            401,
            {
                "message": "Token type mismatch: expected 'admin', got 'user'",
                "error_type": "LoginTypeMismatchError",
                "expected_type": "admin",
                "actual_type": "user",
            },
        )
        assert await get("/judged", admin) == (403, {"message": "closed", "error_type": "PolicyDeniedError"})


def test_openapi() -> None:
    """Guarded routes show where their login looks for tokens; a bearer token if it is not known yet."""
    manager = managing(login("admin", JWT_TOKEN_LOCATION=["cookies", "query"]), login("user"))
    app = FastAPI()
    guards = {
        "/access": manager.access_token_required("admin"),
        "/refresh": manager.refresh_token_required("admin"),
        "/policy": manager.policy_required("user", "a", "r"),
        "/unknown": manager.access_token_required("moon"),
    }
    for path, guard in guards.items():
        app.get(path, dependencies=[Depends(guard)])(lambda: None)
    paths = app.openapi()["paths"]

    assert {path: paths[path]["get"]["security"] for path in paths} == {
        "/access": [{"AuthXAccessCookie": []}, {"AuthXQuery": []}],
        "/refresh": [{"AuthXRefreshCookie": []}, {"AuthXQuery": []}],
        "/policy": [{"AuthXBearer": []}],
        "/unknown": [{"AuthXBearer": []}],
    }
