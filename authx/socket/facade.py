"""``AuthXSocket``: builds the parts, mounts them on an app, and forwards."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakSet

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from authx.socket.audience import Audience, Selection
from authx.socket.cors import read_cors_rules
from authx.socket.dispatch import Dispatcher
from authx.socket.endpoint import RefreshEndpoint
from authx.socket.handshake import Door, Login
from authx.socket.instance import Shared, Waiting, event_decorator, forwarded
from authx.socket.limits import WhenFull
from authx.socket.material import Supply
from authx.socket.origin import AllowedOrigins, OriginPolicy
from authx.socket.packets import Packet
from authx.socket.rooms import check_room, role_room, session_room, user_room
from authx.socket.router import SocketRouter
from authx.socket.server import Server

if TYPE_CHECKING:
    import socketio

__all__ = ("AuthXSocket",)

logger = logging.getLogger(__name__)

_F = TypeVar("_F", bound=Callable[..., Any])

# They would open the door, or answer events past it; and a reader of the app's own may not be strict.
_REFUSED_OPTIONS = frozenset({"always_connect", "async_handlers", "json"})


class AuthXSocket:
    """Authenticated Socket.IO on a FastAPI app.

    Served at ``{mount_location}/{socketio_path}``; ``app.sio`` is the Socket.IO server behind it. Cookie
    clients refresh at ``{mount_location}/refresh``, or at ``/{socketio_path}/refresh`` if that is the root.

    Args:
        app: The app to mount on.
        mount_location: Path of the mount.
        socketio_path: Path below it, as clients give it in their ``path`` option.
        cors_allowed_origins: Origins that may connect besides the app's own and those of its
            ``CORSMiddleware``. ``"*"`` lets every page connect with a token, and none with a cookie.
        async_mode: Of python-engineio; there is no other than ``"asgi"``.
        auth: The app's ``AuthX``. Without it every connection is anonymous, and guards deny them all.
        allow_anonymous: Let clients that show no credential in as nobody.
        deny_unguarded: Deny the events that carry no guard; :meth:`unguarded` lists them.
        connect_timeout: Seconds that a transport may stay open without an admitted connection.
        max_in_flight: How many events of one connection may run at once. Four times as many may wait; with
            those there, the transport is not read until one has ended. An acknowledgement that a handler
            waits for is not found meanwhile, and a transport that is not read for longer than a ping takes
            is closed. What waits when a connection ends is dropped.
        grace: Seconds for which a connection goes on after its token is over. Guards go on, too; what a
            handler depends on as over HTTP does not.
        expiring_before: Seconds before the end at which the client is told with ``authx:expiring``, or a
            third of the time it has, if that is shorter.
        sweep_interval: Seconds from one question to the login which of the connections were revoked to the
            next, beside the revocations that end connections at once.
        max_connections_per_user: How many connections a user may have in one namespace, counted on this
            node; None is any number.
        when_full: What happens to one too many: ``"refuse"`` refuses it, ``"drop_oldest"`` lets it in and
            ends the oldest. After a broken network an old connection counts for as long as a ping takes to
            fail, and a page that comes back may be refused.
        single_session: Let users be connected with one login session at a time: the newest ends the
            connections of the others, in all namespaces of this node. Tokens that name no session are told
            apart by their ids, so tabs that refresh their tokens need sessions to be known as one login.
        max_failures_per_address: How often per minute an address may be refused for a token or a CSRF value
            that is wrong (not for a token that has expired, nor for none, nor by a page that may not
            connect); then it is ``rate_limited``. None is any number. The address is the
            one that the ASGI server tells: behind a proxy, have the server trust the proxy's headers, or
            all clients count as one.
        client_manager: A python-socketio client manager, for several processes. It stays the object it is,
            and the app may go on emitting by it.
        options: Further options of ``socketio.AsyncServer`` and ``engineio.AsyncServer`` but ``json``, for
            packets are strict JSON (by orjson, where it is installed), and ``serializer`` takes a class for
            other ones. Limits of the engine: ``max_outbound_bytes`` (1 MiB) that may wait for a client, and
            how many transports of an address may be open that nobody has been admitted on
            (``max_unconnected_per_address``, 100).
    """

    _instances: ClassVar[WeakSet[AuthXSocket]] = WeakSet()
    _waiting: ClassVar[Waiting] = Waiting()

    def __init__(
        self,
        app: Starlette,
        mount_location: str = "/ws",
        socketio_path: str = "socket.io",
        cors_allowed_origins: AllowedOrigins = None,
        async_mode: str = "asgi",
        *,
        auth: Login | None = None,
        allow_anonymous: bool = False,
        deny_unguarded: bool = False,
        connect_timeout: float = 10.0,
        max_in_flight: int = 32,
        grace: float = 0.0,
        expiring_before: float = 60.0,
        sweep_interval: float = 30.0,
        max_connections_per_user: int | None = None,
        when_full: WhenFull = "refuse",
        single_session: bool = False,
        max_failures_per_address: int | None = 100,
        client_manager: Any = None,
        **options: Any,
    ) -> None:
        refused = sorted(_REFUSED_OPTIONS & options.keys())
        if refused:
            raise TypeError(f"AuthXSocket does not take {', '.join(refused)}")
        if async_mode != "asgi":
            raise ValueError(f"async_mode is 'asgi' on a FastAPI app, not {async_mode!r}")
        if auth is None:
            logger.warning("AuthXSocket has no auth: every connection is anonymous, guards deny them all")
        if "*" in (options.get("namespaces") or ()):
            raise TypeError("AuthXSocket serves the namespaces that have handlers, and those given by name")
        if max_in_flight < 1:
            raise ValueError("max_in_flight is at least 1")
        if not (0 <= grace < inf and 0 <= expiring_before < inf and 0 < sweep_interval < inf):
            raise ValueError("grace, expiring_before and sweep_interval are seconds, and the last is not 0")
        options.setdefault("serializer", Packet)
        self._origins = OriginPolicy(cors_allowed_origins, cache(lambda: read_cors_rules(app)))
        self._dispatcher = Dispatcher(
            Supply(
                provided={AuthXSocket: self},
                config=None if auth is None else auth.config,
                overrides=lambda: getattr(app, "dependency_overrides", {}),
            ),
            deny_unguarded=deny_unguarded,
            allow_anonymous=allow_anonymous or auth is None,
        )
        self.sio = Server(
            door=Door(auth, self._origins, allow_anonymous=allow_anonymous),
            dispatcher=self._dispatcher,
            connect_timeout=connect_timeout,
            max_in_flight=max_in_flight,
            grace=grace,
            expiring_before=expiring_before,
            sweep_interval=sweep_interval,
            max_connections_per_user=max_connections_per_user,
            when_full=when_full,
            single_session=single_session,
            max_failures_per_address=max_failures_per_address,
            origins=self._origins,
            client_manager=client_manager,
            async_mode=async_mode,
            logger=_logger("authx.socket.server", options.pop("logger", False)),
            engineio_logger=_logger("authx.socket.engine", options.pop("engineio_logger", False)),
            **options,
        )
        for waiting in self._waiting.handlers:
            self._register(*waiting)
        self._waiting.handlers.clear()
        self._instances.add(self)
        setattr(app, "sio", self.sio)  # noqa: B010 - the name apps know; Starlette declares no such attribute
        self.auth = auth
        """The app's ``AuthX``."""
        self.path = f"{mount_location.rstrip('/')}/{socketio_path.strip('/')}"
        """Where it is served, as clients give it in their ``path`` option."""
        # At the root that would be a path of the app's own.
        below = mount_location.rstrip("/") or self.path
        self._mount(app, self.path, f"{below}/refresh")
        _shut_down_with(app, self.shutdown)

    # Handlers -----------------------------------------------------------------------------------------

    @Shared
    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None
    ) -> Callable[[_F], _F]:
        """Register a handler, as a decorator or at once.

        Raises:
            ReservedNameError: for an event that no client can send.
            TypeError: for a signature that cannot work.
        """

        def register(function: _F) -> _F:
            self._register(event, function, namespace)
            return function

        if handler is not None:
            register(handler)
        return register

    @event_decorator
    @Shared
    def event(
        self, handler: Callable[..., Any] | None = None, *, namespace: str | None = None
    ) -> Callable[..., Any]:
        """Register a handler of the event that has the function's name: ``@socket.event``."""

        def register(function: _F) -> _F:
            self._register(function.__name__, function, namespace)
            return function

        return register if handler is None else register(handler)

    @event_decorator
    @Shared
    def on_refresh(
        self, handler: Callable[..., Any] | None = None, *, namespace: str | None = None
    ) -> Callable[..., Any]:
        """Register what is called when a connection goes on with a newer token: ``@socket.on_refresh``.

        Parameters are injected as into a connect handler. What it raises is logged, and undoes nothing.

        Raises:
            TypeError: for a signature that cannot work.
        """

        def register(function: _F) -> _F:
            self._dispatcher.on_refresh(function, namespace or "/")
            return function

        return register if handler is None else register(handler)

    def include_router(self, router: SocketRouter) -> None:
        """Take in the handlers of ``router``, those that it gets later, too.

        Raises:
            TypeError: for a handler whose signature cannot work.
        """
        router.include_into(self._dispatcher)

    def register_namespace(
        self, namespace: socketio.AsyncNamespace, *, allow_anonymous: bool = False
    ) -> None:
        """Take in a class-based namespace: an instance of a subclass of ``socketio.AsyncNamespace``.

        Args:
            namespace: Its ``on_...`` methods are handlers; parameters are injected as into functions.
            allow_anonymous: Let clients that show no credential connect to it.

        Raises:
            TypeError: for a method whose signature cannot work.
            ValueError: for what is no namespace of an asyncio server.
        """
        self.sio.register_namespace(namespace, allow_anonymous=allow_anonymous)

    def exception_handler(self, *kinds: type[Exception]) -> Callable[[_F], _F]:
        """Let a function answer exceptions of some classes: ``@socket.exception_handler(Exc)``.

        ``handler(connection, error)`` is sync or async; what it gives is the acknowledgement. A router may
        have a nearer one.
        """
        return self._dispatcher.exception_handler(*kinds)

    def unguarded(self) -> list[tuple[str, str]]:
        """The events that carry no guard, each as namespace and event."""
        return self._dispatcher.unguarded()

    # Audiences ----------------------------------------------------------------------------------------

    @Shared
    def to_user(self, *users: str) -> Audience:
        """Everything that ``users`` have open, on every device."""
        return self._audience(user_room, users)

    @Shared
    def to_role(self, *roles: str) -> Audience:
        """Everybody who has any of ``roles``."""
        return self._audience(role_room, roles)

    @Shared
    def to_session(self, *sessions: str) -> Audience:
        """Everything opened with one of the login ``sessions``."""
        return self._audience(session_room, sessions)

    @Shared
    def to_room(self, *rooms: str) -> Audience:
        """Everybody in any of the app's ``rooms``; a sid is the room of one connection.

        Raises:
            ReservedNameError: for a room that belongs to the library.
        """
        check_room(*rooms)
        return self._audience(lambda room: room, rooms)

    @Shared
    def everyone(self) -> Audience:
        """Everybody, in one namespace."""
        return Audience(self.sio, Selection(rooms=None))

    async def update_user(
        self, user: str, *, scopes: Iterable[str] | None = None, roles: Iterable[str] | None = None
    ) -> int:
        """Give the connections of ``user`` on this node other rights, until they show a newer token.

        Roles, rooms and guards follow at once, and the clients are told with ``authx:session``. Who comes in
        later has the rights of their token. A connection whose guards take longer to judge it than
        ``connect_timeout`` is ended.

        Args:
            user: Whose.
            scopes: In place of theirs; None leaves them.
            roles: In place of theirs; None leaves them.

        Returns:
            How many connections that were.

        Raises:
            TypeError: for scopes or roles that are no collection of strings.
        """
        return await self.sio.update_user(user, scopes=scopes, roles=roles)

    # What python-socketio's server offers, by the names that apps know ---------------------------------

    emit = forwarded(Server.emit)
    send = forwarded(Server.send)
    call = forwarded(Server.call)
    enter_room = forwarded(Server.enter_room)
    leave_room = forwarded(Server.leave_room)
    close_room = forwarded(Server.close_room)
    rooms = forwarded(Server.rooms)
    get_session = forwarded(Server.get_session)
    save_session = forwarded(Server.save_session)
    session = forwarded(Server.session)
    disconnect = forwarded(Server.disconnect)
    handle_request = forwarded(Server.handle_request)
    start_background_task = forwarded(Server.start_background_task)
    sleep = forwarded(Server.sleep)
    is_asyncio_based = forwarded(Server.is_asyncio_based)

    @Shared
    def attach(self, app: Starlette, socketio_path: str = "socket.io") -> None:
        """Serve the same socket on a further app, at ``/{socketio_path}``, and refresh below that."""
        path = f"/{socketio_path.strip('/')}"
        self._mount(app, path, f"{path}/refresh")

    async def shutdown(self) -> None:
        """Close every transport and end every task; the app's lifespan does it."""
        await self.sio.shutdown()

    # Insides ------------------------------------------------------------------------------------------

    def _register(self, event: str, handler: Callable[..., Any], namespace: str | None) -> None:
        self._dispatcher.register(event, handler, namespace or "/")

    def _audience(self, room: Callable[[str], str], names: tuple[str, ...]) -> Audience:
        if not names:
            raise ValueError("an audience needs at least one name")
        return Audience(self.sio, Selection(tuple(map(room, names))))

    def _mount(self, app: Starlette, path: str, refresh_path: str) -> None:
        if self.auth is not None:
            _serve_refresh(app, refresh_path, self.sio, self._origins)
        app.router.routes.append(Mount(path, app=self._serve))
        app.state.authx_socket = self

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.sio.handle_request(scope, receive, send)

    @classmethod
    def _only(cls, method: str) -> Any:
        instances = list(cls._instances)
        if len(instances) > 1:
            raise RuntimeError(
                f"there are {len(instances)} AuthXSocket instances: call {method} on one of them"
            )
        if instances:
            return instances[0]
        if method in ("on", "event"):
            return cls._waiting
        raise RuntimeError(f"AuthXSocket.{method} needs an instance: AuthXSocket(app=app)")


def _serve_refresh(app: Starlette, path: str, server: Server, origins: OriginPolicy) -> None:
    for route in app.router.routes:
        endpoint = getattr(getattr(route, "endpoint", None), "__self__", None)
        if isinstance(endpoint, RefreshEndpoint) and getattr(route, "path", None) == path:
            endpoint.add(server, origins)
            return
    endpoint = RefreshEndpoint(server, origins)
    app.router.routes.append(Route(path, endpoint.answer, methods=endpoint.methods))


def _shut_down_with(app: Starlette, shutdown: Callable[[], Any]) -> None:
    """Call ``shutdown`` when the app's lifespan ends, before what the app itself cleans up."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: Any) -> AsyncIterator[Any]:
        async with inner(application) as state:
            try:
                yield state
            finally:
                await shutdown()

    app.router.lifespan_context = lifespan


def _logger(name: str, choice: bool | logging.Logger) -> logging.Logger:
    """python-socketio's ``logger`` option, except that False adds no handler to anything."""
    if isinstance(choice, logging.Logger):
        return choice
    chosen = logging.getLogger(name)
    if choice:
        chosen.setLevel(logging.INFO)
    return chosen
