"""The Socket.IO server over real transports: events, rooms, sessions, leaving."""

import asyncio
from typing import Any

import pytest
import socketio
from fastapi import FastAPI
from pydantic import BaseModel

from authx import AuthX, AuthXSocket
from authx.socket import Connection, CurrentIdentity, ReservedNameError, require_scope
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled
from tests.support.wire import Opener, Packet, PacketType

opened = pytest.mark.parametrize("opened", wire.OPENERS)


class Message(BaseModel):
    to: str
    text: str


class Receipt(BaseModel):
    devices: int


class Unkeepable:
    """A name of a room that can be put into a set once, and into nothing after that."""

    def __init__(self) -> None:
        self.hashed = 0

    def __hash__(self) -> int:
        self.hashed += 1
        if self.hashed > 2:
            raise RuntimeError("no more")
        return 1


def token(auth: AuthX, user: str, *scopes: str, **data: Any) -> dict[str, str]:
    return {"token": auth.create_access_token(user, scopes=list(scopes), data=data)}


@opened
async def test_a_guarded_message_reaches_every_device_of_its_addressee_and_nobody_else(
    opened: Opener,
) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("message")
    @require_scope("chat:write")
    async def message(data: Message, me: CurrentIdentity) -> Receipt:
        delivery = await socket.to_user(data.to).emit("message", {"from": me.user, "text": data.text})
        return Receipt(devices=delivery.devices)

    async with (
        serving(app) as url,
        opened(url) as alice,
        opened(url) as phone,
        opened(url) as laptop,
        opened(url) as carol,
    ):
        await alice.connect(token(auth, "alice", "chat:write"))
        for client, user in ((phone, "bob"), (laptop, "bob"), (carol, "carol")):
            await client.connect(token(auth, user))

        assert await alice.emit("message", {"to": "bob", "text": "hi"}) == [{"devices": 2}]
        for client in (phone, laptop):
            assert (await client.receive_event("message")).args == [{"from": "alice", "text": "hi"}]

        assert (await carol.emit("message", {"to": "bob", "text": "no"}))[0]["error"][
            "code"
        ] == "insufficient_scope"
        assert (await alice.emit("message", {"to": "bob"}))[0]["error"]["code"] == "validation_error"
        assert [carol.events("message"), alice.events("message")] == [[], []]
        assert [len(client.events("message")) for client in (phone, laptop)] == [1, 1]


@opened
async def test_the_session_follows_connect_at_once_and_held_events_follow_it(opened: Opener) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.emit("first", {"n": 1}, to=sid)
        await socket.send("second", to=sid)
        await socket.emit("third", (1, 2), room=[sid])

    async with serving(app) as url, opened(url) as client:
        await client.connect(token(auth, "alice", "a", roles=["r"], session_id="s1"))
        await client.receive_event("third")

        names = [packet.event or packet.type.name for packet in client.packets]
        assert names == ["CONNECT", "authx:session", "first", "message", "third"]
        session = client.events("authx:session")[0].args[0]
        assert (session["user"], session["scopes"], session["roles"]) == ("alice", ["a"], ["r"])
        assert 0 < session["ttl"] <= 900
        assert len(session["key"]) >= 32
        assert client.events("third")[0].args == [1, 2]


async def test_users_roles_and_sessions_are_rooms_of_their_own() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    async with serving(app) as url, wire.websocket(url) as one, wire.websocket(url) as other:
        await one.connect(token(auth, "alice", roles=["admin", "staff"], session_id="s1"))
        await other.connect(token(auth, "bob", roles="staff", session_id="s2"))
        reached = {
            "user": await socket.to_user("alice", "nobody").emit("user"),
            "role": await socket.to_role("admin", "staff").emit("role"),
            "session": await socket.to_session("s2").emit("session"),
            "nobody": await socket.to_user("carol").emit("nobody"),
        }
        await one.receive_event("role")
        await other.receive_event("session")

        assert {name: (d.devices, d.nodes, d.complete) for name, d in reached.items()} == {
            "user": (1, 1, True),
            "role": (2, 1, True),
            "session": (1, 1, True),
            "nobody": (0, 0, True),
        }
        names = [[packet.event for packet in client.packets if packet.event] for client in (one, other)]
        assert names == [["authx:session", "user", "role"], ["authx:session", "role", "session"]]


async def test_the_connections_of_a_user_are_listed_oldest_first() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    async with serving(app) as url, wire.websocket(url, headers={"User-Agent": "Phone"}) as one:
        async with wire.websocket(url, headers={"User-Agent": "Laptop"}) as other:
            await one.connect(token(auth, "alice"))
            await other.connect(token(auth, "alice"))

            found = await socket.to_user("alice").connections()

            assert [info.user_agent for info in found] == ["Phone", "Laptop"]
            assert {info.address for info in found} == {"127.0.0.1"}
            assert len({info.device for info in found}) == 2
        await until(lambda: len(socket.sio.registry) == 1)
        assert [info.user_agent for info in await socket.to_user("alice").connections()] == ["Phone"]


async def test_one_device_may_be_in_several_namespaces() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    socket.on("where", lambda here: here, namespace="/chat")

    @socket.on("where", namespace="/admin")
    def where(here: Connection) -> str:
        return here.namespace

    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        await client.connect(token(auth, "alice"), namespace="/admin")

        assert await client.emit("where", namespace="/admin") == ["/admin"]
        in_admin = await socket.to_user("alice").in_namespace("/admin").emit("note")
        assert in_admin.devices == 1
        assert (await client.receive_event("note")).namespace == "/admin"
        assert len(client.events("note")) == 1

        await client.disconnect("/admin")
        await until(lambda: len(socket.sio.registry) == 1)
        assert (await client.emit("where"))[0]["error"]["code"] == "unknown_event"


async def test_a_namespace_nobody_serves_is_refused_as_the_protocol_says() -> None:
    app, auth = FastAPI(), login()
    AuthXSocket(app, auth=auth)
    async with serving(app) as url, wire.websocket(url) as client:
        answer = await client.connect(token(auth, "alice"), namespace="/nowhere")

        assert (answer.type, answer.data) == (PacketType.CONNECT_ERROR, {"message": "Invalid namespace"})


async def test_a_device_is_in_a_namespace_once() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    socket.on("echo", lambda data: data)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        again = await client.connect(token(auth, "mallory"))

        assert again.data["data"]["code"] == "too_many_connections"
        assert [connection.user for connection in socket.sio.registry] == ["alice"]
        assert await client.emit("echo", 1) == [1]


@opened
async def test_without_an_acknowledgement_a_failure_is_an_exception_event(opened: Opener) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    socket.on("guarded", require_scope("a")(lambda: None))
    async with serving(app) as url, opened(url) as client:
        await client.connect(token(auth, "alice"))
        await client.emit("guarded", ack=False)

        assert (await client.receive_event("exception")).args == [
            {
                "error": {"code": "insufficient_scope", "message": "The token lacks a required scope"},
                "event": "guarded",
            }
        ]


@pytest.mark.parametrize("event", ["connect", "disconnect", "connect_error", "exception", "authx:session"])
async def test_a_client_cannot_play_the_protocol(event: str) -> None:
    """python-socketio alone runs the disconnect handler on 42["disconnect"]."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    ran: list[str] = []
    socket.on("connect", lambda sid, environ: ran.append("connect"))
    socket.on("disconnect", lambda sid, reason: ran.append("disconnect"))
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))

        assert (await client.emit(event, {}))[0]["error"]["code"] == "unknown_event"
        assert ran == ["connect"]


async def test_events_of_a_connection_start_in_order_and_a_slow_one_holds_up_nobody() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    started: list[int] = []
    release = asyncio.Event()

    @socket.on("work")
    async def work(data: int) -> int:
        started.append(data)
        if data == 0:
            await release.wait()
        return data

    async with serving(app) as url, wire.websocket(url) as client, wire.websocket(url) as other:
        await client.connect(token(auth, "alice"))
        await other.connect(token(auth, "bob"))
        first = asyncio.create_task(client.emit("work", 0))
        await until(lambda: started == [0])
        for number in range(1, 50):
            await client.emit("work", number, ack=False)
        assert await other.emit("work", 100) == [100]
        await until(lambda: len(started) == 51)
        release.set()

        assert await first == [0]
        assert [number for number in started if number != 100] == list(range(50))


async def test_the_server_may_call_a_client() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("ask me")
    async def ask_me(sid: str) -> Any:
        return await socket.call("question", {"n": 1}, to=sid)

    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        answer = asyncio.create_task(client.emit("ask me"))
        question = await client.receive_event("question")
        await client.send(Packet(PacketType.ACK, id=question.id, data=["answer"]))

        assert await answer == ["answer"]


async def test_bytes_travel_both_ways() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    socket.on("echo", lambda data: data)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        await client.send_frame('451-7["echo",{"a":{"_placeholder":true,"num":0}}]')
        await client.send_frame(b"\x00\xff")
        await until(lambda: any(packet.type is PacketType.BINARY_ACK for packet in client.packets))

        assert client.packets[-1].data == [{"a": b"\x00\xff"}]


@pytest.mark.parametrize("second", ["text", "placeholder"])
async def test_a_broken_binary_packet_closes_the_transport(second: str) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        if second == "text":
            await client.send_frame('451-["echo",{"_placeholder":true,"num":0}]')
            await client.send_frame('42["echo"]')
        else:
            await client.send_frame('451-["echo",{"_placeholder":true,"num":7}]')
            await client.send_frame(b"\x00")
        await client.wait_closed()
    await until(lambda: not filled(socket))


# Leaving -------------------------------------------------------------------------------------------------


@opened
@pytest.mark.parametrize("way", ["client leaves", "client hangs up", "server disconnects", "server twice"])
async def test_the_disconnect_handler_runs_once_however_a_connection_ends(opened: Opener, way: str) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    ended: list[tuple[str, list[Any], Any]] = []

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.enter_room(sid, "lobby")
        await socket.save_session(sid, {"kept": True})

    @socket.on("disconnect")
    async def disconnect(sid: str, reason: str) -> None:
        ended.append((reason, sorted(socket.rooms(sid)), await socket.get_session(sid)))
        await asyncio.sleep(0)
        ended.append((reason, [], None))

    async with serving(app) as url:
        async with opened(url) as client:
            sid = (await client.connect(token(auth, "alice"))).data["sid"]
            if way == "client leaves":
                await client.disconnect()
            elif way.startswith("server"):
                repeat = 2 if way == "server twice" else 1
                await asyncio.gather(*(socket.disconnect(sid) for _ in range(repeat)))
                packet = await client.receive()
                while packet.type is not PacketType.DISCONNECT:
                    packet = await client.receive()
            if way != "client hangs up":
                await until(lambda: len(ended) == 2)
        await until(lambda: not filled(socket))

    assert len(ended) == 2
    assert ended[0][1:] == (sorted([sid, "lobby"]), {"kept": True})
    assert ended[0][0] == {
        "client leaves": "client disconnect",
        "server disconnects": "server disconnect",
        "server twice": "server disconnect",
    }.get(way, ended[0][0])


async def test_a_disconnect_handler_that_fails_leaves_nothing_behind() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    socket.on("disconnect", lambda sid: 1 / 0)
    async with serving(app) as url:
        async with wire.websocket(url) as client:
            await client.connect(token(auth, "alice"))
        await until(lambda: not filled(socket))


async def test_an_event_of_a_connection_that_has_left_is_not_answered() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("bye")
    async def bye(sid: str) -> str:
        await socket.disconnect(sid)
        return "too late"

    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        await client.send(Packet(PacketType.EVENT, id=1, data=["bye"]))
        await until(lambda: not socket.sio.registry and not socket.sio._tasks)
        await client.connect(token(auth, "alice"))

        types = [packet.type for packet in client.packets if packet.event is None]
        assert types == [PacketType.CONNECT, PacketType.DISCONNECT, PacketType.CONNECT]


# On the way in -------------------------------------------------------------------------------------------


async def test_what_a_connect_handler_does_with_the_sid_is_done_when_it_is_admitted() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
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
        with pytest.raises(RuntimeError):
            await socket.call("question", to=sid)

    @socket.on("state")
    async def state(sid: str) -> tuple[Any, ...]:
        return await socket.get_session(sid), sorted(socket.rooms(sid)), socket.sio.transport(sid)

    async with serving(app) as url, wire.websocket(url) as client:
        sid = (await client.connect(token(auth, "alice"))).data["sid"]

        assert seen == {"rooms": sorted([sid, "lobby"]), "transport": "websocket", "path": "/ws/socket.io/"}
        assert await client.emit("state") == [{"a": 1, "b": 2}, sorted([sid, "lobby"]), "websocket"]


async def test_a_connect_handler_may_turn_its_own_sid_away() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.disconnect(sid)

    async with serving(app) as url, wire.websocket(url) as client:
        answer = await client.connect(token(auth, "alice"))

        assert answer.data["data"]["code"] == "policy_denied"


@pytest.mark.parametrize("end", ["refused", "left"])
async def test_the_next_login_on_a_transport_inherits_no_session(end: str) -> None:
    """python-socketio keeps the dict of a namespace for as long as the transport is open."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], me: CurrentIdentity) -> bool:
        session = await socket.get_session(sid)
        session.setdefault("owner", me.user)
        return end != "refused" or me.user != "alice"

    @socket.on("owner")
    async def owner(sid: str) -> Any:
        return (await socket.get_session(sid))["owner"]

    async with serving(app) as url, wire.websocket(url) as client:
        answer = await client.connect(token(auth, "alice"))
        if end == "left":
            assert answer.type is PacketType.CONNECT
            await client.disconnect()
            await until(lambda: not socket.sio.registry)
        assert (await client.connect(token(auth, "bob"))).type is PacketType.CONNECT

        assert await client.emit("owner") == ["bob"]


async def test_who_comes_back_while_the_app_says_goodbye_waits_for_it() -> None:
    """The old connection's disconnect handler has ended before the new one's connect handler runs."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    told: list[str] = []
    release = asyncio.Event()

    @socket.on("connect")
    def connect(sid: str, environ: dict[str, Any], me: CurrentIdentity) -> None:
        told.append(f"hello {me.user}")

    @socket.on("disconnect")
    async def disconnect(sid: str, me: CurrentIdentity) -> None:
        await release.wait()
        told.append(f"goodbye {me.user}")

    async with serving(app) as url:
        async with wire.websocket(url) as client:
            await client.connect(token(auth, "alice"))
            await client.disconnect()
            await until(lambda: not socket.sio.registry)
            answer = asyncio.create_task(client.connect(token(auth, "bob")))
            await until(lambda: socket.sio._arrivals)
            release.set()

            assert (await answer).type is PacketType.CONNECT
            assert [connection.user for connection in socket.sio.registry] == ["bob"]
        await until(lambda: not filled(socket))
    assert told == ["hello alice", "goodbye alice", "hello bob", "goodbye bob"]


async def test_a_connect_handler_cannot_enter_the_room_of_another_sid() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        if "victim" in auth:
            await socket.enter_room(sid, auth["victim"])

    async with serving(app) as url, wire.websocket(url) as alice, wire.websocket(url) as mallory:
        sid = (await alice.connect(token(auth, "alice"))).data["sid"]
        answer = await mallory.connect({**token(auth, "mallory"), "victim": sid})

        assert answer.data["data"]["code"] == "internal_error"
        assert len(socket.sio.registry) == 1
        own = (await mallory.connect(token(auth, "mallory"))).data["sid"]
        with pytest.raises(ValueError, match="another sid"):
            await socket.enter_room(own, sid)


async def test_a_connection_that_cannot_enter_one_room_is_in_none() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.enter_room(sid, "lobby")
        await socket.enter_room(sid, Unkeepable())

    async with serving(app) as url, wire.websocket(url) as client:
        answer = await client.connect(token(auth, "alice"))

        assert answer.data["data"]["code"] == "internal_error"
        assert (socket.sio.manager.rooms, len(socket.sio.registry)) == ({}, 0)


# Names of the library -------------------------------------------------------------------------------------


async def test_an_app_cannot_be_talked_into_a_room_of_the_library() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("join")
    async def join(sid: str, room: str) -> None:
        await socket.enter_room(sid, room)

    @socket.on("say")
    async def say(room: str) -> None:
        await socket.emit("said", room=room)

    async with serving(app) as url, wire.websocket(url) as alice, wire.websocket(url) as mallory:
        await alice.connect(token(auth, "alice"))
        sid = (await mallory.connect(token(auth, "mallory"))).data["sid"]
        for event in ("join", "say"):
            assert (await mallory.emit(event, "authx:user:alice"))[0]["error"]["code"] == "internal_error"
        for attempt in (
            socket.enter_room(sid, "authx:user:alice"),
            socket.leave_room(sid, "authx:user:mallory"),
            socket.close_room("authx:user:alice"),
            socket.emit("said", room=["lobby", "authx:user:alice"]),
            socket.emit("authx:closing", to=sid),
            socket.to_user("alice").emit("authx:closing"),
        ):
            with pytest.raises(ReservedNameError):
                await attempt

        assert await mallory.emit("join", "lobby") == []
        assert sorted(socket.rooms(sid)) == sorted([sid, "lobby"])
        await socket.to_user("alice").emit("end")
        await alice.receive_event("end")
        assert alice.events("said") == []


@pytest.mark.parametrize("target", ["", []])
async def test_an_empty_target_reaches_nobody(target: Any) -> None:
    """python-socketio takes an empty ``to`` for everybody."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        await socket.emit("private", to=target)
        await socket.emit("everybody")
        await client.receive_event("everybody")

        assert client.events("private") == []


async def test_handlers_can_be_registered_on_the_server_behind_the_socket() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    sio = socket.sio

    @sio.event
    def hello(data):
        return data

    @sio.on("guarded")
    @require_scope("a")
    def guarded():
        raise AssertionError("must not run")

    with pytest.raises(NotImplementedError):
        sio.register_namespace(socketio.AsyncNamespace("/x"))
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))

        assert await client.emit("hello", 1) == [1]
        assert (await client.emit("guarded"))[0]["error"]["code"] == "insufficient_scope"
