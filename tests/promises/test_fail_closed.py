"""Promise 2: whatever goes wrong while connecting is a refusal with a code, and leaves nothing behind."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import socketio
from fastapi import FastAPI

from authx import AuthXSocket
from authx.auth.exceptions import RateLimitExceeded
from authx.socket import CurrentIdentity, Denial, Refusal, require_role
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled, tables
from tests.support.wire import Opener, Packet, PacketType

opened = pytest.mark.parametrize("opened", wire.OPENERS)


def fails(error: Callable[[], Exception]) -> Callable[..., Any]:
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        raise error()

    return connect


def refuses_by_false(sid: str, environ: dict[str, Any]) -> bool:
    return False


def fails_late(sid: str, environ: dict[str, Any], me: CurrentIdentity) -> None:
    return 1 / 0  # type: ignore[return-value]


REFUSALS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "false": (
        refuses_by_false,
        {"message": "Connection refused", "data": {"code": "policy_denied", "retry": False}},
    ),
    "a bug": (
        fails_late,
        {"message": "Something went wrong", "data": {"code": "internal_error", "retry": True}},
    ),
    "a bug in a coroutine": (
        fails(lambda: RuntimeError("password is hunter2")),
        {"message": "Something went wrong", "data": {"code": "internal_error", "retry": True}},
    ),
    "the app's own time-out": (
        fails(lambda: TimeoutError("database")),
        {"message": "Something went wrong", "data": {"code": "internal_error", "retry": True}},
    ),
    "a refusal": (
        fails(lambda: Refusal("banned", "Go away", details={"until": 2030})),
        {"message": "Go away", "data": {"code": "banned", "retry": False, "details": {"until": 2030}}},
    ),
    "a denial": (
        fails(lambda: Denial("insufficient_scope")),
        {
            "message": "The token lacks a required scope",
            "data": {"code": "insufficient_scope", "retry": False},
        },
    ),
    "a guard": (
        require_role("admin")(lambda sid: None),
        {"message": "The user lacks a required role", "data": {"code": "insufficient_role", "retry": False}},
    ),
    "an error of the login side": (
        fails(lambda: RateLimitExceeded(3)),
        {
            "message": "Too many requests",
            "data": {"code": "rate_limited", "retry": True, "details": {"retry_after": 3}},
        },
    ),
    "python-socketio's refusal": (
        fails(socketio.exceptions.ConnectionRefusedError),
        {"message": "Connection rejected by server", "data": {"code": "policy_denied", "retry": False}},
    ),
    "python-socketio's refusal with words": (
        fails(lambda: socketio.exceptions.ConnectionRefusedError("no seats", {"seats": 0})),
        {"message": "no seats", "data": {"code": "policy_denied", "retry": False, "seats": 0}},
    ),
    "python-socketio's refusal with a value": (
        fails(lambda: socketio.exceptions.ConnectionRefusedError("no seats", 42)),
        {"message": "no seats", "data": 42},
    ),
    "a store that refused the app": (
        fails(lambda: ConnectionRefusedError(111, "database")),
        {"message": "Something went wrong", "data": {"code": "internal_error", "retry": True}},
    ),
    "Python's refusal": (
        fails(ConnectionRefusedError),
        {"message": "Connection refused", "data": {"code": "policy_denied", "retry": False}},
    ),
}


@opened
@pytest.mark.parametrize("case", REFUSALS)
async def test_an_exception_anywhere_in_connecting_is_a_coded_refusal(opened: Opener, case: str) -> None:
    handler, body = REFUSALS[case]
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    left: list[str] = []
    socket.on("connect", handler)
    socket.on("disconnect", left.append)
    async with serving(app) as url:
        async with opened(url) as client:
            answer = await client.connect({"token": auth.create_access_token("alice")})

            assert (answer.type, answer.data) == (PacketType.CONNECT_ERROR, body)
            state = tables(socket)
            assert (state["connections"], state["arrivals"], state["rooms"]) == ([], {}, {})
        await until(lambda: not filled(socket))
    assert left == []


@opened
async def test_a_store_that_is_down_is_a_refusal_that_says_so(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @auth.set_token_blocklist
    async def broken(token: str) -> bool:
        raise ConnectionError("redis is down")

    token = auth.create_access_token("alice")
    async with serving(app) as url:
        async with opened(url) as client:
            answer = await client.connect({"token": token})

            assert answer.data["data"] == {"code": "store_unavailable", "retry": True}
        await until(lambda: not filled(socket))
    assert "redis is down" in caplog.text
    assert token not in caplog.text


async def test_no_token_reaches_a_log_however_much_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """python-engineio and python-socketio log what they read and write at INFO, CONNECT payloads included."""
    for name in ("", "authx.socket.engine", "authx.socket.server"):
        caplog.set_level(logging.DEBUG, logger=name)
    app, auth = FastAPI(), login("headers", "cookies", "query")
    AuthXSocket(app, auth=auth, logger=True, engineio_logger=True)
    token, key = auth.create_access_token("alice"), ""
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"access_token_cookie={token}"}
    async with serving(app) as url:
        for opened in wire.OPENERS:
            async with opened(url, headers=headers) as client:
                assert (await client.connect({"token": token})).type is PacketType.CONNECT
                key = (await client.receive_event("authx:session")).args[0]["key"]
            async with opened(url) as client:
                assert (await client.connect({"token": f"{token}x"})).type is PacketType.CONNECT_ERROR
    ours = [record for record in caplog.records if record.name.startswith(("authx", "engineio", "socketio"))]
    assert ours
    assert key
    for record in ours:
        text = record.getMessage() + str(record.exc_text or "")
        assert token not in text
        assert key not in text


@opened
async def test_a_transport_that_never_connects_is_closed(opened: Opener) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), connect_timeout=0.2)
    async with serving(app) as url, opened(url) as client:
        await client.wait_closed()
        await until(lambda: not filled(socket))


@opened
async def test_a_refused_transport_is_closed_in_time_too(opened: Opener) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), connect_timeout=0.2)
    async with serving(app) as url, opened(url) as client:
        assert (await client.connect({"token": "garbage"})).type is PacketType.CONNECT_ERROR
        await client.wait_closed()
        await until(lambda: not filled(socket))


@opened
async def test_connecting_that_takes_too_long_is_a_refusal_and_the_end(opened: Opener) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, connect_timeout=0.2)
    stopped = asyncio.Event()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with serving(app) as url, opened(url) as client:
        answer = await client.connect({"token": auth.create_access_token("alice")})

        assert answer.data["data"] == {"code": "connect_timeout", "retry": True}
        await client.wait_closed()
        await asyncio.wait_for(stopped.wait(), 5)
        await until(lambda: not filled(socket))


@opened
async def test_a_thread_that_outlasts_the_time_out_lets_nobody_in(opened: Opener) -> None:
    """A thread can't be cancelled: whatever it says when it ends, it says too late."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, connect_timeout=0.2)
    release = threading.Event()

    @socket.on("connect")
    def connect(sid: str, environ: dict[str, Any]) -> bool:
        return release.wait(10)

    async with serving(app) as url, opened(url) as client:
        answer = await client.connect({"token": auth.create_access_token("alice")})

        assert answer.data["data"]["code"] == "connect_timeout"
        await client.wait_closed()
        release.set()
        await until(lambda: not filled(socket))
        assert [packet.type for packet in client.packets] == [PacketType.CONNECT_ERROR]


async def test_an_admitted_connection_is_not_closed_by_the_time_out() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, connect_timeout=0.2)
    socket.on("echo", lambda data: data)
    async with serving(app) as url, wire.websocket(url) as client, wire.websocket(url) as idle:
        await client.connect({"token": auth.create_access_token("alice")})
        await idle.wait_closed()
        assert await client.emit("echo", 1) == [1]


async def test_a_transport_whose_last_connection_left_has_the_same_time_as_a_new_one() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, connect_timeout=0.2)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect({"token": auth.create_access_token("alice")})
        await client.disconnect()
        await client.wait_closed()
        await until(lambda: not filled(socket))


async def test_a_hostile_client_that_does_not_answer_the_close_is_cut_off() -> None:
    """A websocket that reads nothing and sends nothing is gone from every table in time."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), connect_timeout=0.2)
    async with serving(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        await until(lambda: not filled(socket))
        writer.close()


@opened
async def test_a_client_that_goes_away_while_connecting_is_forgotten_at_once(opened: Opener) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    stopped = asyncio.Event()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with serving(app) as url:
        async with opened(url) as client:
            await client.send(Packet(PacketType.CONNECT, data={"token": auth.create_access_token("alice")}))
            await until(lambda: socket.sio._arrivals)
        await asyncio.wait_for(stopped.wait(), 5)
        await until(lambda: not filled(socket))


@opened
async def test_a_client_may_leave_while_it_is_being_let_in(opened: Opener) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    entered, stopped = asyncio.Event(), asyncio.Event()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with serving(app) as url, opened(url) as client:
        await client.send(Packet(PacketType.CONNECT, data={"token": auth.create_access_token("alice")}))
        await asyncio.wait_for(entered.wait(), 5)
        await client.disconnect()
        await asyncio.wait_for(stopped.wait(), 5)
        await until(lambda: not socket.sio._arrivals and not socket.sio._tasks)
        assert client.packets == []


HOSTILE_FRAMES: dict[str, str | bytes] = {
    "no json": '40{"token"',
    "deep json": "40" + "[" * 100_000,
    "an event without name": "42[]",
    "an event that is no list": '42{"a":1}',
    "an event with a number for a name": "42[1]",
    "an empty packet": "4",
    "an unknown type": "49",
    "a connect error": '44{"message":"no"}',
    "an ack without id": "43[]",
    "an ack that is no list": '431{"a":1}',
    "an id without end": "42" + "1" * 200 + '["a"]',
    "an attachment before the door": '451-["a",{"_placeholder":true,"num":0}]',
    "too many attachments": '4599999999999-["a"]',
    "bytes out of the blue": b"\x00\x01",
}


@pytest.mark.parametrize("case", HOSTILE_FRAMES)
async def test_a_packet_that_cannot_be_read_closes_its_transport_alone_without_a_traceback(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    socket.on("echo", lambda data: data)
    async with serving(app) as url, wire.websocket(url) as bystander:
        await bystander.connect({"token": auth.create_access_token("alice")})
        async with wire.websocket(url) as hostile:
            await hostile.send_frame(HOSTILE_FRAMES[case])
            await hostile.wait_closed()
        await until(lambda: len(socket.sio._devices) == 1)

        assert await bystander.emit("echo", 1) == [1]
        assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    "auth_payload", ["token", ["token"], True, {"token": 7}, {"token": {}}, {"token": ""}]
)
async def test_a_payload_of_the_wrong_shape_is_a_coded_refusal(auth_payload: Any) -> None:
    app = FastAPI()
    AuthXSocket(app, auth=login(), allow_anonymous=True)
    async with serving(app) as url, wire.websocket(url) as client:
        answer = await client.connect(auth_payload)

        assert answer.type is PacketType.CONNECT_ERROR
        assert answer.data["data"]["code"] in {"validation_error", "invalid_token"}
