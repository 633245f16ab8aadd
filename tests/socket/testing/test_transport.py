"""One device, against apps that are nothing but a few ASGI messages."""

import asyncio
from typing import Any

import pytest
from socketio.packet import CONNECT, EVENT, Packet
from starlette.types import Receive, Scope, Send

from authx.socket.exceptions import Refusal
from authx.socket.testing.transport import Transport
from tests.support.settling import until


class Script:
    """An app that sends frames, and keeps what it reads."""

    def __init__(self, *frames: str | bytes) -> None:
        self.frames = frames
        self.read: list[Any] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.send: Send

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.send = send
        await receive()
        await send({"type": "websocket.accept"})
        for frame in ('0{"sid":"x"}', *self.frames):
            await self.say(frame)
        while True:
            await self.reads.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            self.read.append(message.get("text") or message.get("bytes"))

    async def say(self, frame: str | bytes) -> None:
        kind = "bytes" if isinstance(frame, bytes) else "text"
        await self.send({"type": "websocket.send", kind: frame})


def transport(app: Any, timeout: float = 2.0) -> Transport:
    return Transport(app, {"type": "websocket"}, Packet, timeout=timeout)


async def connected(script: Script) -> tuple[Transport, Any]:
    """Open a transport and connect it, as `script` is made to say."""
    device = transport(script)
    await device.open()
    connecting = asyncio.create_task(device.connect("/", {"token": "t"}))
    await until(lambda: '40{"token":"t"}' in script.read)
    await script.say('40{"sid":"s"}')
    return device, await connecting


async def test_a_ping_is_answered_and_an_event_is_put_together_from_its_frames() -> None:
    script = Script()
    device, inbox = await connected(script)
    await script.say("2abc")
    await script.say('451-["picture",{"_placeholder":true,"num":0},7]')
    await script.say(b"\x00")
    await script.say('42["plain"]')

    assert inbox.sid == "s"
    assert [event.args for event in inbox.events] == [(b"\x00", 7), ()]
    await device.send(EVENT, "/", ["x", b"\x01"])
    assert script.read[1:] == ["3abc", '451-["x",{"_placeholder":true,"num":0}]', b"\x01"]
    device.hang_up()
    await device.wait_ended()


async def test_what_was_sent_has_been_read() -> None:
    script = Script()
    device, _ = await connected(script)
    script.reads.clear()
    sending = asyncio.create_task(device.send(EVENT, "/", ["x"]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not sending.done()
    script.reads.set()
    await sending

    assert script.read[-1] == '42["x"]'
    device.hang_up()
    await device.wait_ended()
    with pytest.raises(ConnectionError, match="has ended"):
        await device.send(EVENT, "/", ["late"])
    device.hang_up()
    await device.round_trip()


async def test_an_app_that_does_not_read_is_not_waited_for_without_end() -> None:
    script = Script()
    device = transport(script, timeout=0.01)
    await device.open()
    script.reads.clear()
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError, match="has not read on"):
        await device.send_frames(["one", "two"])
    script.reads.set()
    device.hang_up()
    await device.wait_ended()


@pytest.mark.parametrize(
    ("body", "code", "retry", "details", "data"),
    [
        ('{"message":"No"}', "", False, None, None),
        ('{"message":"No","data":[1]}', "", False, None, [1]),
        (
            '{"message":"No","data":{"code":"c","retry":true,"details":1}}',
            "c",
            True,
            1,
            {"code": "c", "retry": True, "details": 1},
        ),
    ],
)
async def test_a_refusal_is_what_the_server_said(
    body: str, code: str, retry: bool, details: Any, data: Any
) -> None:
    script = Script()
    device = transport(script)
    await device.open()
    connecting = asyncio.create_task(device.connect("/x", None))
    await until(lambda: script.read)
    await script.say(f"44/x,{body}")
    with pytest.raises(Refusal) as raised:
        await connecting

    refusal = raised.value
    assert (refusal.code, refusal.message, refusal.retry) == (code, "No", retry)
    assert (refusal.details, refusal.data) == (details, data)
    device.hang_up()
    await device.wait_ended()


@pytest.mark.parametrize("end", ["says so", "closes", "leaves the namespace"])
async def test_a_connection_ends_with_its_transport_or_before_it(end: str) -> None:
    script = Script()
    device, inbox = await connected(script)
    if end == "closes":
        await script.send({"type": "websocket.close", "code": 1000})
        await device.wait_ended()
    else:
        await script.say("1" if end == "says so" else "41")

    assert inbox.ended
    assert device.ended.is_set() is (end == "closes")
    device.hang_up()
    await device.wait_ended()


async def test_an_answer_that_cannot_come_any_more_is_not_waited_for() -> None:
    script = Script()
    device = transport(script)
    await device.open()
    connecting = asyncio.create_task(device.connect("/", None))
    await until(lambda: script.read)
    device.hang_up()
    with pytest.raises(ConnectionError, match="before the answer"):
        await connecting


async def test_a_packet_out_of_nowhere_is_a_failure_of_the_app() -> None:
    device = transport(Script('42["before the door"]'))
    await device.open()
    with pytest.raises(AssertionError, match="before the door"):
        await device.wait_ended()


async def test_a_websocket_that_is_not_accepted_says_why() -> None:
    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "no"})

    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("broken")

    with pytest.raises(ConnectionError, match="1008 no"):
        await transport(refuses).open()
    with pytest.raises(LookupError, match="broken"):
        await transport(fails).open()


async def test_an_unknown_answer_to_connect_is_taken_quietly() -> None:
    script = Script('40{"sid":"unasked"}', '44{"message":"unasked"}')
    device = transport(script)
    await device.open()
    assert CONNECT == 0
    device.hang_up()
    await device.wait_ended()
