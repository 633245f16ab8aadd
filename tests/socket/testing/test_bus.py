"""Nodes in one process: what python-socketio's own managers do over a real bus."""

import asyncio

from fastapi import FastAPI

from authx import AuthXSocket
from authx.socket.testing import InMemoryBus, SocketTestClient
from tests.support.logins import login
from tests.support.tables import filled


def node(bus: InMemoryBus) -> tuple[FastAPI, AuthXSocket]:
    app = FastAPI()
    return app, AuthXSocket(app, auth=login(), client_manager=bus.manager())


async def test_emits_rooms_and_disconnects_cross_nodes() -> None:
    bus = InMemoryBus()
    (one, here), (other, there) = node(bus), node(bus)
    ended: list[str] = []
    there.on("disconnect", lambda sid, reason: ended.append(reason))
    async with SocketTestClient(one) as near, SocketTestClient(other) as far:
        await near.connect("alice")
        bob = await far.connect("bob")
        await here.enter_room(bob.sid, "lobby")
        await near.settle()
        await here.emit("news", {"n": 1}, room="lobby")
        assert (await bob.receive("news")).data == {"n": 1}

        await here.disconnect(bob.sid)
        await near.settle()
        assert ended == ["server disconnect"]
        assert await bob.wait_closed() is None


async def test_a_message_is_not_for_who_published_it_twice() -> None:
    bus = InMemoryBus()
    (one, here), (other, _) = node(bus), node(bus)
    async with SocketTestClient(one) as near, SocketTestClient(other):
        alice = await near.connect("alice")
        await here.everyone().emit("once")
        await alice.receive("once")

        await alice.nothing_received()


async def test_a_node_without_connections_does_not_listen_and_hears_nothing_of_the_past() -> None:
    bus = InMemoryBus()
    (one, here), (other, _) = node(bus), node(bus)
    async with SocketTestClient(one) as near, SocketTestClient(other) as far:
        await near.connect("alice")
        await here.everyone().emit("before")
        await near.settle()
        bob = await far.connect("bob")

        await bob.nothing_received()


async def test_a_node_that_has_ended_keeps_nobody_waiting() -> None:
    bus = InMemoryBus()
    (one, here), (other, there) = node(bus), node(bus)
    async with SocketTestClient(one) as near:
        alice = await near.connect("alice")
        async with SocketTestClient(other) as far:
            await far.connect("bob")
        await here.everyone().emit("after")
        await alice.receive("after")

        await near.settle()
        assert await bus.drain() is False
        assert not filled(there)


async def test_messages_that_nobody_dealt_with_are_waited_for() -> None:
    bus = InMemoryBus()
    _, socket = node(bus)
    manager = bus.manager()
    manager.set_server(socket.sio)
    manager.initialize()
    bus.publish("not json")

    assert await bus.drain() is True
    bus.publish("one more that is on its way when the node ends")
    manager.thread.cancel()
    await asyncio.wait({manager.thread})
    assert await bus.drain() is False
