"""A client that knows nothing of the protocol: requests, websockets, frames as they are."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed

from authx import AuthXSocket
from tests.support.logins import login
from tests.support.server import serving

PATH = "/ws/socket.io/"
SEPARATOR = "\x1e"


@dataclass
class Peer:
    """Someone who speaks to one server."""

    socket: AuthXSocket
    url: str
    http: httpx.AsyncClient

    async def request(self, method: str = "GET", content: Any = None, **query: Any) -> httpx.Response:
        """Send a request of a polling transport."""
        parameters = {"EIO": "4", "transport": "polling", **query}
        present = {name: value for name, value in parameters.items() if value is not None}
        return await self.http.request(method, PATH, params=present, content=content)

    async def poll(self, sid: str) -> str:
        """The next payload."""
        response = await self.request(sid=sid)
        assert response.status_code == 200, response.text
        return response.text

    async def post(self, sid: str, content: Any) -> httpx.Response:
        """Send a payload."""
        return await self.request("POST", content, sid=sid)

    async def opening(self) -> dict[str, Any]:
        """Open a polling transport, and return what the server said."""
        response = await self.request()
        assert response.status_code == 200
        assert response.text.startswith("0")
        said: dict[str, Any] = json.loads(response.text[1:])
        return said

    async def websocket(self, **query: Any) -> ClientConnection:
        """Open a websocket; nothing has been read from it."""
        parameters = {"EIO": "4", "transport": "websocket", **query}
        present = {name: value for name, value in parameters.items() if value is not None}
        url = f"{self.url.replace('http', 'ws', 1)}{PATH}?{urlencode(present)}"
        return await open_websocket(url, proxy=None, ping_interval=None, max_size=None)

    async def opened(self) -> ClientConnection:
        """Open a websocket, past the handshake."""
        websocket = await self.websocket()
        assert str(await websocket.recv()).startswith("0{")
        return websocket

    async def upgraded(self, sid: str) -> ClientConnection:
        """Take a polling transport over by a websocket."""
        websocket = await self.websocket(sid=sid)
        await websocket.send("2probe")
        assert await websocket.recv() == "3probe"
        await websocket.send("5")
        return websocket


async def closed(websocket: ClientConnection) -> list[str | bytes]:
    """Everything that comes until the end, which has to come."""
    frames: list[str | bytes] = []
    async with asyncio.timeout(5):
        with suppress(ConnectionClosed):
            while True:
                frames.append(await websocket.recv())
        await websocket.wait_closed()
    return frames


async def receive(websocket: ClientConnection) -> str | bytes:
    """The next frame."""
    async with asyncio.timeout(5):
        return await websocket.recv()


@asynccontextmanager
async def peer(*, ws: str = "auto", **options: Any) -> AsyncIterator[Peer]:
    """A server with handlers to talk to, and a client of it. Everybody may come in as nobody."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), **{"allow_anonymous": True, "linger": 0.2, **options})

    @socket.on("echo", namespace="/custom")
    @socket.on("echo")
    async def echo(*values: Any) -> tuple[Any, ...]:
        return values

    @socket.on("back")
    async def back(sid: str, *values: Any) -> None:
        await socket.emit("back", values, to=sid)

    async with (
        serving(app, ws=ws) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as http,
    ):
        yield Peer(socket, url, http)
