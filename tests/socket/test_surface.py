"""What apps call on the server: emits, rooms and sessions of a sid."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from authx import AuthX, AuthXSocket
from authx.socket import CurrentIdentity, ReservedNameError
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled
from tests.support.wire import PacketType


def token(auth: AuthX, user: str, *scopes: str, **data: Any) -> dict[str, str]:
    return {"token": auth.create_access_token(user, scopes=list(scopes), data=data)}


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
            socket.emit("said", room=("authx:user:alice",)),
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


async def test_what_names_no_room_reaches_nobody_and_breaks_nothing() -> None:
    """python-socketio takes None in a list for everybody, and leaving it for a ghost that never ends."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
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

    socket.on("disconnect", left.append)
    async with serving(app) as url:
        async with wire.websocket(url) as alice, wire.websocket(url) as mallory:
            victim = (await alice.connect(token(auth, "alice"))).data["sid"]
            own = (await mallory.connect(token(auth, "mallory"))).data["sid"]
            for event in ("say", "leave", "close", "enter"):
                for room in (None, [None], [["authx:user:alice"]], {"a": 1}):
                    assert (await mallory.emit(event, room))[0]["error"]["code"] == "internal_error"
            for event, room in (("leave", own), ("close", victim), ("close", own), ("enter", victim)):
                assert (await mallory.emit(event, room))[0]["error"]["code"] == "internal_error"
            await socket.emit("end")
            await alice.receive_event("end")
            assert alice.events("said") == []
        await until(lambda: not filled(socket))
    assert len(left) == 2


async def test_a_sid_that_is_not_connected_enters_no_room() -> None:
    """python-socketio would make the room first, and keep it for good."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        with pytest.raises(ValueError, match="not connected"):
            await socket.enter_room("gone", "lobby")

        assert "lobby" not in socket.sio.manager.rooms["/"]


async def test_the_sid_of_somebody_on_the_way_in_is_nobodys_room() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    coming: list[str] = []
    release = asyncio.Event()

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any], me: CurrentIdentity) -> None:
        if me.user == "alice":
            coming.append(sid)
            await release.wait()

    async with serving(app) as url, wire.websocket(url) as alice, wire.websocket(url) as mallory:
        own = (await mallory.connect(token(auth, "mallory"))).data["sid"]
        answer = asyncio.create_task(alice.connect(token(auth, "alice")))
        await until(lambda: coming)
        with pytest.raises(ValueError, match="another sid"):
            await socket.enter_room(own, coming[0])
        release.set()
        await answer


async def test_an_event_that_cannot_be_told_is_the_connect_handlers_own_failure() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.emit("held", object(), to=sid)

    async with serving(app) as url, wire.websocket(url) as client:
        assert (await client.connect(token(auth, "alice"))).data["data"]["code"] == "internal_error"
        assert len(socket.sio.registry) == 0


async def test_an_event_held_for_another_namespace_is_not_held_here() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await socket.emit("elsewhere", to=sid, namespace="/other")
        await socket.emit("here", to=sid)

    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect(token(auth, "alice"))
        await client.receive_event("here")

        assert client.events("elsewhere") == []
