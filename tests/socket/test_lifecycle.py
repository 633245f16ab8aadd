"""Transports, opened and ended, whatever carries them."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from authx import AuthXSocket
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled

PATH = "/ws/socket.io/"
OPENING = {"EIO": "4", "transport": "polling"}


async def test_shutting_down_again_does_nothing() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        await client.get(PATH, params=OPENING)
        await socket.sio.eio.drop(next(iter(socket.sio.eio.sockets)))
        for _ in range(2):
            await asyncio.gather(socket.sio.eio.shutdown(), socket.sio.eio.shutdown())

    assert not socket.sio.eio._endings


@pytest.mark.parametrize("opened", wire.OPENERS)
async def test_a_transport_that_is_dropped_twice_ends_once(opened: wire.Opener) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, opened(url) as client:
        device = next(iter(socket.sio.eio.sockets))
        await socket.sio.eio.send(device, '2["last words"]')
        await asyncio.gather(socket.sio.eio.drop(device), socket.sio.eio.drop(device))
        await client.wait_closed()

    assert client.frames[-2:] == ['42["last words"]', "1"]


async def test_every_transport_is_closed_by_naming_none() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, wire.websocket(url) as one, wire.polling(url) as other:
        await socket.sio.eio.disconnect()
        await one.wait_closed()
        await other.wait_closed()
        await until(lambda: not filled(socket))
        await socket.sio.eio.disconnect()
        await socket.sio.eio.disconnect("nobody")


async def test_shutting_down_gives_the_last_words_time_to_be_written() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, wire.websocket(url) as client:
        await socket.shutdown()
        assert not socket.sio.eio._endings
        await client.wait_closed()
    assert client.frames[-1] == "1"


async def test_a_transport_that_cannot_be_opened_is_in_no_table() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    async def fail(sid: str, environ: Any) -> None:
        raise OSError("no room")

    socket.sio.eio.on("connect", fail)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(base_url="http://127.0.0.1", transport=transport) as client:
        assert (await client.get(PATH, params=OPENING)).status_code == 500
    assert not filled(socket)
    assert len(socket.sio.eio._anteroom) == 0


@pytest.mark.parametrize("event", ["message", "disconnect"])
async def test_a_bug_behind_the_engine_ends_the_transport_and_nothing_else(
    event: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, wire.websocket(url) as bystander:

        async def fail(*_: Any) -> None:
            raise ValueError("hunter" + "2")

        async with wire.websocket(url) as client:
            intact = socket.sio.eio.handlers[event]
            socket.sio.eio.on(event, fail)
            await client.send_frame("40" if event == "message" else "1")
            await client.wait_closed()
            socket.sio.eio.on(event, intact)
        await until(lambda: len(socket.sio.eio.sockets) == 1)
        assert (await bystander.connect({"token": "x"})).type is wire.PacketType.CONNECT_ERROR
    assert f"{event} handler error" in caplog.text
    assert "hunter2" not in caplog.text


async def test_who_is_not_there_gets_nothing() -> None:
    socket = AuthXSocket(FastAPI(), auth=login())
    socket.sio.eio.put("nobody", "40")
    await socket.sio.eio.send("nobody", b"")
    socket.sio.eio.admit("nobody")


async def test_nothing_is_heard_after_the_end() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    heard: list[Any] = []

    async def hear(sid: str, message: Any) -> None:
        heard.append(message)

    socket.sio.eio.on("message", hear)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        sid = (await client.get(PATH, params=OPENING)).text.split('"')[3]
        body = "\x1e".join(["42first", "1", "42second", "3"])
        await client.post(PATH, params={**OPENING, "sid": sid}, content=body)

    assert heard == ["2first"]
    assert not filled(socket)


async def test_a_websocket_that_takes_no_leave_in_time_is_forgotten_even_if_its_server_is_stuck() -> None:
    free, stuck = asyncio.Event(), asyncio.Event()

    async def send(message: Message) -> None:
        while message.get("text", "").startswith("42") and not free.is_set():
            stuck.set()
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), allow_anonymous=True, linger=0.01)
    coming: asyncio.Queue[Message] = asyncio.Queue()
    coming.put_nowait({"type": "websocket.connect"})
    coming.put_nowait({"type": "websocket.receive", "text": "40"})
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": PATH,
        "query_string": b"EIO=4&transport=websocket",
        "headers": [(b"host", b"app.test")],
        "client": ("192.0.2.1", 5),
    }
    served = asyncio.create_task(app(scope, coming.get, send))
    await until(lambda: len(list(socket.sio.registry)) == 1)
    await socket.emit("news")
    await stuck.wait()
    await socket.sio.eio.disconnect()
    assert socket.sio.eio._endings

    await until(lambda: not socket.sio.eio._endings)
    assert not served.done()
    free.set()
    await served
