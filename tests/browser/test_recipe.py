"""The recipe of docs/protocol.md for pages that cannot read their cookie, with cookies that soon end."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Response
from fastapi.responses import FileResponse, HTMLResponse
from playwright.async_api import Browser

from authx import AuthX, AuthXConfig, AuthXSocket, TokenPayload
from authx.socket import Connection
from tests.support.node import MODULES
from tests.support.server import ROOT, serving
from tests.test_docs import Page

[RECIPE] = [
    block for _, block in Page(ROOT / "docs" / "protocol.md").blocks("javascript") if "/ws/refresh" in block
]
PAGE = f'<!doctype html><title>page</title><script src="/client.js"></script><script>{RECIPE}</script>'


def create_app(connected: asyncio.Queue[str], refreshed: asyncio.Queue[str]) -> FastAPI:
    app = FastAPI()
    config = AuthXConfig(
        JWT_SECRET_KEY="k" * 32,
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_COOKIE_SECURE=False,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=3),
    )
    auth = AuthX(config)
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str) -> None:
        await connected.put(sid)

    @socket.on_refresh
    async def on_refresh(here: Connection) -> None:
        await refreshed.put(here.sid)

    @app.get("/page")
    def page() -> Response:
        response = HTMLResponse(PAGE)
        auth.set_access_cookies(auth.create_access_token("alice"), response)
        auth.set_refresh_cookies(auth.create_refresh_token("alice"), response)
        return response

    @app.post("/refresh")
    def refresh(
        held: Annotated[TokenPayload, Depends(auth.refresh_token_required)], response: Response
    ) -> dict[str, Any]:
        auth.set_access_cookies(auth.create_access_token(held.sub), response)
        return {}

    @app.get("/client.js")
    def client() -> FileResponse:
        return FileResponse(MODULES / "socket.io-client" / "dist" / "socket.io.min.js")

    return app


async def test_one_connection_lives_through_many_cookies(browser: Browser) -> None:
    connected, refreshed = asyncio.Queue[str](), asyncio.Queue[str]()
    async with serving(create_app(connected, refreshed)) as base_url:
        page = await browser.new_page()
        await page.goto(f"{base_url}/page")
        sid = await asyncio.wait_for(connected.get(), 10.0)

        for _ in range(2):
            assert await asyncio.wait_for(refreshed.get(), 10.0) == sid

        assert connected.empty()
        await page.close()
