"""Replays what AuthX 1.7.1 was recorded to do with requests, and with sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request, Response
from starlette.websockets import WebSocket

from authx.auth import exceptions
from authx.auth.config import AuthXConfig
from authx.auth.exceptions import (
    AuthXException,
    InsufficientScopeError,
    LoginTypeMismatchError,
    PolicyDeniedError,
    RateLimitExceeded,
)
from authx.auth.facade import AuthX
from authx.auth.limiter import RateLimiter
from authx.auth.manager import AuthManager
from authx.auth.policy import PolicyCondition, PolicyRule
from authx.auth.schema import TokenPayload
from tests.auth.contract.recorded import DELIBERATE, cases, document, expected, login, normalised, settings

SAMPLES: dict[str, Callable[[], Exception]] = {
    "LoginTypeMismatchError": lambda: LoginTypeMismatchError("admin", "user"),
    "InsufficientScopeError": lambda: InsufficientScopeError(["a:b"], ["c"]),
    "PolicyDeniedError": lambda: PolicyDeniedError("because"),
    "RateLimitExceeded": lambda: RateLimitExceeded(retry_after=7),
}
"""Exceptions that are not made from a text alone."""


async def send(app: FastAPI, request: dict[str, Any], times: int = 1) -> httpx.Response:
    """The last of so many answers. What the app does not handle is an answer, too."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    arguments = {
        name: request[name] for name in ("headers", "params", "json", "data", "content") if name in request
    }
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", cookies=request.get("cookies")
    ) as client:
        answers = [
            await client.request(request["method"], request["path"], **arguments) for _ in range(times)
        ]
    return answers[-1]


def body_of(answer: httpx.Response) -> Any:
    return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text


@pytest.mark.parametrize("vector", cases("http"))
async def test_http(vector: dict[str, Any]) -> None:
    """Requests get the same status, body, headers and cookies."""
    auth = login(vector["config"])
    answer = await send(app_of(vector, auth), vector["request"], vector.get("repeat", 1))
    got = {
        "status": answer.status_code,
        "body": body_of(answer),
        "headers": {name: answer.headers.get(name) for name in vector.get("see_headers", ())},
        "set-cookie": sorted(normalised(cookie) for cookie in answer.headers.get_list("set-cookie")),
    }

    want = expected("http", vector)
    if "/cookies/unset" in vector["request"]["path"]:
        want = want | {
            "set-cookie": sorted(with_own_attributes(cookie, auth.config) for cookie in want["set-cookie"])
        }
    assert {name: got[name] for name in want} == want


def app_of(vector: dict[str, Any], auth: AuthX[Any]) -> FastAPI:
    app = FastAPI()
    if vector.get("handle_errors", True):
        auth.handle_errors(app)
    revoked = set(vector.get("blocklist", ()))
    auth.set_token_blocklist(lambda token, **_: token in revoked)
    if vector.get("implicit"):
        app.middleware("http")(auth.implicit_refresh_middleware)
    auth.set_subject_getter(lambda uid, **_: {"uid": uid})

    for path, guard in {
        "/access": auth.access_token_required,
        "/refresh": auth.refresh_token_required,
        "/fresh": auth.fresh_token_required,
        "/any-type": auth.token_required(verify_type=False),
        "/csrf-on": auth.token_required(verify_csrf=True),
        "/csrf-off": auth.token_required(verify_csrf=False),
        "/headers-only": auth.token_required(locations=["headers"]),
        "/scoped-all": auth.scopes_required("users:read", "users:write"),
        "/scoped-any": auth.scopes_required("admin", "users:read", all_required=False),
        "/limited": auth.rate_limited(max_requests=2, window=45),
    }.items():
        add_guarded(app, path, guard, ("sub", "type", "fresh", "scopes"))

    add_unguarded(app, auth)
    return app


def add_unguarded(app: FastAPI, auth: AuthX[Any]) -> None:
    @app.get("/limiter", dependencies=[Depends(RateLimiter(max_requests=1, window=30))])
    async def limiter() -> dict[str, bool]:
        return {"ok": True}

    @app.api_route("/subject", methods=["GET", "POST"])
    async def subject(subject: Any = Depends(auth.get_current_subject)) -> Any:
        return subject

    @app.api_route("/token", methods=["GET", "POST"])
    async def token(request: Request, type: str = "access") -> Any:  # noqa: A002 - its name in the query
        return await auth.get_token_from_request(request, type=type)  # type: ignore[arg-type]

    @app.post("/cookies/{what}")
    async def cookies(what: str, response: Response, max_age: int | None = None) -> dict[str, Any]:
        if what == "set-access":
            auth.set_access_cookies(auth.create_access_token("u1"), response, max_age=max_age)
        elif what == "set-refresh":
            auth.set_refresh_cookies(auth.create_refresh_token("u1"), response, max_age=max_age)
        else:
            unset = {"unset-access": auth.unset_access_cookies, "unset-refresh": auth.unset_refresh_cookies}
            unset.get(what, auth.unset_cookies)(response)
        return {}

    @app.get("/raise/{name}")
    async def raiser(name: str) -> None:
        raise SAMPLES[name]() if name in SAMPLES else getattr(exceptions, name)("detail text")


def add_guarded(app: FastAPI, path: str, guard: Any, fields: tuple[str, ...]) -> None:
    @app.api_route(path, methods=["GET", "POST"])
    async def endpoint(payload: TokenPayload = Depends(guard)) -> dict[str, Any]:
        return {name: getattr(payload, name) for name in fields}


def with_own_attributes(cookie: str, config: AuthXConfig) -> str:
    """A deletion as we write it: with the attributes the cookie was set with, which upstream left out."""
    name, *attributes = cookie.replace("SameSite=lax", f"SameSite={config.JWT_COOKIE_SAMESITE}").split("; ")
    token_names = (config.JWT_ACCESS_COOKIE_NAME, config.JWT_REFRESH_COOKIE_NAME)
    if config.JWT_COOKIE_HTTP_ONLY and name.startswith(token_names):
        attributes.append("HttpOnly")
    if config.JWT_COOKIE_SECURE:
        attributes.append("Secure")
    return "; ".join([name, *sorted(attributes, key=str.lower)])


@pytest.mark.parametrize("vector", cases("manager"))
async def test_manager(vector: dict[str, Any]) -> None:
    """Several logins of one app keep apart, and policies judge, in the same way."""
    rules = [
        PolicyRule(effect="allow", actions=["users:*"], resources=["users"], scopes=["staff"]),
        PolicyRule(effect="deny", actions=["users:delete"], resources=["*"], reason="no deletes"),
        PolicyRule(
            effect="allow",
            actions=["report"],
            resources=["reports:*"],
            conditions=[PolicyCondition("environment", "method", "equals", "GET")],
        ),
    ]
    manager = AuthManager(policy_rules=rules)
    for config in vector["configs"]:
        manager.register(login(config))
    app = FastAPI()
    manager.handle_errors(app)
    for kind in manager.login_types:
        for path, guard in {
            "access": manager.access_token_required(kind),
            "refresh": manager.refresh_token_required(kind),
            "fresh": manager.fresh_token_required(kind),
            "list": manager.policy_required(kind, "users:list", "users"),
            "delete": manager.policy_required(kind, "users:delete", "users"),
            "report": manager.policy_required(kind, "report", "reports:q1"),
        }.items():
            add_guarded(app, f"/{kind}/{path}", guard, ("sub", "login_type"))
    answer = await send(app, vector["request"])

    assert {"status": answer.status_code, "body": body_of(answer)} == expected("manager", vector)


@pytest.mark.parametrize("vector", cases("openapi"))
def test_openapi(vector: dict[str, Any]) -> None:
    """Guarded routes show the same security."""
    guard = getattr(AuthX(settings(vector["config"])), vector["dependency"])
    if vector.get("kwargs") is not None:
        guard = guard(*vector.get("args", ()), **vector["kwargs"])
    app = FastAPI()

    @app.get("/x", dependencies=[Depends(guard)])
    async def endpoint() -> None: ...

    shown = app.openapi()
    schemes = shown.get("components", {}).get("securitySchemes", {})
    for scheme in schemes.values():
        scheme.pop("description", None)
    got = {"securitySchemes": schemes, "security": shown["paths"]["/x"]["get"].get("security")}

    assert got == expected("openapi", vector)


@pytest.mark.parametrize("vector", cases("websocket"))
async def test_websocket(vector: dict[str, Any]) -> None:
    """Sockets are opened with the same tokens, or fail with the same exception."""
    auth = login(vector["config"])
    auth.set_token_blocklist(lambda token: token in vector.get("blocklist", ()))
    scope = {
        "type": "websocket",
        "path": "/ws",
        "query_string": vector.get("query", "").encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in vector.get("headers", {}).items()
        ],
    }

    async def unused(*_: Any) -> Any:
        raise AssertionError

    try:
        payload = await auth.WS_AUTH_REQUIRED.dependency(WebSocket(scope, receive=unused, send=unused))
        got = {"sub": payload.sub}
    except AuthXException as error:
        got = {"exception": type(error).__name__}

    assert got == expected("websocket", vector)


def test_every_difference_is_about_a_recorded_quirk() -> None:
    """No deliberate difference outlives the entry it is about, and none is about what apps may rely on."""
    quirks = {
        f"{section}/{vector['id']}"
        for section, vectors in document().items()
        if isinstance(vectors, list)
        for vector in vectors
        if isinstance(vector, dict) and vector.get("quirk")
    }

    assert DELIBERATE.keys() <= quirks
