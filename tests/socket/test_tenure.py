"""The timer of a node; what it is for is in tests/promises/test_the_clock_is_obeyed.py."""

import asyncio
import gc
from typing import Any
from weakref import ref

import pytest
from fastapi import FastAPI

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.auth.identity import Identity
from authx.socket import Connection
from authx.socket.testing import ManualClock, SocketTestClient
from tests.support.logins import KEY
from tests.support.settling import until


def served(**options: Any) -> tuple[FastAPI, ManualClock, AuthXSocket]:
    app, clock = FastAPI(), ManualClock(1000.0)
    auth = AuthX(AuthXConfig(JWT_SECRET_KEY=KEY), clock=clock)
    return app, clock, AuthXSocket(app, auth=auth, **options)


async def test_there_is_one_timer_that_looks_again_after_a_second_at_the_latest() -> None:
    app, _, socket = served()
    loop = asyncio.get_running_loop()
    async with SocketTestClient(app) as client:
        await client.connect("alice", expires_in=900)
        alarm = socket.sio._alarm
        assert alarm is not None
        assert loop.time() < alarm.when() <= loop.time() + 1
        await client.connect("bob", expires_in=800)
        assert socket.sio._alarm is alarm


async def test_a_nearer_mark_is_looked_for_earlier() -> None:
    app, _, socket = served(expiring_before=0)
    loop = asyncio.get_running_loop()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", expires_in=900)
        far = socket.sio._alarm
        bob = await client.connect("bob", expires_in=0.5)
        near = socket.sio._alarm
        assert far is not None
        assert near is not None
        assert far.cancelled()
        assert near.when() <= loop.time() + 0.5
        await bob.hang_up()
        assert socket.sio._alarm is not None
        await alice.hang_up()
        assert socket.sio._alarm is None


async def test_a_clock_that_stands_still_before_a_mark_is_not_looked_at_without_pause() -> None:
    app, clock, socket = served(expiring_before=0)
    async with SocketTestClient(app) as client:
        await client.connect("alice", expires_in=900)
        clock.advance(900 - 1e-6)
        socket.sio._ring()
        alarm = socket.sio._alarm
        assert alarm is not None
        assert alarm.when() >= asyncio.get_running_loop().time() + 0.009


async def test_the_timer_goes_on_whatever_a_look_ends_in() -> None:
    app, _, socket = served()
    async with SocketTestClient(app) as client:
        await client.connect("alice", expires_in=900)
        obey = socket.sio.obey_clock
        socket.sio.obey_clock = None  # type: ignore[method-assign, assignment]
        socket.sio._cancel_alarm()
        with pytest.raises(TypeError):
            socket.sio._ring()
        assert socket.sio._alarm is not None
        socket.sio.obey_clock = obey  # type: ignore[method-assign]


async def test_all_whose_time_is_over_have_left_before_the_first_is_told() -> None:
    app, clock, socket = served()
    seen: list[tuple[str | None, int]] = []

    @socket.on("disconnect")
    async def disconnect(connection: Connection) -> None:
        seen.append((connection.user, len(socket.sio.registry)))

    async with SocketTestClient(app) as client:
        for user in ("alice", "bob", "carol"):
            await client.connect(user, expires_in=100)
        clock.advance(100)
        socket.sio.obey_clock()
        assert not len(socket.sio.registry)
        await until(lambda: len(seen) == 3)
        assert seen == [("alice", 0), ("bob", 0), ("carol", 0)]


async def test_an_app_may_be_started_again() -> None:
    app, clock, socket = served()
    for _ in range(2):
        async with SocketTestClient(app) as client:
            alice = await client.connect("alice", expires_in=100)
            clock.advance(100)
            assert await alice.wait_closed() is not None
            await client.connect("bob", expires_in=100)
        assert socket.sio._alarm is None
        assert len(socket.sio._expiry) == 0


async def test_the_time_that_is_left_is_never_less_than_none() -> None:
    _, clock, socket = served(grace=10)

    assert socket.sio._ttl(Identity(user="alice", expires_at=clock.now)) == 10
    assert socket.sio._ttl(Identity(user="alice", expires_at=clock.now - 60)) == 0
    assert socket.sio._ttl(Identity(user="alice")) is None
    assert socket.sio._ttl(None) is None


def test_a_socket_is_let_go_though_the_apps_callbacks_speak_of_it() -> None:
    def one_that_is_gone() -> ref[Any]:
        auth = AuthX(AuthXConfig(JWT_SECRET_KEY=KEY))
        socket = AuthXSocket(FastAPI(), auth=auth)
        auth.set_token_blocklist(lambda _: socket.unguarded() == [])
        return ref(socket.sio)

    server = one_that_is_gone()
    gc.collect()
    assert server() is None
