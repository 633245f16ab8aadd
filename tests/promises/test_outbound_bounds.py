"""Promise 8, outbound: who does not read costs itself, and nobody else waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from authx import AuthXSocket
from authx.socket import Connection
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled

LIMIT = 200_000
UPGRADE = (
    b"GET /ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


@asynccontextmanager
async def stalled(url: str, socket: AuthXSocket) -> AsyncIterator[Connection]:
    """A connection whose client reads nothing: its window fills, then what the server holds."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    try:
        writer.write(UPGRADE)
        while await reader.readline() != b"\r\n":
            pass
        # A text frame of two bytes, masked with zeroes.
        writer.write(b"\x81\x82\x00\x00\x00\x0040")
        await until(lambda: len(socket.sio.registry) == 1)
        [connection] = socket.sio.registry
        yield connection
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def app_with_gone(**options: Any) -> tuple[FastAPI, AuthXSocket, list[tuple[str, str]]]:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), allow_anonymous=True, max_outbound_bytes=LIMIT, **options)
    gone: list[tuple[str, str]] = []

    @socket.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        gone.append((sid, reason))

    return app, socket, gone


async def come(client: wire.Client, count: int) -> None:
    """Wait until so many events have come."""
    await until(lambda: len(client.events("n")) >= count)


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
async def test_a_stalled_reader_is_closed_and_the_others_get_everything_in_order(ws: str) -> None:
    app, socket, gone = app_with_gone()
    async with serving(app, ws=ws) as url, stalled(url, socket) as connection:
        transport = socket.sio.eio.sockets[connection.transport]
        async with wire.websocket(url) as one, wire.websocket(url) as other, wire.polling(url) as third:
            quick = (one, other, third)
            for client in quick:
                assert (await client.connect()).type is wire.PacketType.CONNECT
            count = 0
            while not gone:
                await socket.emit("n", [count, "x" * 20_000])
                assert transport.waiting <= LIMIT + 30_000
                count += 1
                for client in quick:
                    await come(client, count)
            assert gone == [(connection.sid, "slow_consumer")]
            assert (transport.waiting, transport._queue) == (0, [])
            await socket.emit("n", [count, ""])
            for client in quick:
                await come(client, count + 1)
                assert [event.args[0][0] for event in client.events("n")] == list(range(count + 1))
            await until(lambda: len(socket.sio.eio.sockets) == 3 and not socket.sio.eio._endings)
        await until(lambda: not filled(socket))


async def test_a_polling_client_that_does_not_poll_is_closed() -> None:
    app, socket, gone = app_with_gone()
    async with serving(app) as url, httpx.AsyncClient(base_url=f"{url}{wire.PATH}", trust_env=False) as http:
        query = {"EIO": "4", "transport": "polling"}
        query["sid"] = (await http.get("", params=query)).text.split('"')[3]
        await http.post("", params=query, content="40")
        await until(lambda: len(socket.sio.registry) == 1)
        [connection] = socket.sio.registry
        while not gone:
            await socket.emit("n", "x" * 20_000)
            await asyncio.sleep(0)
        assert gone == [(connection.sid, "slow_consumer")]
        assert not filled(socket)
        assert not socket.sio.eio._endings
        assert (await http.get("", params=query)).status_code == 400


async def test_a_burst_for_a_client_that_reads_is_no_reason_to_close_it() -> None:
    app, socket, gone = app_with_gone()
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect()
        [connection] = socket.sio.registry
        for number in range(50):
            await socket.emit("n", [number, "x" * 20_000], to=connection.sid)
            await come(client, number - 3)
        await come(client, 50)
        # One that is larger than all that may wait, for who has taken all before it.
        await socket.emit("n", [50, "x" * LIMIT], to=connection.sid)
        await come(client, 51)
    assert "slow_consumer" not in [reason for _, reason in gone]


@pytest.mark.parametrize("opened", wire.OPENERS)
async def test_concurrent_emits_arrive_in_the_order_of_their_calls(opened: wire.Opener) -> None:
    app, socket, _ = app_with_gone()
    async with serving(app) as url, opened(url) as client:
        await client.connect()
        [connection] = socket.sio.registry
        called: list[tuple[int, int]] = []

        async def emitting(task: int) -> None:
            for number in range(50):
                called.append((task, number))
                await socket.emit("n", [task, number], to=connection.sid)

        await asyncio.gather(*map(emitting, range(10)))
        await come(client, 500)

    arrived = [tuple(event.args[0]) for event in client.events("n")]
    for task in range(10):
        assert [number for sender, number in arrived if sender == task] == list(range(50))


async def test_an_emit_does_not_wait_for_a_stalled_client() -> None:
    app, socket, gone = app_with_gone()
    async with serving(app) as url, stalled(url, socket) as connection, asyncio.timeout(5):
        while not gone:
            await socket.emit("n", "x" * 50_000, to=connection.sid)
            await asyncio.sleep(0)


# Strangers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opened", wire.OPENERS)
async def test_strangers_of_one_address_are_few_until_they_are_admitted_or_gone(opened: wire.Opener) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_unconnected_per_address=2)
    token = {"token": auth.create_access_token("alice")}
    async with serving(app) as url:
        async with opened(url) as one, opened(url):
            with pytest.raises(wire.Rejected) as refusal:
                await opened(url).__aenter__()
            assert refusal.value.status == 429
            # Who was refused is a stranger still.
            assert (await one.connect({"token": "no token"})).type is wire.PacketType.CONNECT_ERROR
            with pytest.raises(wire.Rejected):
                await opened(url).__aenter__()
            assert (await one.connect(token)).type is wire.PacketType.CONNECT
            async with opened(url) as third:
                await third.connect(token)
                await third.disconnect()
                async with opened(url):
                    pass
        await until(lambda: not filled(socket))
        assert len(socket.sio.eio._anteroom) == 0
