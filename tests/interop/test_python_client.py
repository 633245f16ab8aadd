"""python-socketio's own asynchronous client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import socketio

from tests.interop.app import create_app, token
from tests.support.server import serving

TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]

every_transport = pytest.mark.parametrize("transports", TRANSPORTS, ids="-then-".join)


class Peer:
    """The client, with what it was sent kept in queues by the event's name."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, transports: list[str]) -> None:
        self.client = socketio.AsyncClient(reconnection=False, http_session=http)
        self.refusals: asyncio.Queue[Any] = asyncio.Queue()
        self._url = base_url
        self._transports = transports
        self._events: dict[str, asyncio.Queue[Any]] = {}
        self.client.on("connect_error", self.refusals.put)
        self.client.on("*", self._keep)

    async def connect(self, **options: Any) -> None:
        await self.client.connect(
            self._url, socketio_path="/ws/socket.io", transports=self._transports, **options
        )

    async def receive(self, event: str) -> Any:
        return await asyncio.wait_for(self._queue(event).get(), 5.0)

    async def _keep(self, event: str, *args: Any) -> None:
        await self._queue(event).put(args)

    def _queue(self, event: str) -> asyncio.Queue[Any]:
        return self._events.setdefault(event, asyncio.Queue())


@asynccontextmanager
async def peer(base_url: str, transports: list[str], **options: Any) -> AsyncIterator[Peer]:
    """A client that is connected, if there are options to connect with."""
    async with aiohttp.ClientSession() as http:
        one = Peer(http, base_url, transports)
        try:
            if options:
                await one.connect(**options)
            yield one
        finally:
            await one.client.disconnect()


@every_transport
async def test_it_connects_emits_with_an_ack_and_receives(transports: list[str]) -> None:
    async with (
        serving(create_app()) as base_url,
        peer(base_url, transports, auth={"token": token("alice", "chat:write")}) as alice,
        peer(base_url, transports, auth={"token": token("bob")}) as bob,
    ):
        (session,) = await alice.receive("authx:session")
        assert (session["user"], session["scopes"]) == ("alice", ["chat:write"])
        assert alice.client.transport() == transports[-1]

        assert await alice.client.call("message", {"to": "bob", "text": "hi"}) == {"devices": 1}
        assert await bob.receive("message") == ({"from": "alice", "text": "hi"},)


@every_transport
async def test_it_is_refused_with_a_code(transports: list[str]) -> None:
    async with serving(create_app()) as base_url, peer(base_url, transports) as alice:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await alice.connect(auth={"token": "no token"})

        assert await asyncio.wait_for(alice.refusals.get(), 5.0) == {
            "message": "The token is not valid",
            "data": {"code": "invalid_token", "retry": False},
        }


@every_transport
async def test_a_token_in_a_header_opens_the_door_too(transports: list[str]) -> None:
    headers = {"Authorization": f"Bearer {token('alice')}"}
    async with serving(create_app()) as base_url, peer(base_url, transports, headers=headers) as alice:
        (session,) = await alice.receive("authx:session")

        assert session["user"] == "alice"
