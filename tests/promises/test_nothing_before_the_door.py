"""Promise 1: nothing reaches a socket, and no handler runs for it, before it has been let in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from fastapi import FastAPI

from authx import AuthXSocket
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled
from tests.support.wire import Client, Opener, PacketType

BLOCKLIST_DELAY = 0.3
BROADCAST_EVERY = 0.003

opened = pytest.mark.parametrize("opened", wire.OPENERS)


@asynccontextmanager
async def broadcasting(sio: socketio.AsyncServer) -> AsyncIterator[list[int]]:
    """Tell everybody something every few milliseconds; gives the numbers told so far."""
    told: list[int] = []

    async def broadcast() -> None:
        while True:
            told.append(len(told))
            await sio.emit("news", told[-1])
            await asyncio.sleep(BROADCAST_EVERY)

    task = asyncio.create_task(broadcast())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def events(client: Client) -> list[str | None]:
    return [packet.event for packet in client.packets if packet.event is not None]


async def code_heard(client: Client, payload: dict[str, Any], socket: AuthXSocket) -> str:
    """Ask to be let in, sending an event while the server thinks and one when it has refused."""
    answer = asyncio.create_task(client.connect(payload))
    await until(lambda: answer.done() or socket.sio._arrivals)
    await client.emit("message", "too early", ack=False)
    packet = await answer
    assert packet.type is PacketType.CONNECT_ERROR
    await client.emit("message", "too late", ack=False)
    code: str = packet.data["data"]["code"]
    return code


async def heard_so_far(client: Client, told: list[int]) -> None:
    """Wait until a client has heard all that has been told up to now, and one thing more."""
    last = told[-1]
    await until(lambda: client.events("news") and client.events("news")[-1].args[0] > last)


@opened
async def test_no_refused_socket_ever_sees_an_event(opened: Opener) -> None:
    """With a slow blocklist, an app that thinks and then refuses, and broadcasts all the while."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    handled: list[str] = []
    left: list[str] = []

    @auth.set_token_blocklist
    async def slow_blocklist(token: str) -> bool:
        await asyncio.sleep(BLOCKLIST_DELAY)
        return token == revoked

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> bool:
        await socket.enter_room(sid, "lobby")
        await socket.emit("welcome", to=sid)
        await socket.emit("joined", to="lobby")
        await asyncio.sleep(BLOCKLIST_DELAY / 3)
        return bool(auth["welcome"])

    @socket.on("disconnect")
    def disconnect(sid: str) -> None:
        left.append(sid)

    @socket.on("message")
    def message(data: str) -> None:
        handled.append(data)

    revoked = auth.create_access_token("mallory")
    good = auth.create_access_token("alice")
    async with serving(app) as url, broadcasting(socket.sio) as told, opened(url) as admitted:
        await admitted.connect({"token": good, "welcome": True})
        for payload, code in (
            ({"token": revoked, "welcome": True}, "token_revoked"),
            ({"token": good, "welcome": False}, "policy_denied"),
            ({"token": "garbage", "welcome": True}, "invalid_token"),
        ):
            async with opened(url) as refused:
                assert await code_heard(refused, payload, socket) == code
                # The refused one has had its chances when the admitted one has heard them all.
                await heard_so_far(admitted, told)
                assert events(refused) == []
            await until(lambda: len(socket.sio.registry) == 1 and len(socket.sio._devices) == 1)

        assert events(admitted)[:2] == ["authx:session", "welcome"]
        assert handled == []
        assert left == []
    await until(lambda: not filled(socket))
    assert len(left) == 1


@opened
async def test_a_plain_server_lets_a_broadcast_reach_who_is_then_refused(opened: Opener) -> None:
    """Why there is a door: the same on python-socketio alone. If this fails, it has got one itself."""
    sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=[])

    @sio.on("connect")
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> bool:
        await asyncio.sleep(BLOCKLIST_DELAY)
        return False

    app = socketio.ASGIApp(sio, socketio_path="/ws/socket.io")
    async with serving(app) as url, broadcasting(sio), opened(url) as refused:
        answer = await refused.connect({"token": "garbage"})

        assert answer.type is PacketType.CONNECT_ERROR
        assert "news" in events(refused)
