"""A page elsewhere that connects with everything a logged-in browser has.

Another port is another origin on the same site, so SameSite does not hold the cookies back, and the page can
even read the CSRF cookie. Only the origin is left to tell it apart.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, HTMLResponse
from playwright.async_api import Browser, Page
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from authx import AuthX, AuthXConfig, AuthXSocket
from tests.support.node import MODULES
from tests.support.server import serving

PAGE = """<!doctype html><title>page</title><script src="{target}/client.js"></script>
<script>
  const csrf = document.cookie.split("csrf_access_token=")[1]?.split(";")[0];
  window.outcome = (transport) => new Promise((done) => {{
    const socket = io("{target}", {{
      path: "/ws/socket.io/", transports: [transport], withCredentials: true, reconnection: false,
      forceNew: true, auth: {{ csrf_token: csrf }},
    }});
    socket.onAny((event) => done({{ event }}));
    socket.on("connect_error", (error) => done({{ message: error.message, code: error.data?.code ?? null }}));
  }});
</script>"""


@dataclass
class Recorder:
    """Notes what the browser really sent to the socket's path."""

    app: ASGIApp
    seen: list[Headers] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path", "").startswith("/ws/"):
            self.seen.append(Headers(scope=scope))
        await self.app(scope, receive, send)


def victim(**options: Any) -> FastAPI:
    app = FastAPI()
    auth = AuthX(
        AuthXConfig(JWT_SECRET_KEY="k" * 32, JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_SECURE=False)
    )
    AuthXSocket(app, auth=auth, **options)

    @app.get("/login")
    def login(response: Response) -> None:
        auth.set_access_cookies(auth.create_access_token("alice"), response)

    @app.get("/client.js")
    def client() -> FileResponse:
        return FileResponse(MODULES / "socket.io-client" / "dist" / "socket.io.min.js")

    @app.get("/page")
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE.format(target=""))

    return app


def elsewhere(target: str) -> FastAPI:
    app = FastAPI()

    @app.get("/page")
    def page(of: str = target) -> HTMLResponse:
        return HTMLResponse(PAGE.format(target=of))

    return app


@asynccontextmanager
async def logged_in(browser: Browser) -> AsyncIterator[tuple[Page, str, Recorder]]:
    """Give a page that holds the victim's cookies, the victim's address, and what its socket is sent."""
    recorder = Recorder(victim())
    async with serving(recorder) as target:
        page = await browser.new_page()
        await page.goto(f"{target}/login")
        yield page, target, recorder
        await page.close()


async def attempt(page: Page, base_url: str, transport: str) -> Any:
    await page.goto(f"{base_url}/page")
    return await page.evaluate(f"outcome('{transport}')")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_page_of_the_apps_own_origin_connects_with_the_cookies(
    browser: Browser, transport: str
) -> None:
    async with logged_in(browser) as (page, target, _):
        assert await attempt(page, target, transport) == {"event": "authx:session"}


async def test_a_page_of_another_origin_is_refused_with_the_cookies_of_its_victim(browser: Browser) -> None:
    async with logged_in(browser) as (page, target, recorder), serving(elsewhere(target)) as other:
        outcome = await attempt(page, other, "websocket")

    assert outcome == {"message": "This origin may not connect", "code": "origin_not_allowed"}
    assert recorder.seen[0]["origin"] == other
    assert "access_token_cookie=" in recorder.seen[0]["cookie"]


async def test_a_page_of_another_origin_learns_nothing_by_polling(browser: Browser) -> None:
    async with logged_in(browser) as (page, target, recorder), serving(elsewhere(target)) as other:
        outcome = await attempt(page, other, "polling")

    # The browser itself keeps the answer from the page, since the server allows it no other origin.
    assert outcome == {"message": "xhr poll error", "code": None}
    assert recorder.seen[0]["origin"] == other
    assert "access_token_cookie=" in recorder.seen[0]["cookie"]


@pytest.mark.parametrize("named_by", ["CORSMiddleware", "cors_allowed_origins", "both"])
async def test_a_page_of_a_named_origin_connects_by_polling_with_the_cookies(
    browser: Browser, named_by: str
) -> None:
    async with serving(elsewhere("")) as other:
        app = victim(**({} if named_by == "CORSMiddleware" else {"cors_allowed_origins": [other]}))
        if named_by != "cors_allowed_origins":
            app.add_middleware(CORSMiddleware, allow_origins=[other], allow_credentials=True)
        recorder = Recorder(app)
        async with serving(recorder) as target:
            page = await browser.new_page()
            await page.goto(f"{target}/login")
            await page.goto(f"{other}/page?of={target}")

            assert await page.evaluate("outcome('polling')") == {"event": "authx:session"}
            await page.close()
    assert {request["origin"] for request in recorder.seen} == {other}
    assert "access_token_cookie=" in recorder.seen[0]["cookie"]
