"""The Socket.IO server over real transports: events, rooms, sessions, leaving."""

import asyncio
import threading
from typing import Any

import httpx
import pytest
import socketio
from fastapi import FastAPI
from pydantic import BaseModel

from authx import AuthX, AuthXSocket
from authx.socket import Connection, CurrentIdentity, require_scope
from authx.socket.testing import SocketTestClient
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


# On the way in -------------------------------------------------------------------------------------------


async def test_the_name_of_a_device_opens_nothing() -> None:
    """Whoever knows the Engine.IO sid of a polling client can speak for it, so nobody is told."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("transfer")
    def transfer() -> None:
        raise AssertionError("must not run")

    async with serving(app) as url, wire.polling(url) as client, httpx.AsyncClient(base_url=url) as http:
        await client.connect(token(auth, "alice"))
        [info] = await socket.to_user("alice").connections()
        told = repr((info, list(socket.sio.registry), list(socket.sio._devices.values())))
        for secret in (info.device, info.sid):
            response = await http.post(
                f"/ws/socket.io/?EIO=4&transport=polling&sid={secret}", content='42["transfer"]'
            )
            assert response.status_code == 400
        assert client.handshake["sid"] not in told


async def test_a_thread_of_a_connection_that_was_given_up_is_waited_for() -> None:
    """Or else a client that comes and goes could start any number of them."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    release = threading.Event()
    running: list[str] = []

    @socket.on("connect")
    def connect(sid: str, environ: dict[str, Any]) -> None:
        running.append(sid)
        release.wait(10)

    async with serving(app) as url, wire.websocket(url) as client:
        await client.send(Packet(PacketType.CONNECT, data=token(auth, "alice")))
        await until(lambda: running)
        for _ in range(20):
            await client.disconnect()
            await client.send(Packet(PacketType.CONNECT, data=token(auth, "alice")))
        # Packets are read in order: when this is answered, all before it have been.
        await client.connect(namespace="/nowhere")
        assert len(running) == 1
        release.set()
        await until(lambda: len(socket.sio.registry) == 1)
        assert len(running) == 2


async def test_a_client_that_left_while_connecting_hears_no_refusal_later() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    entered = asyncio.Event()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> bool:
        if "stay" in auth:
            return True
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return False
        return True

    async with serving(app) as url, wire.websocket(url) as client:
        await client.send(Packet(PacketType.CONNECT, data=token(auth, "alice")))
        await asyncio.wait_for(entered.wait(), 5)
        await client.disconnect()
        assert (await client.connect({**token(auth, "alice"), "stay": True})).type is PacketType.CONNECT
        await until(lambda: not socket.sio._tasks)

        assert [packet.type for packet in client.packets if packet.event is None] == [PacketType.CONNECT]


NOT_JSON = ('42["e",NaN]', '42["e",1e999]', '42["e",-Infinity]', "4true", f'42["e",{"1" * 200}]')


@pytest.mark.parametrize("frame", NOT_JSON)
async def test_what_is_not_json_closes_the_transport_and_reaches_nobody(frame: str) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("e")
    async def e(data) -> None:
        await socket.emit("all", data)

    async with serving(app) as url, wire.websocket(url) as alice, wire.websocket(url) as mallory:
        await alice.connect(token(auth, "alice"))
        await mallory.connect(token(auth, "mallory"))
        await mallory.send_frame(frame)
        await mallory.wait_closed()
        await socket.emit("end")
        await alice.receive_event("end")

        assert alice.events("all") == []


async def test_attachments_are_bounded_as_a_whole() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_http_buffer_size=1000)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        await client.send_frame('453-["e",{"_placeholder":true,"num":0}]')
        await client.send_frame(b"x" * 600)
        await client.send_frame(b"x" * 600)
        await client.wait_closed()
    await until(lambda: not filled(socket))


# The same, over the test client --------------------------------------------------------------------------


async def test_one_device_may_be_in_several_namespaces() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    socket.on("where", lambda here: here, namespace="/chat")

    @socket.on("where", namespace="/admin")
    def where(here: Connection) -> str:
        return here.namespace

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        admin = await alice.connect("/admin")

        assert await admin.call("where") == "/admin"
        in_admin = await socket.to_user("alice").in_namespace("/admin").emit("note")
        assert in_admin.devices == 1
        await admin.receive("note")
        await alice.nothing_received()

        await admin.disconnect()
        assert len(socket.sio.registry) == 1
        assert (await alice.expect_denied("where")).code == "unknown_event"


async def test_a_namespace_nobody_serves_is_refused_as_the_protocol_says() -> None:
    app = FastAPI()
    AuthXSocket(app, auth=login())
    async with SocketTestClient(app) as client:
        refusal = await client.expect_refused("alice", namespace="/nowhere")

        assert (refusal.message, refusal.code, refusal.data) == ("Invalid namespace", "", None)


async def test_a_device_is_in_a_namespace_once() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    socket.on("echo", lambda data: data)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        again = await alice.expect_refused("/", auth={"token": client.token("mallory")})

        assert again.code == "too_many_connections"
        assert [connection.user for connection in socket.sio.registry] == ["alice"]
        assert await alice.call("echo", 1) == 1


async def test_a_disconnect_handler_that_fails_leaves_nothing_behind() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    socket.on("disconnect", lambda sid: 1 / 0)
    async with SocketTestClient(app) as client:
        await (await client.connect("alice")).hang_up()

        assert not filled(socket)


async def test_a_connect_handler_may_turn_its_own_sid_away() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.disconnect(sid)

    async with SocketTestClient(app) as client:
        assert (await client.expect_refused("alice")).code == "policy_denied"


async def test_who_has_left_hears_nothing_more_however_long_the_app_says_goodbye() -> None:
    """python-socketio keeps a sid in its rooms until the disconnect handler returns."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    release, said = asyncio.Event(), asyncio.Event()
    kept: list[Any] = []

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], me: CurrentIdentity) -> None:
        await socket.enter_room(sid, "members")
        await socket.save_session(sid, {"user": me.user})

    @socket.on("disconnect")
    async def disconnect(sid: str, me: CurrentIdentity) -> None:
        if me.user != "alice":
            return
        said.set()
        await release.wait()
        session = await socket.get_session(sid)
        kept.extend((session, sorted(socket.rooms(sid)), socket.sio.get_environ(sid)["PATH_INFO"]))

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        leaving = asyncio.create_task(socket.disconnect(alice.sid))
        await asyncio.wait_for(said.wait(), 5)
        bob = await alice.connect("/", auth={"token": client.token("bob")})
        delivery = await socket.to_user("alice").emit("private")
        await socket.emit("private", to=alice.sid)
        await socket.emit("news", room="members")
        await bob.receive("news")

        assert delivery.devices == 0
        assert [event.name for event in bob.received()] == ["news"]
        assert alice.received() == []
        release.set()
        await leaving
        assert kept == [{"user": "alice"}, sorted([alice.sid, "members"]), "/ws/socket.io/"]
    assert not filled(socket)


async def test_a_goodbye_that_hangs_holds_nobody_up() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    release = asyncio.Event()

    @socket.on("disconnect")
    async def disconnect(sid: str) -> None:
        await release.wait()

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        for _ in range(3):
            await socket.disconnect(alice.sid, ignore_queue=True)
            alice = await alice.connect("/")
        assert len(socket.sio._departures) == 3
        release.set()
        await client.settle()
        assert not socket.sio._departures


async def test_a_connection_that_cannot_enter_one_room_is_in_none() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.enter_room(sid, "lobby")
        await socket.enter_room(sid, Unkeepable())

    async with SocketTestClient(app) as client:
        assert (await client.expect_refused("alice")).code == "internal_error"
        assert (socket.sio.manager.rooms, len(socket.sio.registry)) == ({}, 0)


async def test_handlers_can_be_registered_on_the_server_behind_the_socket() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    sio = socket.sio

    @sio.event
    def hello(data):
        return data

    @sio.on("guarded")
    @require_scope("a")
    def guarded():
        raise AssertionError("must not run")

    class Shouts(socketio.AsyncNamespace):
        async def on_shout(self, sid, data):
            await self.emit("shouted", data.upper(), to=sid)

    sio.register_namespace(Shouts("/shouts"))
    with pytest.raises(ValueError, match="Not a valid namespace"):
        sio.register_namespace(socketio.Namespace("/sync"))
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")

        assert await alice.call("hello", 1) == 1
        assert (await alice.expect_denied("guarded")).code == "insufficient_scope"
        shouts = await alice.connect("/shouts")
        assert await shouts.call("shout", "hi") is None
        assert (await shouts.receive("shouted")).data == "HI"
