"""What a client of a test does with a connection, against a real server."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from authx import AuthXSocket
from authx.socket import CurrentIdentity, Denial, require_scope
from authx.socket.testing import SocketTestClient
from tests.support.logins import login


@pytest.fixture
def socket() -> AuthXSocket:
    socket = AuthXSocket(FastAPI(), auth=login())

    @socket.on("echo")
    async def echo(*args: Any) -> tuple[Any, ...]:
        return args

    @socket.on("guarded")
    @require_scope("a")
    async def guarded() -> str:
        return "let in"

    @socket.on("tell")
    async def tell(user: str, *args: Any) -> None:
        await socket.to_user(user).emit("told", *args)

    socket.on("where", lambda: "here", "/other")
    return socket


def app_of(socket: AuthXSocket) -> FastAPI:
    """Return an app that serves `socket`."""
    app = FastAPI()
    socket.attach(app, "served")
    return app


async def test_an_answer_is_none_a_value_or_several(socket: AuthXSocket) -> None:
    async with SocketTestClient(app_of(socket), path="/served") as client:
        alice = await client.connect("alice")

        assert [await alice.call("echo"), await alice.call("echo", 1)] == [None, 1]
        assert await alice.call("echo", b"\x00", {"a": [1]}) == (b"\x00", {"a": [1]})
        assert await alice.call("echo", {"error": "of the app"}) == {"error": "of the app"}


async def test_a_denial_is_raised_or_expected(socket: AuthXSocket) -> None:
    async with SocketTestClient(app_of(socket), path="/served") as client:
        alice, bob = await client.connect("alice"), await client.connect("bob", scopes=["a"])
        with pytest.raises(Denial, match="insufficient_scope"):
            await alice.call("guarded")
        denial = await alice.expect_denied("tell")
        assert (denial.code, denial.details[0]["loc"]) == ("validation_error", ["user"])
        with pytest.raises(AssertionError, match="'guarded' was let through, and acknowledged with 'let in'"):
            await bob.expect_denied("guarded")

        await alice.emit("guarded")
        assert (await alice.receive("exception")).data["event"] == "guarded"


async def test_events_come_and_silence_is_proved(socket: AuthXSocket) -> None:
    async with SocketTestClient(app_of(socket), path="/served") as client:
        alice, bob = await client.connect("alice"), await client.connect("bob")
        await alice.emit("tell", "carol", 1)
        await bob.nothing_received()
        await alice.emit("tell", "bob", 1)
        await bob.nothing_received("something else")
        with pytest.raises(AssertionError, match="received"):
            await bob.nothing_received()

        assert (await bob.receive()).args == (1,)
        await bob.nothing_received()
        assert [event.name for event in bob.received()] == ["told"]
        assert bob.received("something else") == []


async def test_what_is_on_its_way_is_no_silence(socket: AuthXSocket) -> None:
    async with SocketTestClient(app_of(socket), path="/served") as client:
        alice = await client.connect("alice")
        await socket.everyone().emit("told")
        with pytest.raises(AssertionError, match="told"):
            await alice.nothing_received()


async def test_silence_is_not_proved_while_a_handler_runs(socket: AuthXSocket) -> None:
    release = asyncio.Event()

    @socket.on("slow")
    async def slow() -> None:
        await release.wait()

    async with SocketTestClient(app_of(socket), path="/served", timeout=0.05) as client:
        alice = await client.connect("alice")
        await alice.emit("slow")
        with pytest.raises(TimeoutError, match="a handler has not ended"):
            await alice.nothing_received()
        with pytest.raises(TimeoutError, match="the event 'never' did not come"):
            await alice.receive("never")
        with pytest.raises(TimeoutError, match="the acknowledgement of 'slow'"):
            await alice.call("slow", timeout=0)
        release.set()
        await alice.nothing_received()


async def test_one_device_has_several_namespaces(socket: AuthXSocket) -> None:
    async with SocketTestClient(app_of(socket), path="/served") as client:
        alice = await client.connect("alice")
        other = await alice.connect("/other")

        assert (other.user, other.namespace, await other.call("where")) == ("alice", "/other", "here")
        assert other.sid != alice.sid
        assert (await alice.expect_refused("/nowhere")).message == "Invalid namespace"
        assert (await alice.expect_refused("/other")).code == "too_many_connections"
        await other.disconnect()
        assert (alice.is_connected, other.is_connected) == (True, False)
        as_bob = await alice.connect("/other", auth={"token": client.token("bob")})
        assert as_bob.user == "bob"
        with pytest.raises(AssertionError, match="was let in"):
            await (await client.connect("alice")).expect_refused("/other")


@pytest.mark.parametrize("way", ["disconnect", "hang_up"])
async def test_when_a_client_has_left_the_app_has_been_told(socket: AuthXSocket, way: str) -> None:
    left: list[str] = []

    @socket.on("disconnect")
    async def disconnect(me: CurrentIdentity) -> None:
        await asyncio.sleep(0)
        left.append(me.user)

    async with SocketTestClient(app_of(socket), path="/served") as client:
        alice = await client.connect("alice")
        await getattr(alice, way)()

        assert left == ["alice"]
        assert not alice.is_connected
        for attempt in (
            alice.emit("echo"),
            alice.call("echo"),
            alice.receive(),
            alice.disconnect(),
        ):
            with pytest.raises(ConnectionError):
                await attempt
        await alice.nothing_received()


async def test_the_end_that_the_server_makes_is_waited_for(socket: AuthXSocket) -> None:
    async with SocketTestClient(app_of(socket), path="/served", timeout=0.05) as client:
        alice, bob = await client.connect("alice"), await client.connect("bob")
        with pytest.raises(TimeoutError, match="the end of the connection"):
            await alice.wait_closed()
        await socket.disconnect(alice.sid)
        await socket.to_user("bob").disconnect(code="kicked")

        assert await alice.wait_closed() is None
        closing = await bob.wait_closed()
        assert closing is not None
        assert closing.code == "kicked"
