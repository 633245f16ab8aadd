"""AuthXSocket: what it takes, where it is served, and what it forwards."""

import asyncio
import gc
from datetime import date
from typing import Any

import httpx
import pytest
import socketio
from fastapi import APIRouter, FastAPI

from authx import AuthXSocket
from authx.socket import (
    Connection,
    ReservedNameError,
    SocketRouter,
    rate_limit,
    require_role,
    require_scope,
)
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.tables import filled
from tests.support.wire import PacketType


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> None:
    gc.collect()


OLD_SURFACE = (
    "on emit send call attach close_room get_session save_session session disconnect handle_request "
    "start_background_task sleep enter_room leave_room rooms is_asyncio_based"
)


def test_the_surface_of_the_old_socket_is_all_there() -> None:
    socket = AuthXSocket(FastAPI())

    assert [name for name in OLD_SURFACE.split() if not callable(getattr(socket, name, None))] == []
    assert socket.is_asyncio_based() is True


def test_the_server_behind_it_is_the_apps_sio() -> None:
    app = FastAPI()
    socket = AuthXSocket(app)

    assert app.sio is socket.sio  # type: ignore[attr-defined]
    assert isinstance(socket.sio, socketio.AsyncServer)


async def test_the_old_arguments_are_taken_by_position() -> None:
    app = FastAPI()
    AuthXSocket(app, "/realtime", "io", "*", "asgi")
    async with serving(app) as url, wire.websocket(url, path="/realtime/io/") as client:
        assert (await client.connect()).type is PacketType.CONNECT


@pytest.mark.parametrize(
    ("mount", "path", "served"),
    [
        ("/ws", "socket.io", "/ws/socket.io/"),
        ("/ws/", "/socket.io/", "/ws/socket.io/"),
        ("/", "socket.io", "/socket.io/"),
        ("/api/v1/ws", "socket.io", "/api/v1/ws/socket.io/"),
    ],
)
async def test_it_is_served_where_it_is_mounted_and_the_app_goes_on_beside_it(
    mount: str, path: str, served: str
) -> None:
    app = FastAPI()
    AuthXSocket(app, mount_location=mount, socketio_path=path)
    app.get("/hello")(lambda: "hello")
    async with serving(app) as url:
        async with wire.polling(url, path=served) as client:
            assert (await client.connect()).type is PacketType.CONNECT
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/hello")).json() == "hello"
            assert (await http.get(f"{served}../nothing")).status_code == 404


async def test_a_proxy_may_strip_a_prefix() -> None:
    app = FastAPI()
    AuthXSocket(app)

    async def proxied(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": "/api"}, receive, send)

    async with serving(proxied) as url:
        for path in ("/ws/socket.io/", "/api/ws/socket.io/"):
            async with wire.websocket(url, path=path) as client:
                assert (await client.connect()).type is PacketType.CONNECT


async def test_the_same_socket_can_be_attached_to_another_app() -> None:
    socket = AuthXSocket(FastAPI())
    other = FastAPI()
    socket.attach(other, "live")
    async with serving(other) as url, wire.websocket(url, path="/live/") as client:
        assert (await client.connect()).type is PacketType.CONNECT
        await socket.shutdown()


@pytest.mark.parametrize("option", ["always_connect", "async_handlers", "json"])
def test_an_option_that_would_open_the_door_is_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        AuthXSocket(FastAPI(), None, **{option: True})  # type: ignore[arg-type]


class Marked(socketio.packet.Packet):
    """Packets of an app's own."""

    def encode(self) -> str:
        return f"{super().encode()} "


async def test_packets_may_be_of_an_apps_own_class() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, serializer=Marked)
    socket.on("echo", lambda value: value)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect()
        assert await client.emit("echo", [1]) == [[1]]
        assert client.frames[-1] == "431[[1]] "
        await socket.everyone().emit("news", date(2020, 1, 1))
        await client.receive_event("news")
        assert client.frames[-1] == '42["news","2020-01-01"] '


@pytest.mark.parametrize("namespaces", ["*", ["/", "*"]])
def test_namespaces_that_nobody_named_are_refused(namespaces: Any) -> None:
    with pytest.raises(TypeError, match="namespaces"):
        AuthXSocket(FastAPI(), namespaces=namespaces)
    with pytest.raises(ValueError, match="starts with"):
        AuthXSocket(FastAPI()).on("connect", lambda sid: False, namespace="*")


def test_another_async_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="async_mode"):
        AuthXSocket(FastAPI(), async_mode="aiohttp")


def test_on_registers_at_once_or_as_a_decorator_and_gives_the_function_back() -> None:
    socket = AuthXSocket(FastAPI())

    def handler() -> None: ...

    assert socket.on("a")(handler) is handler
    assert socket.event(handler) is handler
    assert socket.event(namespace="/x")(handler) is handler
    socket.on("b", handler, "/y")
    assert socket._dispatcher.namespaces == {"/", "/x", "/y"}
    with pytest.raises(ReservedNameError):
        socket.on("authx:session", handler)
    with pytest.raises(TypeError, match="handler"):
        socket.on("c")(lambda *, data: None)


def test_an_audience_needs_somebody() -> None:
    socket = AuthXSocket(FastAPI())

    for audience in (socket.to_user, socket.to_role, socket.to_session, socket.to_room):
        with pytest.raises(ValueError, match="at least one"):
            audience()
    for room in ("authx:user:alice", None, ["a", "b"]):
        with pytest.raises(ValueError, match=r"library's|not the name of a room"):
            socket.to_room("lobby", room)  # type: ignore[arg-type]


def test_it_says_where_it_is_and_whose_logins_it_takes() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, "/live/", "/io/", auth=auth)

    assert (socket.path, socket.auth) == ("/live/io", auth)
    assert app.state.authx_socket is socket


async def test_on_the_class_a_method_means_the_one_instance() -> None:
    # Apps of other tests refer to themselves, and go when they are looked for.
    gc.collect()
    with pytest.raises(RuntimeError, match="needs an instance"):
        await AuthXSocket.emit("lobby", "nobody there")

    @AuthXSocket.on("early")
    async def early() -> str:
        return "early"

    @AuthXSocket.event
    def early_event() -> str:
        return "early event"

    app = FastAPI()
    socket = AuthXSocket(app)
    AuthXSocket.on("late", lambda: "late")
    async with serving(app) as url, wire.websocket(url) as client:
        sid = (await client.connect()).data["sid"]
        assert await client.emit("early") == ["early"]
        assert await client.emit("early_event") == ["early event"]
        assert await client.emit("late") == ["late"]
        await AuthXSocket.emit("lobby", "hello")
        assert (await client.receive_event("lobby")).args == ["hello"]
        assert AuthXSocket.rooms(sid) == socket.rooms(sid)

        second = AuthXSocket(FastAPI())
        for attempt in (lambda: AuthXSocket.on("more"), lambda: AuthXSocket.rooms(sid)):
            with pytest.raises(RuntimeError, match="2 AuthXSocket instances"):
                attempt()
        assert second._dispatcher.namespaces == frozenset()


async def test_it_ends_with_the_app_and_leaves_nothing() -> None:
    ended: list[str] = []

    def lifespan_of(app: FastAPI) -> Any:
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> Any:
            yield {"from_the_app": 1}
            ended.append("app")

        return lifespan(app)

    app, auth = FastAPI(lifespan=lifespan_of), login()
    socket = AuthXSocket(app, auth=auth)
    socket.on("disconnect", lambda sid: ended.append("connection"))
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect({"token": auth.create_access_token("alice")})

        await socket.shutdown()

    assert ended == ["connection", "app"]
    assert not filled(socket)


async def test_one_goodbye_that_hangs_does_not_keep_the_app_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("authx.socket.server._GOODBYE_TIMEOUT", 0.05)
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    told: list[str] = []

    @socket.on("disconnect")
    async def disconnect(sid: str) -> None:
        told.append(sid)
        await asyncio.Event().wait()

    async with serving(app) as url, wire.websocket(url) as one, wire.polling(url) as other:
        for client in (one, other):
            await client.connect({"token": auth.create_access_token("alice")})

    assert len(told) == 2
    assert not filled(socket)


async def test_a_route_emits_with_the_same_object() -> None:
    app, auth, router = FastAPI(), login(), APIRouter()
    socket = AuthXSocket(app, auth=auth)

    @router.post("/tell/{user}")
    async def tell(user: str) -> dict[str, int]:
        return {"devices": (await socket.to_user(user).emit("told", "hello")).devices}

    app.include_router(router)
    async with serving(app) as url, wire.websocket(url) as client, httpx.AsyncClient(base_url=url) as http:
        await client.connect({"token": auth.create_access_token("alice")})

        assert (await http.post("/tell/alice")).json() == {"devices": 1}
        assert (await client.receive_event("told")).args == ["hello"]


async def test_events_that_carry_no_guard_can_be_denied() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, deny_unguarded=True)
    socket.on("forgotten", lambda: "reached")
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect({"token": auth.create_access_token("alice")})

        assert (await client.emit("forgotten"))[0]["error"]["code"] == "policy_denied"
    assert socket.unguarded() == [("/", "forgotten")]


async def test_routers_namespaces_and_exception_handlers_are_taken_in() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    admin = SocketRouter("/admin", guards=[require_role("admin")])
    lobby = SocketRouter("/lobby", allow_anonymous=True, guards=[rate_limit("9/hour")])

    class Chat(socketio.AsyncNamespace):
        @require_scope("chat")
        async def on_say(self, sid: str, text: str, socket: AuthXSocket) -> None:
            await socket.emit("said", text, to=sid, namespace=self.namespace)

        async def on_open(self, sid: str) -> None: ...

    @admin.on("kick")
    async def kick(user: str) -> str:
        raise LookupError(user)

    @socket.exception_handler(LookupError)
    async def answer(here: Connection, error: LookupError) -> dict[str, str]:
        return {"missing": str(error)}

    lobby.on("look", lambda: "seen")
    for router in (admin, lobby):
        socket.include_router(router)
    socket.register_namespace(Chat("/chat"))
    assert socket.unguarded() == [("/chat", "open"), ("/lobby", "look")]

    token = {"token": auth.create_access_token("alice", scopes=["chat"])}
    root = {"token": auth.create_access_token("root", data={"roles": ["admin"]})}
    async with serving(app) as url, wire.websocket(url) as client, wire.websocket(url) as other:
        assert (await client.connect(token, namespace="/admin")).data["data"]["code"] == "insufficient_role"
        assert (await client.connect(None, namespace="/chat")).data["data"]["code"] == "missing_token"
        assert (await client.connect(None, namespace="/lobby")).type is PacketType.CONNECT
        assert await client.emit("look", namespace="/lobby") == ["seen"]
        await client.connect(token, namespace="/chat")
        assert await client.emit("say", "hi", namespace="/chat") == []
        assert (await client.receive_event("said")).args == ["hi"]
        assert await client.emit("open", namespace="/chat") == []
        await other.connect(root, namespace="/admin")
        assert await other.emit("kick", "bob", namespace="/admin") == [{"missing": "bob"}]


@pytest.mark.parametrize(
    "options",
    [
        {"grace": -1},
        {"grace": float("inf")},
        {"grace": float("nan")},
        {"expiring_before": -1},
        {"expiring_before": float("nan")},
        {"sweep_interval": 0},
        {"sweep_interval": float("inf")},
    ],
)
def test_times_that_mean_nothing_are_a_mistake(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="seconds"):
        AuthXSocket(FastAPI(), **options)
