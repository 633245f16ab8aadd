"""Attacks that worked on AuthX 1.7.1, each tried on a whole app, and leaks that it had."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.facade import AuthX
from authx.auth.schema import TokenPayload
from authx.auth.sessions import InMemorySessionStore
from authx.auth.types import TokenLocation
from tests.auth.asking import asking, auth_of, bearer
from tests.auth.forge import OTHER_SECRET, SECRET, Clock

EVERYWHERE: list[TokenLocation] = ["headers", "cookies", "json", "query"]


def app_of(auth: AuthX[Any]) -> FastAPI:
    app = FastAPI()

    @app.api_route("/access", methods=["GET", "POST"])
    async def access(payload: TokenPayload = auth.ACCESS_REQUIRED) -> str:
        return payload.sub

    @app.api_route("/refresh", methods=["GET", "POST"])
    async def refresh(payload: TokenPayload = auth.REFRESH_REQUIRED) -> str:
        return auth.create_access_token(payload.sub)

    return app


@pytest.mark.parametrize("location", EVERYWHERE)
async def test_living_for_ever_on_access_tokens(location: TokenLocation) -> None:
    """Who stole an access token cannot turn it into new ones, wherever it is put, the query included."""
    auth = auth_of(JWT_TOKEN_LOCATION=EVERYWHERE, JWT_COOKIE_CSRF_PROTECT=False)

    async def sent(token: str) -> tuple[int, Any]:
        places: dict[str, Any] = {
            "headers": {"headers": bearer(token)},
            "query": {"params": {"token": token}},
            "json": {"json": {"refresh_token": token}},
            "cookies": {},
        }
        cookies = {"refresh_token_cookie": token} if location == "cookies" else None
        async with asking(app_of(auth), cookies) as client:
            answer = await client.post("/refresh", **places[location])
        return answer.status_code, answer.json()

    assert await sent(auth.create_access_token("ada")) == (
        401,
        {"message": "Refresh token required", "error_type": "RefreshTokenRequiredError"},
    )
    assert (await sent(auth.create_refresh_token("ada")))[0] == 200


async def test_reviving_a_revoked_token() -> None:
    """A token that was revoked gets no successor out of the implicit refresh."""
    auth = auth_of(JWT_TOKEN_LOCATION=["cookies"])
    app = app_of(auth)
    app.middleware("http")(auth.implicit_refresh_middleware)
    token = auth.create_access_token("ada", expiry=timedelta(seconds=30))
    auth.set_token_blocklist(lambda raw: raw == token)

    async with asking(app, {"access_token_cookie": token}) as client:
        answer = await client.get("/access")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_growing_by_refresh() -> None:
    """An implicit refresh keeps what narrows a token down: its scopes and the claims that an app checks."""
    auth = auth_of(JWT_TOKEN_LOCATION=["cookies"])
    app = app_of(auth)
    app.middleware("http")(auth.implicit_refresh_middleware)
    soon = timedelta(seconds=30)
    token = auth.create_access_token("ada", expiry=soon, scopes=["read"], data={"tenant": "a"})

    async with asking(app, {"access_token_cookie": token}) as client:
        renewed = (await client.get("/access")).cookies["access_token_cookie"]
    claims = auth.verifier.claims(renewed)
    assert (claims["scopes"], claims["tenant"]) == (["read"], "a")


async def test_logging_out_with_implicit_refresh() -> None:
    """The cookie that a logout removes is not put back by the same answer."""
    auth = auth_of(JWT_TOKEN_LOCATION=["cookies"])
    app = FastAPI()
    app.middleware("http")(auth.implicit_refresh_middleware)

    @app.get("/logout")
    async def logout(response: Response) -> None:
        auth.unset_cookies(response)

    token = auth.create_access_token("ada", expiry=timedelta(seconds=30))
    async with asking(app, {"access_token_cookie": token}) as client:
        answer = await client.get("/logout")
    assert all("Max-Age=0" in cookie for cookie in answer.headers.get_list("set-cookie"))


def tracked(**settings: Any) -> tuple[AuthX[Any], InMemorySessionStore]:
    auth = auth_of(**{"JWT_SESSION_TRACKING": True, **settings})
    store = InMemorySessionStore()
    auth.set_session_store(store)
    return auth, store


async def status(auth: AuthX[Any], token: str, path: str = "/access") -> tuple[int, str | None]:
    async with asking(app_of(auth)) as client:
        answer = await client.get(path, headers=bearer(token))
    return answer.status_code, None if answer.is_success else answer.json()["error_type"]


@pytest.mark.parametrize("path", ["/access", "/refresh"])
@pytest.mark.parametrize(
    ("how", "error"),
    [("one", "RevokedTokenError"), ("all", "RevokedTokenError"), ("inactive", "SessionRevoked")],
)
async def test_outliving_a_session(path: str, how: str, error: str) -> None:
    """Who was logged out on all devices is logged out, whatever tokens they kept."""
    auth, store = tracked()
    session = await auth.create_session("ada")
    pair = auth.create_token_pair("ada", session=session.session_id)
    token = pair.access_token if path == "/access" else pair.refresh_token
    assert await status(auth, token, path) == (200, None)

    if how == "one":
        await auth.revoke_session(session.session_id)
    elif how == "all":
        await auth.revoke_all_sessions("ada")
    else:
        await store.update(session.session_id, is_active=False)
    assert await status(auth, token, path) == (401, error)


async def test_inventing_a_session() -> None:
    """A session that nobody began is none."""
    auth, _ = tracked()

    assert await status(auth, auth.create_access_token("ada", session="s")) == (401, "SessionRevoked")


@pytest.mark.parametrize("tracking", [True, False])
async def test_tokens_without_a_session(tracking: bool) -> None:
    """Tokens name no session unless they are told to, and are then let through as ever."""
    auth, _ = tracked(JWT_SESSION_TRACKING=tracking)
    token = auth.create_access_token("ada")

    assert "session_id" not in auth.verifier.claims(token)
    assert await status(auth, token) == (200, None)


async def test_a_session_is_only_looked_up_if_told_so() -> None:
    """The setting is off by default, and a claim alone asks no store."""
    auth, _ = tracked(JWT_SESSION_TRACKING=False)

    assert await status(auth, auth.create_access_token("ada", session="gone")) == (200, None)
    assert AuthXConfig().JWT_SESSION_TRACKING is False


@pytest.mark.parametrize("store_down", ["get", "update"])
async def test_a_store_that_is_down(store_down: str) -> None:
    """A session that cannot be looked up lets nobody in."""
    auth, store = tracked()
    session = await auth.create_session("ada")
    token = auth.create_access_token("ada", session=session.session_id)

    async def down(*_: Any, **__: Any) -> Any:
        raise ConnectionError

    setattr(store, store_down, down)
    async with asking(app_of(auth)) as client:
        assert (await client.get("/access", headers=bearer(token))).status_code == 500


async def test_an_expired_token_during_a_rotation() -> None:
    """A client whose token has expired is told so, and not that somebody forged it."""
    clock = Clock()
    auth = auth_of(clock, JWT_PREVIOUS_SECRET_KEY=OTHER_SECRET)
    token = auth.create_access_token("ada")
    before = auth_of(clock, JWT_SECRET_KEY=OTHER_SECRET).create_access_token("ada")
    assert await status(auth, before) == (200, None)
    clock.now += 901

    assert await status(auth, token) == (422, "TokenExpiredError")
    assert await status(auth, before) == (422, "TokenExpiredError")


@pytest.mark.parametrize("value", ["ä", "\xff\xfe", "é" * 36])
async def test_a_csrf_header_beyond_ascii(value: str) -> None:
    """Bytes that are no ASCII are a wrong value, and not an error of the server."""
    auth = auth_of(JWT_TOKEN_LOCATION=["cookies"])
    cookies = {"access_token_cookie": auth.create_access_token("ada")}

    async with asking(app_of(auth), cookies) as client:
        answer = await client.post("/access", headers=[(b"x-csrf-token", value.encode("latin-1"))])
    assert answer.status_code == 401
    assert answer.json() == {
        "message": "CSRF double submit does not match",
        "error_type": "CSRFError",
    }


async def test_a_cookie_that_stays() -> None:
    """A cookie is removed with the attributes it was set with, or browsers may keep it."""
    auth = auth_of(
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_COOKIE_SAMESITE="none",
        JWT_COOKIE_DOMAIN="app.test",
        JWT_ACCESS_COOKIE_PATH="/api",
    )
    app = FastAPI()

    @app.post("/login")
    async def login(response: Response) -> None:
        auth.set_access_cookies(auth.create_access_token("ada"), response)

    @app.post("/logout")
    async def logout(response: Response) -> None:
        auth.unset_access_cookies(response)

    def attributes(cookie: str) -> tuple[str, set[str]]:
        name, *rest = cookie.split("; ")
        return name.partition("=")[0], {part for part in rest if not part.startswith(("expires", "Max-Age"))}

    async with asking(app) as client:
        given = (await client.post("/login")).headers.get_list("set-cookie")
        taken = (await client.post("/logout")).headers.get_list("set-cookie")
    assert [attributes(cookie) for cookie in given] == [attributes(cookie) for cookie in taken]
    assert attributes(taken[0]) == (
        "access_token_cookie",
        {"Domain=app.test", "Path=/api", "SameSite=none", "Secure", "HttpOnly"},
    )
    assert all("Max-Age=0" in cookie for cookie in taken)


def test_secrets_in_a_log() -> None:
    """Settings may be logged: no key that signs is in their text."""
    config = AuthXConfig(
        JWT_SECRET_KEY="hush-1",
        JWT_PRIVATE_KEY="hush-2",
        JWT_PREVIOUS_SECRET_KEY="hush-3",
        JWT_PUBLIC_KEY="p",
    )

    assert "hush" not in f"{config!r} {config} {AuthX(config)!r}"


def test_a_config_made_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AuthX reads the environment when it is made, and its settings are its own."""
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    first, second = AuthX[Any](), AuthX[Any]()
    first.config.JWT_SECRET_KEY = OTHER_SECRET

    assert second.config.JWT_SECRET_KEY == SECRET


def test_importing_leaves_logging_alone() -> None:
    """A library adds no handler, sets no level, and reads no settings when it is imported."""
    script = (
        "import logging, authx, authx.main, authx.core, authx._internal._ratelimit\n"
        "names = ['authx', *(name for name in logging.root.manager.loggerDict if name.startswith('authx'))]\n"
        "assert not logging.root.handlers, logging.root.handlers\n"
        "for name in names:\n"
        "    logger = logging.getLogger(name)\n"
        "    assert logger.level == logging.NOTSET and not logger.handlers, name\n"
    )
    # A value that no setting takes: reading it would fail.
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={"JWT_ALGORITHM": "none", "PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
