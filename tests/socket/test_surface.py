"""What apps call on the server: emits, audiences, rooms and sessions of a sid."""

import asyncio
import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pytest
import socketio
from fastapi import FastAPI
from pydantic import BaseModel, Field

from authx import AuthXSocket
from authx.socket import CurrentIdentity, Refusal, ReservedNameError, packets
from authx.socket.testing import InMemoryBus, SocketTestClient
from tests.support.logins import login
from tests.support.settling import until
from tests.support.tables import filled


class Model(BaseModel):
    name: str = Field(serialization_alias="called")


@dataclass
class Record:
    number: int


def node(bus: InMemoryBus | None = None) -> tuple[FastAPI, AuthXSocket]:
    """Return an app with a socket, on a bus of its own or on one with others."""
    app = FastAPI()
    return app, AuthXSocket(app, auth=login(), client_manager=None if bus is None else bus.manager())


# Audiences -----------------------------------------------------------------------------------------------


async def test_users_roles_sessions_rooms_and_everyone_are_audiences() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", roles=["admin", "staff"], session="s1")
        bob = await client.connect("bob", roles=["staff"], session="s2")
        await socket.enter_room(bob.sid, "lobby")
        reached = {
            "user": await socket.to_user("alice", "nobody").emit("user"),
            "role": await socket.to_role("admin", "staff").emit("role"),
            "session": await socket.to_session("s2").emit("session"),
            "room": await socket.to_room("lobby", alice.sid, "nowhere").emit("room"),
            "everyone": await socket.everyone().emit("everyone"),
            "nobody": await socket.to_user("carol").emit("nobody"),
            "elsewhere": await socket.everyone().in_namespace("/x").emit("elsewhere"),
        }
        for connection in (alice, bob):
            await connection.receive("everyone")

        assert {name: (d.devices, d.nodes, d.complete) for name, d in reached.items()} == {
            "user": (1, 1, True),
            "role": (2, 1, True),
            "session": (1, 1, True),
            "room": (2, 1, True),
            "everyone": (2, 1, True),
            "nobody": (0, 0, True),
            "elsewhere": (0, 0, True),
        }
        assert [event.name for event in alice.received()] == ["user", "role", "room", "everyone"]
        assert [event.name for event in bob.received()] == ["role", "session", "room", "everyone"]


async def test_an_audience_is_narrowed_by_sid_and_by_user() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        phone, laptop = await client.connect("alice"), await client.connect("alice")
        bob, carol = await client.connect("bob"), await client.connect("carol")
        everyone = socket.everyone()
        deliveries = [
            await everyone.except_sid(phone.sid).except_user("bob").emit("a"),
            await socket.to_user("alice", "bob").except_user("alice").emit("b"),
            await socket.to_user("alice").except_user("alice").emit("c"),
            await everyone.except_user("alice", "bob", "carol").emit("d"),
        ]
        for connection in (phone, laptop, bob, carol):
            await socket.emit("end", to=connection.sid)
            await connection.receive("end")

        assert [delivery.devices for delivery in deliveries] == [2, 1, 0, 0]
        names = [[event.name for event in one.received()] for one in (phone, laptop, bob, carol)]
        assert names == [["end"], ["a", "end"], ["b", "end"], ["a", "end"]]


async def test_a_device_in_several_namespaces_is_reached_where_it_is_asked_for() -> None:
    app, socket = node()
    socket.on("x", lambda: None, "/admin")
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", namespace="/admin")
        assert (await socket.to_user("alice").emit("note")).devices == 0
        assert (await socket.to_user("alice").in_namespace("/admin").emit("note")).devices == 1

        await alice.receive("note")


async def test_the_connections_of_a_user_are_listed_oldest_first() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        phone = await client.connect("alice", headers={"User-Agent": "Phone"}, address="10.0.0.1")
        laptop = await client.connect("alice", headers={"User-Agent": "Laptop"}, address="10.0.0.2")
        alice = socket.to_user("alice")

        found = await alice.connections()

        assert [info.user_agent for info in found] == ["Phone", "Laptop"]
        assert [info.address for info in found] == ["10.0.0.1", "10.0.0.2"]
        assert len({info.device for info in found}) == 2
        assert [info.sid for info in await alice.except_sid(phone.sid).connections()] == [laptop.sid]
        assert await socket.everyone().except_user("alice").connections() == []
        await laptop.hang_up()
        assert [info.user_agent for info in await alice.connections()] == ["Phone"]


async def test_models_dataclasses_and_bytes_are_emitted_as_they_are() -> None:
    app, socket = node()
    said = {"model": Model(name="m"), "list": [Record(1)]}
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await socket.to_user("alice").emit("audience", Model(name="m"), Record(1), b"\x00", None)
        await socket.to_user("alice").emit("one", None)
        await socket.to_user("alice").emit("list", [Record(1), Record(2)])
        await socket.emit("plain", said, to=alice.sid)
        await socket.emit("several", (Model(name="m"), Record(1)), to=alice.sid)
        await socket.send(Record(2), to=alice.sid)

        await alice.receive("message")
        assert [event.args for event in alice.received()] == [
            ({"called": "m"}, {"number": 1}, b"\x00", None),
            (None,),
            ([{"number": 1}, {"number": 2}],),
            ({"model": {"called": "m"}, "list": [{"number": 1}]},),
            ({"called": "m"}, {"number": 1}),
            ({"number": 2},),
        ]


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize("encode", [packets.encode, packets._encode], ids=["as installed", "without orjson"])
async def test_what_may_be_told_is_not_for_the_encoder_to_say(
    encode: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "encode", encode)
    app, socket = node()
    value = {"c": Colour.RED, "u": UUID(int=1), "d": date(2020, 1, 1), "r": Record(1)}
    said = {"c": "red", "u": str(UUID(int=1)), "d": "2020-01-01", "r": {"number": 1}}
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await socket.emit("emitted", value)
        await socket.to_user("alice").emit("audience", value, b"x")
        for sent in (value, {**value, "b": b"x"}):
            await socket.sio.manager.emit("by the manager", sent, namespace="/")
        await alice.receive("by the manager")
        assert [event.args for event in alice.received()] == [
            (said,),
            (said, b"x"),
            (said,),
            ({**said, "b": b"x"},),
        ]
        with pytest.raises(TypeError):
            await socket.emit("no name", {Colour.RED: 1})


@pytest.mark.parametrize("value", [object(), float("nan")])
async def test_what_cannot_be_told_is_an_error_of_whoever_emits_it(value: Any) -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        for attempt in (
            socket.to_user("alice").emit("a", value),
            socket.to_user("alice").call("a", value),
            socket.emit("a", value),
            socket.emit("a", value, to=alice.sid, callback=print),
        ):
            with pytest.raises((TypeError, ValueError)):
                await attempt

        await alice.nothing_received()
        assert len(socket.sio.questions) == 0


# Calls ---------------------------------------------------------------------------------------------------


async def test_a_call_gathers_one_reply_of_each_connection() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        phone, laptop = await client.connect("alice"), await client.connect("alice")
        bob = await client.connect("bob")
        calling = asyncio.create_task(socket.everyone().call("ready?", Model(name="m")))
        for connection, values in ((laptop, ()), (phone, ("yes", 1))):
            question = await connection.receive("ready?")
            assert question.data == {"called": "m"}
            await question.acknowledge(*values)
        await bob.receive("ready?")
        await bob.hang_up()

        replies = await calling

        devices = [info.device for info in await socket.to_user("alice").connections()]
        assert [(reply.sid, reply.user, reply.outcome, reply.values) for reply in replies] == [
            (phone.sid, "alice", "answered", ("yes", 1)),
            (laptop.sid, "alice", "answered", ()),
            (bob.sid, "bob", "left", ()),
        ]
        assert [reply.device for reply in replies[:2]] == devices


async def test_a_late_acknowledgement_is_ignored_and_a_call_leaves_nothing_behind() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        [reply] = await socket.to_user("alice").call("first", timeout=0)
        late = await alice.receive("first")
        calling = asyncio.create_task(socket.to_user("alice").call("second"))
        question = await alice.receive("second")
        await late.acknowledge("too late")
        await question.acknowledge("in time")

        assert reply.outcome == "timeout"
        assert [answer.values for answer in await calling] == [("in time",)]
        # The counter of python-socketio stays, or a late answer would pass for that of a later question.
        assert [list(kept) for kept in socket.sio.manager.callbacks.values()] == [[0]]
        assert len(socket.sio.questions) == 0
    assert not filled(socket)


async def test_a_call_that_is_cancelled_leaves_nothing_behind() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        calling = asyncio.create_task(socket.to_user("alice").call("question"))
        await alice.receive("question")
        calling.cancel()
        await asyncio.wait({calling})

        assert [list(kept) for kept in socket.sio.manager.callbacks.values()] == [[0]]
        assert len(socket.sio.questions) == 0


async def test_a_call_to_nobody_is_answered_by_nobody() -> None:
    app, socket = node()
    async with SocketTestClient(app):
        assert await socket.to_user("nobody").call("question") == []
        assert await socket.everyone().call("question") == []
        assert await socket.to_user("alice").except_user("alice").call("question") == []


@pytest.mark.parametrize(("values", "answer"), [((), None), ((1,), 1), ((1, 2), (1, 2)), (([],), [])])
async def test_the_old_call_of_one_sid_gives_what_it_always_gave(values: Any, answer: Any) -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        calling = asyncio.create_task(socket.call("question", ("a", Model(name="m")), to=alice.sid))
        question = await alice.receive("question")
        assert question.args == ("a", {"called": "m"})
        await question.acknowledge(*values)

        assert await calling == answer


async def test_nobody_can_tell_by_the_numbers_how_often_others_are_asked() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice, bob = await client.connect("alice"), await client.connect("bob")
        for asked in (alice, bob):
            await socket.emit("question", to=asked.sid, callback=print)
        assert [list(kept) for kept in socket.sio.manager.callbacks.values()] == [[0, 1], [0, 1]]


async def test_the_old_call_ends_with_the_connection_and_leaves_nothing_behind() -> None:
    """python-socketio waits to the end of the time, and keeps the callback for as long as the connection."""
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        with pytest.raises(socketio.exceptions.TimeoutError):
            await socket.call("question", to=alice.sid, timeout=0)
        assert [list(kept) for kept in socket.sio.manager.callbacks.values()] == [[0]]
        calling = asyncio.create_task(socket.call("question", sid=alice.sid))
        await alice.receive("question")
        await alice.receive("question")
        await alice.hang_up()
        with pytest.raises(socketio.exceptions.TimeoutError):
            await calling


async def test_the_old_call_goes_to_one_sid_and_has_no_name_of_the_library() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        with pytest.raises(ValueError, match="broadcast"):
            await socket.call("question")
        for sid in (alice.sid, "elsewhere"):
            with pytest.raises(ReservedNameError):
                await socket.call("authx:session", to=sid)

        await alice.nothing_received()


# Disconnecting an audience -------------------------------------------------------------------------------


async def test_a_disconnected_audience_is_told_why_and_the_disconnect_handlers_have_run() -> None:
    app, socket = node()
    ended: list[str] = []

    @socket.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        await asyncio.sleep(0)
        ended.append(reason)

    async with SocketTestClient(app) as client:
        phone, laptop = await client.connect("alice"), await client.connect("alice")
        bob = await client.connect("bob")

        count = await socket.to_user("alice").disconnect(code="kicked", message="Out you go", retry=True)

        assert (count, ended) == (2, ["server disconnect"] * 2)
        for connection in (phone, laptop):
            closing = await connection.wait_closed()
            assert closing is not None
            assert (closing.code, closing.message, closing.retry) == ("kicked", "Out you go", True)
        assert bob.is_connected
        assert await socket.to_user("alice").disconnect(code="token_revoked") == 0
        # The transport is still there for another login.
        with pytest.raises(ConnectionError):
            await phone.emit("event")
        again = await phone.connect("/", auth={"token": client.token("carol")})
        assert again.user == "carol"


async def test_nothing_comes_after_the_last_word() -> None:
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")

        @socket.on("disconnect")
        async def disconnect(sid: str) -> None:
            await socket.emit("late", to=sid)
            await socket.everyone().emit("late")

        await socket.everyone().disconnect(code="server_shutdown", retry=True)
        closing = await alice.wait_closed()
        await alice.nothing_received()

        assert closing is not None
        assert (closing.message, closing.retry) == ("The server is going away", True)


async def test_a_handler_may_disconnect_its_own_user() -> None:
    app, socket = node()

    @socket.on("end it all")
    async def end_it_all(me: CurrentIdentity) -> None:
        await socket.to_user(me.user).disconnect(code="bye")

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await alice.emit("end it all")

        closing = await alice.wait_closed()
        assert closing is not None
        assert (closing.code, closing.retry) == ("bye", False)
        await client.settle()


# Several nodes -------------------------------------------------------------------------------------------


async def test_an_emit_crosses_nodes_and_says_that_it_does_not_know_how_far() -> None:
    bus = InMemoryBus()
    (one, here), (other, there) = node(bus), node(bus)
    async with SocketTestClient(one) as near, SocketTestClient(other) as far:
        alice, bob = await near.connect("alice"), await far.connect("bob")
        carol = await far.connect("carol")
        await there.enter_room(carol.sid, "lobby")

        delivery = await here.to_user("alice", "bob").emit("a", {"n": 1})
        assert (delivery.devices, delivery.nodes, delivery.complete) == (1, 1, False)
        await here.to_room("lobby").emit("b", [1])
        await here.everyone().except_sid(bob.sid).emit("c")
        await here.to_user("bob", "carol").except_user("carol").emit("d")
        nobody = await here.to_user("carol").except_user("carol").emit("d")
        assert (nobody.devices, nobody.complete) == (0, True)

        await bob.receive("d")
        await carol.receive("c")
        await carol.nothing_received("d")
        assert [(event.name, event.args) for event in alice.received()] == [("a", ({"n": 1},)), ("c", ())]
        assert [event.name for event in bob.received()] == ["a", "d"]
        assert [(event.name, event.args) for event in carol.received()] == [("b", ([1],)), ("c", ())]


async def test_users_that_other_nodes_cannot_leave_out_are_not_written_to_instead() -> None:
    bus = InMemoryBus()
    (one, here), (other, _) = node(bus), node(bus)
    async with SocketTestClient(one), SocketTestClient(other) as far:
        bob = await far.connect("bob", roles=["staff"])
        for audience in (here.everyone(), here.to_role("staff"), here.to_room("lobby"), here.to_room(7)):  # type: ignore[arg-type]
            with pytest.raises(NotImplementedError, match="other nodes"):
                await audience.except_user("bob").emit("private")

        await bob.nothing_received()


async def test_calls_disconnects_and_lists_are_of_this_node() -> None:
    bus = InMemoryBus()
    (one, here), (other, _) = node(bus), node(bus)
    async with SocketTestClient(one) as near, SocketTestClient(other) as far:
        phone, laptop = await near.connect("alice"), await far.connect("alice")
        alice = here.to_user("alice")

        assert [info.sid for info in await alice.connections()] == [phone.sid]
        assert [reply.sid for reply in await alice.call("question", timeout=0)] == [phone.sid]
        assert await alice.disconnect(code="bye") == 1
        await laptop.nothing_received()
        assert laptop.is_connected
        assert [list(kept) for kept in here.sio.manager.callbacks.values()] == []


async def test_those_left_out_are_left_out_on_every_node() -> None:
    bus = InMemoryBus()
    (one, here), (other, _) = node(bus), node(bus)
    async with SocketTestClient(one) as near, SocketTestClient(other) as far:
        alice, bob, carol = await near.connect("alice"), await far.connect("bob"), await far.connect("carol")
        for left_out in ({alice.sid, bob.sid}, frozenset({alice.sid, bob.sid}), (alice.sid, bob.sid)):
            await here.emit("news", skip_sid=left_out)
            await carol.receive("news")

        await alice.nothing_received()
        await bob.nothing_received()


async def test_the_old_call_of_a_sid_of_another_node_leaves_nothing_behind() -> None:
    bus = InMemoryBus()
    (one, here), (other, _) = node(bus), node(bus)
    async with SocketTestClient(one) as near, SocketTestClient(other) as far:
        await near.connect("alice")
        bob = await far.connect("bob")
        with pytest.raises(socketio.exceptions.TimeoutError):
            await here.call("late", to=bob.sid, timeout=0)
        assert here.sio.manager.callbacks == {}

        late = await bob.receive("late")
        calling = asyncio.create_task(here.call("question", to=bob.sid))
        question = await bob.receive("question")
        # The answer to one question is not taken for that to another.
        await late.acknowledge("too late")
        await question.acknowledge("in time", 1)
        assert await calling == ("in time", 1)
        assert here.sio.manager.callbacks == {}


async def test_an_answer_from_another_node_leaves_nothing_behind() -> None:
    bus = InMemoryBus()
    (one, here), (other, _) = node(bus), node(bus)
    answers: list[Any] = []
    async with SocketTestClient(one) as near, SocketTestClient(other) as far:
        await near.connect("alice")
        bob = await far.connect("bob")
        await here.emit("first", to=bob.sid, callback=answers.append)
        await here.emit("second", to=bob.sid, callback=answers.append)
        await (await bob.receive("first")).acknowledge(1)
        await until(lambda: answers == [1])
        assert len(here.sio.manager.callbacks[bob.sid]) == 2
        await (await bob.receive("second")).acknowledge(2)
        await until(lambda: answers == [1, 2])
        assert here.sio.manager.callbacks == {}


# Rooms and sessions of a sid -----------------------------------------------------------------------------


async def test_what_a_connect_handler_does_with_the_sid_is_done_when_it_is_admitted() -> None:
    app, socket = node()
    seen: dict[str, Any] = {}

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.save_session(sid, {"a": 1})
        async with socket.session(sid) as session:
            session["b"] = 2
        await socket.enter_room(sid, "lobby")
        await socket.enter_room(sid, "other")
        await socket.leave_room(sid, "other")
        seen["rooms"] = sorted(socket.rooms(sid))
        seen["transport"] = socket.sio.transport(sid)
        seen["path"] = socket.sio.get_environ(sid)["PATH_INFO"]
        await socket.to_room(sid).emit("held", Record(1))
        with pytest.raises(RuntimeError):
            await socket.call("question", to=sid)

    @socket.on("state")
    async def state(sid: str) -> tuple[Any, ...]:
        return await socket.get_session(sid), sorted(socket.rooms(sid)), socket.sio.transport(sid)

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")

        rooms = sorted([alice.sid, "lobby"])
        assert seen == {"rooms": rooms, "transport": "websocket", "path": "/ws/socket.io/"}
        assert await alice.call("state") == ({"a": 1, "b": 2}, rooms, "websocket")
        assert (await alice.receive("held")).data == {"number": 1}


@pytest.mark.parametrize("end", ["refused", "left"])
async def test_the_next_login_on_a_transport_inherits_no_session(end: str) -> None:
    """python-socketio keeps the dict of a namespace for as long as the transport is open."""
    app, socket = node()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], me: CurrentIdentity) -> bool:
        session = await socket.get_session(sid)
        session.setdefault("owner", me.user)
        return end != "refused" or me.user != "alice"

    @socket.on("owner")
    async def owner(sid: str) -> Any:
        return (await socket.get_session(sid))["owner"]

    socket.on("x", lambda: None, "/other")
    async with SocketTestClient(app) as client:
        device = await client.connect("alice", namespace="/other")
        if end == "left":
            await (await device.connect("/")).disconnect()
        else:
            assert (await device.expect_refused("/")).code == "policy_denied"
        bob = await device.connect("/", auth={"token": client.token("bob")})

        assert await bob.call("owner") == "bob"


async def test_a_connect_handler_cannot_enter_the_room_of_another_sid() -> None:
    app, socket = node()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        if "victim" in auth:
            await socket.enter_room(sid, auth["victim"])

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        refusal = await client.expect_refused("mallory", auth={"victim": alice.sid})

        assert refusal.code == "internal_error"
        assert len(socket.sio.registry) == 1
        mallory = await client.connect("mallory")
        with pytest.raises(ValueError, match="another sid"):
            await socket.enter_room(mallory.sid, alice.sid)


async def test_an_app_cannot_be_talked_into_a_room_of_the_library() -> None:
    app, socket = node()

    @socket.on("join")
    async def join(sid: str, room: str) -> None:
        await socket.enter_room(sid, room)

    @socket.on("say")
    async def say(room: str) -> None:
        await socket.emit("said", room=room)

    @socket.on("tell")
    async def tell(room: str) -> None:
        await socket.to_room("lobby", room).emit("said")

    async with SocketTestClient(app) as client:
        alice, mallory = await client.connect("alice"), await client.connect("mallory")
        for event in ("join", "say", "tell"):
            assert (await mallory.expect_denied(event, "authx:user:alice")).code == "internal_error"
        for attempt in (
            socket.enter_room(mallory.sid, "authx:user:alice"),
            socket.leave_room(mallory.sid, "authx:user:mallory"),
            socket.close_room("authx:user:alice"),
            socket.emit("said", room=["lobby", "authx:user:alice"]),
            socket.emit("said", room=("authx:user:alice",)),
            socket.emit("authx:closing", to=mallory.sid),
            socket.to_user("alice").emit("authx:closing"),
        ):
            with pytest.raises(ReservedNameError):
                await attempt

        assert await mallory.call("join", "lobby") is None
        assert sorted(socket.rooms(mallory.sid)) == sorted([mallory.sid, "lobby"])
        await alice.nothing_received()


@pytest.mark.parametrize("target", ["", []])
async def test_an_empty_target_reaches_nobody(target: Any) -> None:
    """python-socketio takes an empty ``to`` for everybody."""
    app, socket = node()
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await socket.emit("private", to=target)

        await alice.nothing_received()


async def test_what_names_no_room_reaches_nobody_and_breaks_nothing() -> None:
    """python-socketio takes None in a list for everybody, and leaving it for a ghost that never ends."""
    app, socket = node()
    left: list[str] = []

    @socket.on("say")
    async def say(room) -> None:
        await socket.emit("said", room=room if isinstance(room, list) else [room])

    @socket.on("leave")
    async def leave(sid: str, room) -> None:
        await socket.leave_room(sid, room)

    @socket.on("close")
    async def close(room) -> None:
        await socket.close_room(room)

    @socket.on("enter")
    async def enter(sid: str, room) -> None:
        await socket.enter_room(sid, room)

    @socket.on("tell")
    async def tell(room) -> None:
        await socket.to_room(room).emit("said")

    socket.on("disconnect", left.append)
    async with SocketTestClient(app) as client:
        alice, mallory = await client.connect("alice"), await client.connect("mallory")
        for event in ("say", "leave", "close", "enter", "tell"):
            for room in (None, [None], [["authx:user:alice"]], {"a": 1}):
                assert (await mallory.expect_denied(event, room)).code == "internal_error"
        for event, sid in (
            ("leave", mallory.sid),
            ("close", alice.sid),
            ("close", mallory.sid),
            ("enter", alice.sid),
        ):
            assert (await mallory.expect_denied(event, sid)).code == "internal_error"
        await alice.nothing_received()
    assert not filled(socket)
    assert len(left) == 2


async def test_a_sid_that_is_not_connected_enters_no_room() -> None:
    """python-socketio would make the room first, and keep it for good."""
    app, socket = node()
    async with SocketTestClient(app) as client:
        await client.connect("alice")
        with pytest.raises(ValueError, match="not connected"):
            await socket.enter_room("gone", "lobby")

        assert "lobby" not in socket.sio.manager.rooms["/"]


async def test_the_sid_of_somebody_on_the_way_in_is_nobodys_room() -> None:
    app, socket = node()
    coming: list[str] = []
    release = asyncio.Event()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], me: CurrentIdentity) -> None:
        if me.user == "alice":
            coming.append(sid)
            await release.wait()

    async with SocketTestClient(app) as client:
        mallory = await client.connect("mallory")
        connecting = asyncio.create_task(client.connect("alice"))
        await until(lambda: coming)
        with pytest.raises(ValueError, match="another sid"):
            await socket.enter_room(mallory.sid, coming[0])
        release.set()
        await connecting


async def test_an_event_that_cannot_be_told_is_the_connect_handlers_own_failure() -> None:
    app, socket = node()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.emit("held", object(), to=sid)

    async with SocketTestClient(app) as client:
        with pytest.raises(Refusal, match="internal_error"):
            await client.connect("alice")
        assert len(socket.sio.registry) == 0


async def test_an_event_held_for_another_namespace_is_not_held_here() -> None:
    app, socket = node()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.emit("elsewhere", to=sid, namespace="/other")
        await socket.emit("here", to=sid)

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        await alice.receive("here")

        await alice.nothing_received()


async def test_who_is_left_out_is_left_out_also_on_the_way_in() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str) -> None:
        await socket.to_room(sid).except_sid(sid).emit("secret")
        await socket.to_room(sid).except_user("bob").emit("secret")
        await socket.emit("secret", room=sid, skip_sid=sid)
        await socket.emit("secret", room=sid, skip_sid=[sid])
        await socket.to_room(sid).except_user("alice").emit("welcome")

    async with SocketTestClient(app) as client:
        bob = await client.connect(user="bob")
        await bob.receive("welcome")

        assert [event.name for event in bob.received("secret")] == []
