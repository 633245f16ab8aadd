"""Events in, outcomes out: order, failures, acknowledgements, and too many at once."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from authx import AuthXSocket
from authx.socket import Denial, require_scope
from authx.socket.testing import ClientConnection, SocketTestClient
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled


async def test_without_an_acknowledgement_a_failure_is_an_exception_event() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    socket.on("guarded", require_scope("a")(lambda: None))
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await alice.emit("guarded")

        assert (await alice.receive("exception")).args == (
            {
                "error": {"code": "insufficient_scope", "message": "The token lacks a required scope"},
                "event": "guarded",
            },
        )


@pytest.mark.parametrize("event", ["connect", "disconnect", "connect_error", "exception", "authx:session"])
async def test_a_client_cannot_play_the_protocol(event: str) -> None:
    """python-socketio alone runs the disconnect handler on 42["disconnect"]."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    ran: list[str] = []
    socket.on("connect", lambda sid, environ: ran.append("connect"))
    socket.on("disconnect", lambda sid, reason: ran.append("disconnect"))
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")

        assert (await alice.expect_denied(event, {})).code == "unknown_event"
        assert ran == ["connect"]


async def test_a_catch_all_handler_is_not_told_a_forged_event() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    socket.on("*", lambda event, *rest: [event, list(rest)])
    async with SocketTestClient(app) as client:
        assert await (await client.connect("alice")).call("*", "disconnect") == ["*", ["disconnect"]]


async def test_events_of_a_connection_start_in_order_and_a_slow_one_holds_up_nobody() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    started: list[int] = []
    release = asyncio.Event()

    @socket.on("work")
    async def work(data: int) -> int:
        started.append(data)
        if data == 0:
            await release.wait()
        return data

    async with SocketTestClient(app) as client:
        alice, bob = await client.connect("alice"), await client.connect("bob")
        first = asyncio.create_task(alice.call("work", 0))
        await until(lambda: started == [0])
        for number in range(1, 50):
            await alice.emit("work", number)
        assert await bob.call("work", 100) == 100
        await until(lambda: len(started) == 51)
        release.set()

        assert await first == 0
        assert [number for number in started if number != 100] == list(range(50))


async def test_bytes_travel_both_ways() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    socket.on("echo", lambda data: data)
    async with SocketTestClient(app) as client:
        sent = {"a": b"\x00\xff"}

        assert await (await client.connect("alice")).call("echo", sent) == sent


async def test_many_mistakes_are_told_in_few_words() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    @socket.on("numbers")
    def numbers(data: list[int]) -> None: ...

    async with SocketTestClient(app) as client:
        denial = await (await client.connect("alice")).expect_denied("numbers", ["x"] * 1000)

        assert len(denial.details) == 20


@pytest.mark.parametrize(
    "raised",
    [
        "cancelled",
        "details that can't be told",
        "a value that can't be told",
        "a key that can't be told",
        "not a number",
    ],
)
async def test_a_failure_is_never_silence(raised: str) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    def fail() -> Any:
        match raised:
            case "cancelled":
                raise asyncio.CancelledError
            case "details that can't be told":
                raise Denial("a", details=object())
            case "a value that can't be told":
                return object()
            case "a key that can't be told":
                return {(1, 2): 3}
            case _:
                return float("nan")

    @socket.on("event")
    async def event() -> Any:
        return fail()

    @socket.on("connect", namespace="/never")
    async def connect(sid: str, environ: dict[str, Any]) -> bool:
        fail()
        return False

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        assert (await alice.expect_denied("event")).code == "internal_error"
        assert (await alice.expect_refused("/never")).code
        await client.settle()


async def test_an_event_of_a_connection_that_has_left_is_not_answered() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    @socket.on("bye")
    async def bye(sid: str) -> str:
        await socket.disconnect(sid)
        return "too late"

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        with pytest.raises(ConnectionError, match="ended without the acknowledgement of 'bye'"):
            await alice.call("bye")
        # An answer would be one for a namespace that is not connected, which the client does not take.
        await client.settle()
        await alice.connect("/")


# Acknowledgements of clients -------------------------------------------------------------------------------


async def test_the_server_may_call_a_client() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    @socket.on("ask me")
    async def ask_me(sid: str) -> Any:
        return await socket.call("question", {"n": 1}, to=sid)

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        answer = asyncio.create_task(alice.call("ask me"))
        question = await alice.receive("question")
        await question.acknowledge("answer")

        assert await answer == "answer"


async def test_an_acknowledgement_after_leaving_or_never_asked_for_is_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    answers: list[Any] = []

    @socket.on("ask me")
    async def ask_me(sid: str) -> None:
        await socket.emit("question", to=sid, callback=lambda *values: answers.append(values))

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await alice.call("ask me")
        question = await alice.receive("question")
        for number in (0, 99):
            await alice.transport.send_frames([f'3{number}["forged"]'])
        await question.acknowledge("once")
        await question.acknowledge("twice")
        await alice.call("ask me")
        second = await alice.receive("question")
        await alice.disconnect()
        await second.acknowledge("too late")
        await alice.connect("/")

    assert answers == [("once",)]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_callback_that_fails_is_the_apps_own_affair(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    socket.on("echo", lambda data: data)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await socket.emit("question", to=alice.sid, callback=lambda value: 1 / value)
        question = await alice.receive("question")
        await question.acknowledge(0)
        await client.settle()

        assert await alice.call("echo", 1) == 1
    assert ["failed" in record.getMessage() for record in caplog.records if record.exc_info] == [True]


# Too many at once ------------------------------------------------------------------------------------------


class Desk:
    """Handlers of ``work`` that say when they start, and end when they are let."""

    def __init__(self, socket: AuthXSocket) -> None:
        self.started: list[int] = []
        self.release = asyncio.Event()
        socket.on("work", self.work)

    async def work(self, number: int) -> int:
        self.started.append(number)
        if number >= 0:
            await self.release.wait()
        return number


async def pushed_back(alice: ClientConnection) -> tuple[asyncio.Task[None], int]:
    """Send work until it is not taken any more; give the sending that waits, and its number."""
    for number in range(100):
        sending = asyncio.create_task(alice.emit("work", number))
        # Each turn of the loop moves the transport on by a step or two.
        for _ in range(20):
            await asyncio.sleep(0)
        if not sending.done():
            return sending, number
    raise AssertionError("never pushed back")


async def test_events_in_flight_are_bounded_and_the_bound_pushes_back_on_one_transport_only() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_in_flight=2)
    desk = Desk(socket)
    socket.on("work", desk.work, "/other")
    async with SocketTestClient(app) as client:
        alice, phone = await client.connect("alice"), await client.connect("alice")
        sending, last = await pushed_back(alice)
        assert desk.started == [0, 1]
        # Two run, four times as many wait, and one is in the hands of the reader.
        assert last == 2 + 8

        assert await phone.call("work", -1) == -1
        desk.release.set()
        await sending
        await client.settle()

        assert desk.started == [0, 1, -1, *range(2, last + 1)]


async def test_an_acknowledgement_finds_the_handler_that_waits_for_it_though_the_bound_is_reached() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_in_flight=2)

    @socket.on("ask me")
    async def ask_me(number: int, sid: str) -> Any:
        return await socket.call("question", number, to=sid)

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        calls = [asyncio.create_task(alice.call("ask me", number)) for number in range(10)]
        for number in range(10):
            question = await alice.receive("question")
            assert question.data == number
            await question.acknowledge(number * 2)

        assert await asyncio.gather(*calls) == [number * 2 for number in range(10)]


async def test_one_connection_that_is_pushed_back_holds_up_its_device_and_no_other() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_in_flight=1)
    desk = Desk(socket)
    socket.on("work", desk.work, "/other")
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        other = await alice.connect("/other")
        bob = await client.connect("bob")
        sending, _ = await pushed_back(alice)
        behind = asyncio.create_task(other.call("work", -1))
        assert await bob.call("work", -2) == -2
        assert desk.started == [0, -2]
        assert not behind.done()
        desk.release.set()

        assert await behind == -1
        await sending


@pytest.mark.parametrize("way", ["disconnected", "dropped"])
async def test_what_waits_when_a_connection_ends_never_starts(way: str) -> None:
    """A user who was thrown out acts no more, whatever had been read already."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_in_flight=1)
    desk = Desk(socket)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        sending, _ = await pushed_back(alice)
        if way == "disconnected":
            await socket.to_user("alice").disconnect(code="token_revoked")
        else:
            [transport] = socket.sio.eio.sockets
            await socket.sio.eio.drop(transport)
        await alice.wait_closed()
        # The reader has let go of what it had in its hands.
        await asyncio.wait({sending})
        desk.release.set()
        await client.settle()

        assert desk.started == [0]
    assert not filled(socket)


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_in_flight"):
        AuthXSocket(FastAPI(), max_in_flight=0)


async def test_over_polling_it_is_the_request_that_waits() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_in_flight=1)
    desk = Desk(socket)
    async with serving(app) as url, wire.polling(url) as alice, wire.polling(url) as bob:
        for client, user in ((alice, "alice"), (bob, "bob")):
            await client.connect({"token": auth.create_access_token(user)})
        for number in range(5):
            await alice.emit("work", number, ack=False)
        sending = asyncio.create_task(alice.emit("work", 5, ack=False))
        assert await bob.emit("work", -1) == [-1]
        assert not sending.done()
        assert desk.started == [0, -1]
        desk.release.set()
        await sending
        await until(lambda: desk.started == [0, -1, 1, 2, 3, 4, 5])
