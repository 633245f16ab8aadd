"""No task, timer or table entry outlives its transport, however that ends."""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from authx import AuthXSocket
from authx.socket import Connection
from authx.socket.device import Device
from authx.socket.environ import Environ
from authx.socket.transport import Transport
from tests.support.logins import login
from tests.support.settling import until
from tests.support.tables import filled

TRANSPORTS = 10_000
AT_ONCE = 50


def scope(kind: str, query: str, method: str = "GET") -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": "/",
        "query_string": query.encode(),
        "headers": [(b"host", b"app.test")],
        "client": ("192.0.2.1", 5),
        **({"method": method} if kind == "http" else {}),
    }


class Browser:
    """A client of the server itself, over ASGI."""

    def __init__(self, socket: AuthXSocket) -> None:
        self.socket = socket

    async def request(self, query: str, body: bytes | None = None, *, hang_up: bool = False) -> str:
        """The body of the answer."""
        coming: list[Message] = [{"type": "http.request", "body": body or b"", "more_body": False}]
        answer: list[Message] = []

        async def receive() -> Message:
            if coming:
                return coming.pop()
            if not hang_up:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            answer.append(message)

        method = "GET" if body is None else "POST"
        await self.socket.sio.handle_request(
            scope("http", f"EIO=4&transport=polling{query}", method), receive, send
        )
        text: str = answer[1]["body"].decode()
        return text

    async def opening(self) -> str:
        """Open a polling transport, and return its sid."""
        return str(json.loads((await self.request(""))[1:])["sid"])


class WebSocket:
    """A websocket of the server itself, over ASGI."""

    def __init__(self, socket: AuthXSocket, query: str = "") -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.frames: list[Any] = []
        self.stalled = False
        self.task = asyncio.create_task(
            socket.sio.handle_request(
                scope("websocket", f"EIO=4&transport=websocket{query}"), self.incoming.get, self._send
            )
        )

    async def _send(self, message: Message) -> None:
        if self.stalled:
            await asyncio.Event().wait()
        if message["type"] == "websocket.send":
            self.frames.append(message.get("text", message.get("bytes")))

    def put(self, frame: str | bytes) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        self.incoming.put_nowait({"type": "websocket.receive", kind: frame})

    async def joined(self) -> None:
        self.put("40")
        await until(lambda: any(str(frame).startswith("40{") for frame in self.frames))

    def sid(self) -> str:
        return str(json.loads(self.frames[0][1:])["sid"])

    async def ended(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await self.task


async def opened_and_gone(socket: AuthXSocket) -> None:
    await WebSocket(socket).ended()


async def joined_and_gone(socket: AuthXSocket) -> None:
    websocket = WebSocket(socket)
    await websocket.joined()
    await websocket.ended()


async def joined_and_left(socket: AuthXSocket) -> None:
    websocket = WebSocket(socket)
    await websocket.joined()
    websocket.put("41")
    websocket.put("1")
    await websocket.task


async def garbage(socket: AuthXSocket) -> None:
    websocket = WebSocket(socket)
    websocket.put("451-[")
    websocket.put("x")
    await websocket.task


async def dropped(socket: AuthXSocket) -> None:
    websocket = WebSocket(socket)
    await websocket.joined()
    await socket.sio.eio.drop(websocket.sid())
    await websocket.task


async def stalled_and_dropped(socket: AuthXSocket) -> None:
    websocket = WebSocket(socket)
    await websocket.joined()
    websocket.stalled = True
    await socket.sio.eio.drop(websocket.sid())
    await websocket.task


async def slow(socket: AuthXSocket) -> None:
    websocket = WebSocket(socket)
    await websocket.joined()
    websocket.stalled = True
    transport = socket.sio.eio.sockets[websocket.sid()]
    for _ in range(3):
        transport.put("4" * 600)
    await websocket.task


async def cancelled(socket: AuthXSocket) -> None:
    websocket = WebSocket(socket)
    await websocket.joined()
    websocket.task.cancel()
    await asyncio.wait({websocket.task})


async def polled_and_left(socket: AuthXSocket) -> None:
    browser = Browser(socket)
    sid = await browser.opening()
    transport = socket.sio.eio.sockets[sid]
    poll = asyncio.create_task(browser.request(f"&sid={sid}"))
    await until(lambda: transport.polling)
    await browser.request(f"&sid={sid}", b"1")
    await poll


async def hung_up(socket: AuthXSocket) -> None:
    browser = Browser(socket)
    await browser.request(f"&sid={await browser.opening()}", hang_up=True)


async def polled_and_dropped(socket: AuthXSocket) -> None:
    await socket.sio.eio.drop(await Browser(socket).opening())


async def polled_garbage(socket: AuthXSocket) -> None:
    browser = Browser(socket)
    await browser.request(f"&sid={await browser.opening()}", b"x")


async def upgraded_and_gone(socket: AuthXSocket) -> None:
    sid = await Browser(socket).opening()
    websocket = WebSocket(socket, f"&sid={sid}")
    for frame in ("2probe", "5", "40"):
        websocket.put(frame)
    await websocket.ended()


async def upgrade_given_up(socket: AuthXSocket) -> None:
    sid = await Browser(socket).opening()
    websocket = WebSocket(socket, f"&sid={sid}")
    websocket.put("2probe")
    await websocket.ended()
    await socket.sio.eio.drop(sid)


WAYS: tuple[Callable[[AuthXSocket], Awaitable[None]], ...] = (
    opened_and_gone,
    joined_and_gone,
    joined_and_left,
    garbage,
    dropped,
    stalled_and_dropped,
    slow,
    cancelled,
    polled_and_left,
    hung_up,
    polled_and_dropped,
    polled_garbage,
    upgraded_and_gone,
    upgrade_given_up,
)


def alive() -> Counter[str]:
    """How many of our objects, and of what they wait by, there are."""
    gc.collect()
    kinds = (Transport, Device, Connection, Environ, asyncio.Task, asyncio.Timeout)
    found = Counter(type(value).__name__ for value in gc.get_objects() if isinstance(value, kinds))
    loop: Any = asyncio.get_running_loop()
    found["timers"] = sum(not timer.cancelled() for timer in loop._scheduled)
    return found


async def settled(socket: AuthXSocket) -> None:
    await until(lambda: not filled(socket) and not socket.sio.eio._endings and not socket.sio.eio._tasks)
    for _ in range(3):
        await asyncio.sleep(0)


def served(linger: float = 0.01) -> AuthXSocket:
    return AuthXSocket(FastAPI(), auth=login(), allow_anonymous=True, linger=linger, max_outbound_bytes=1000)


async def test_ten_thousand_transports_that_ended_in_every_way_leave_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    socket = served()

    async def one_after_the_other(first: int) -> None:
        for number in range(first, TRANSPORTS, AT_ONCE):
            await WAYS[number % len(WAYS)](socket)

    await asyncio.gather(*(way(socket) for way in WAYS))
    await settled(socket)
    before = alive()
    await asyncio.gather(*map(one_after_the_other, range(AT_ONCE)))
    await settled(socket)

    assert alive() == before
    assert len(socket.sio.eio._anteroom) == 0
    assert len(asyncio.all_tasks()) == 1
    # Nor a task that was forgotten and collected.
    assert "was destroyed" not in caplog.text


@pytest.mark.parametrize("way", [dropped, joined_and_left, garbage])
async def test_a_websocket_that_has_heard_of_its_end_leaves_no_timer(
    way: Callable[[AuthXSocket], Awaitable[None]],
) -> None:
    socket = served(linger=30)
    before = alive()
    await way(socket)
    await settled(socket)
    assert alive() == before


async def last_words(socket: AuthXSocket) -> None:
    quick, stalled = WebSocket(socket), WebSocket(socket)
    await quick.joined()
    await stalled.joined()
    stalled.stalled = True
    for websocket in (quick, stalled):
        await socket.sio.eio.drop(websocket.sid())
    # Not in a task of its own: nothing has had its turn yet.
    async with asyncio.timeout(5):
        await socket.sio.eio.shutdown()
    assert quick.frames[-1] == "1"
    assert stalled.frames[-1] != "1"
    for websocket in (quick, stalled):
        await websocket.task


async def test_the_last_words_of_a_shutdown_are_written_and_nobody_waits_long_for_who_does_not_read() -> None:
    socket = served(linger=0.1)
    before = alive()
    await last_words(socket)
    await Browser(socket).opening()
    await socket.sio.eio.disconnect()
    await socket.sio.eio.shutdown()
    await settled(socket)
    assert alive() == before


# What a stranger can send -----------------------------------------------------------------------------

FRAMES = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(["40", "41", "1", "2probe", "3", "5", "40/x,", '42["echo"]', '421["echo",1]', "43[]"]),
    st.sampled_from(['451-["echo",{"_placeholder":true,"num":0}]', "4[", "", "\x1e", "40{", "\ud800"]),
)
fuzzed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def echoed(bystander: WebSocket, number: int) -> None:
    bystander.put(f'42{number}["echo",{number}]')
    await until(lambda: bystander.frames[-1] == f"43{number}[{number}]")


async def fuzz(script: Callable[[AuthXSocket], Awaitable[None]]) -> None:
    """Run ``script`` beside a connection that is to notice nothing."""
    socket = served()

    @socket.on("echo")
    async def echo(*values: Any) -> tuple[Any, ...]:
        return values

    bystander = WebSocket(socket)
    await bystander.joined()
    await script(socket)
    await echoed(bystander, 1)
    await bystander.ended()
    await settled(socket)
    assert len(asyncio.all_tasks()) == 1


@fuzzed
@given(st.lists(FRAMES, max_size=8))
def test_any_frames_on_a_websocket_end_in_peace(
    caplog: pytest.LogCaptureFixture, frames: list[str | bytes]
) -> None:
    async def script(socket: AuthXSocket) -> None:
        websocket = WebSocket(socket)
        for frame in frames:
            websocket.put(frame)
        await websocket.ended()

    caplog.clear()
    asyncio.run(fuzz(script))
    assert [record for record in caplog.records if record.exc_info] == []


@fuzzed
@given(st.lists(FRAMES, max_size=5), st.lists(FRAMES, max_size=3))
def test_any_frames_around_an_upgrade_end_in_peace(
    caplog: pytest.LogCaptureFixture, first: list[str | bytes], then: list[str | bytes]
) -> None:
    async def script(socket: AuthXSocket) -> None:
        sid = await Browser(socket).opening()
        websocket = WebSocket(socket, f"&sid={sid}")
        for frame in ("2probe", *first, "5", *then):
            websocket.put(frame)
        await websocket.ended()
        await socket.sio.eio.drop(sid)

    caplog.clear()
    asyncio.run(fuzz(script))
    assert [record for record in caplog.records if record.exc_info] == []


@fuzzed
@given(st.lists(FRAMES, max_size=5) | st.binary(max_size=40), st.binary(max_size=20))
def test_any_payload_and_any_query_end_in_peace(
    caplog: pytest.LogCaptureFixture, payload: list[str | bytes] | bytes, query: bytes
) -> None:
    if isinstance(payload, list):
        told = [
            frame if isinstance(frame, bytes) else frame.encode("utf-8", "surrogatepass") for frame in payload
        ]
        payload = b"\x1e".join(told)
    body = payload

    async def script(socket: AuthXSocket) -> None:
        browser = Browser(socket)
        sid = await browser.opening()
        await browser.request(f"&sid={sid}", body)
        for wish in (query.decode("latin-1"), f"&sid={query.decode('latin-1')}"):
            await browser.request(f"&{wish}")
            await browser.request(f"&{wish}", body)
        for opened in tuple(socket.sio.eio.sockets)[1:]:
            await socket.sio.eio.drop(opened)

    caplog.clear()
    asyncio.run(fuzz(script))
    assert [record for record in caplog.records if record.exc_info] == []
