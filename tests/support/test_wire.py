"""The raw client against a plain python-socketio server."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
import socketio

from tests.support import wire
from tests.support.server import serving
from tests.support.wire import Packet, PacketType

both = pytest.mark.parametrize("opened", wire.OPENERS)


def plain() -> Any:
    """A server with an echo, a denial in /closed, and nothing of ours."""
    server = socketio.AsyncServer(async_mode="asgi", ping_interval=0.2)

    @server.event
    async def echo(sid: str, *args: Any) -> tuple[Any, ...]:
        return args

    @server.event
    async def ask(sid: str, data: bytes) -> None:
        await server.emit("answer", {"raw": [data, data[::-1]]}, to=sid)

    @server.event
    async def leave(sid: str) -> None:
        await server.disconnect(sid)

    @server.on("connect", namespace="/closed")
    async def refuse(sid: str, environ: Any, auth: Any) -> None:
        raise socketio.exceptions.ConnectionRefusedError("no entry", {"auth": auth})

    return socketio.ASGIApp(server, socketio_path="/ws/socket.io")


@both
async def test_connects_emits_and_reads_the_acknowledgement(opened: wire.Opener) -> None:
    async with serving(plain()) as base_url, opened(base_url) as client:
        answer = await client.connect(auth={"token": "t"})

        assert answer.type is PacketType.CONNECT
        assert answer.data["sid"]
        assert client.handshake["maxPayload"] == 1_000_000
        assert await client.emit("echo", 1, {"two": [3]}) == [1, {"two": [3]}]
        assert await client.emit("echo", "quiet", ack=False) == []


@both
async def test_a_refused_namespace_is_an_answer_and_not_an_exception(opened: wire.Opener) -> None:
    async with serving(plain()) as base_url, opened(base_url) as client:
        answer = await client.connect(auth={"who": "me"}, namespace="/closed")

        assert answer == Packet(
            PacketType.CONNECT_ERROR,
            "/closed",
            data={"message": "no entry", "data": {"auth": {"who": "me"}}},
        )
        assert client.packets == [answer]


@both
async def test_binary_goes_both_ways(opened: wire.Opener) -> None:
    async with serving(plain()) as base_url, opened(base_url) as client:
        await client.connect()
        await client.send_frame('451-["ask",{"_placeholder":true,"num":0}]')
        await client.send_frame(b"\x00\x01\xff")

        packet = await client.receive()

        assert packet.event == "answer"
        assert packet.args == [{"raw": [b"\x00\x01\xff", b"\xff\x01\x00"]}]


@both
async def test_pings_are_answered_so_the_transport_lives_on(opened: wire.Opener) -> None:
    async with serving(plain()) as base_url, opened(base_url) as client:
        await client.connect()
        async with asyncio.timeout(5.0):
            while client.frames.count("2") < 3:
                await client.emit("echo")

        assert not client.closed.is_set()


@both
async def test_a_disconnect_by_the_server_is_received(opened: wire.Opener) -> None:
    async with serving(plain()) as base_url, opened(base_url) as client:
        await client.connect()
        await client.emit("leave", ack=False)

        assert await client.receive() == Packet(PacketType.DISCONNECT)
        assert not client.closed.is_set()


@both
async def test_the_end_of_the_transport_is_seen_by_whoever_waits(opened: wire.Opener) -> None:
    async with AsyncExitStack() as stack:
        base_url = await stack.enter_async_context(serving(plain()))
        async with opened(base_url) as client:
            await client.connect()
            await stack.aclose()

            await client.wait_closed()
            with pytest.raises(ConnectionError):
                await client.receive()


@both
async def test_events_are_told_apart_by_name(opened: wire.Opener) -> None:
    async with serving(plain()) as base_url, opened(base_url) as client:
        await client.connect()
        await client.send_frame('451-["ask",{"_placeholder":true,"num":0}]')
        await client.send_frame(b"1")

        await client.receive_event("answer")

        assert len(client.events("answer")) == 1
        with pytest.raises(TimeoutError):
            await client.receive(timeout=0.05)


@both
async def test_a_transport_that_is_not_wanted_is_rejected(opened: wire.Opener) -> None:
    async with serving(plain()) as base_url:
        with pytest.raises(wire.Rejected) as caught:
            async with opened(base_url, headers={"Origin": "http://elsewhere.example"}):
                pass

    assert caught.value.status in {400, 403}


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(PacketType.CONNECT)),
        ('0/admin,{"token":"t"}', Packet(PacketType.CONNECT, "/admin", data={"token": "t"})),
        ("1/admin,", Packet(PacketType.DISCONNECT, "/admin")),
        ('2["a",1]', Packet(PacketType.EVENT, data=["a", 1])),
        ('2/admin,12["a"]', Packet(PacketType.EVENT, "/admin", 12, ["a"])),
        ("37[]", Packet(PacketType.ACK, id=7, data=[])),
    ],
)
def test_a_packet_is_read_and_written_alike(text: str, packet: Packet) -> None:
    assert wire.parse(text) == (packet, 0)
    assert wire.parse(packet.encode()) == (packet, 0)
