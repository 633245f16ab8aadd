"""The Socket.IO server: python-socketio's, with a door.

The base class puts a sid into the room of everybody, then asks whether it may come in. Here it is the
other way round: a connection is an :class:`Arrival` until it is known who it is and the app agrees, and
enters the tables in one step that nothing can come between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import socketio
from socketio import packet as packets

from authx.socket.admission import Admission
from authx.socket.connection import Connection
from authx.socket.device import Arrival, Device
from authx.socket.dispatch import Dispatcher
from authx.socket.engine import Engine
from authx.socket.environ import read_handshake
from authx.socket.exceptions import Refusal
from authx.socket.handshake import Door
from authx.socket.limits import FailureThrottle, UserLimits, WhenFull
from authx.socket.namespace import register_methods
from authx.socket.packets import PacketReader
from authx.socket.renewal import Renewal
from authx.socket.rooms import identity_rooms
from authx.socket.wire import REFRESH_EVENT, SESSION_EVENT, refusal_body

__all__ = ("Server",)

logger = logging.getLogger(__name__)

_DEFAULT = "/"
_MOST_REFUSALS = 10
"""After so many a transport on which nobody was ever admitted is closed."""
_GOODBYE_TIMEOUT = 5.0
"""Seconds that the app's disconnect handlers have when everything ends."""


class Server(Renewal):
    """A Socket.IO server that lets nobody in unknown.

    Args:
        door: Says who is asking.
        dispatcher: The app's handlers.
        connect_timeout: Seconds that a transport may stay open without a connection.
        max_connections_per_user: As in :class:`AuthXSocket`, as are the next three.
        when_full: What then.
        single_session: One login session at a time.
        max_failures_per_address: Refused handshakes per minute.
        options: Of :class:`Renewal`, ``socketio.AsyncServer`` and ``engineio.AsyncServer``.
    """

    def __init__(
        self,
        *,
        door: Door,
        dispatcher: Dispatcher,
        connect_timeout: float,
        max_connections_per_user: int | None = None,
        when_full: WhenFull = "refuse",
        single_session: bool = False,
        max_failures_per_address: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(door=door, dispatcher=dispatcher, judge_timeout=connect_timeout, **options)
        self._limits = UserLimits(
            self.registry,
            most=max_connections_per_user,
            when_full=when_full,
            single_session=single_session,
        )
        self._admission = Admission(
            door,
            dispatcher,
            limits=self._limits,
            failures=FailureThrottle(max_failures_per_address),
            timeout=connect_timeout,
            clock=time.time,
        )
        self._reader = PacketReader(
            self.packet_class, self._is_connected, max_bytes=self.eio.max_http_buffer_size
        )
        self._connect_timeout = connect_timeout

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    # Transports ---------------------------------------------------------------------------------------

    async def _handle_eio_connect(self, eio_sid: str, environ: Mapping[str, Any]) -> None:
        if not self.manager_initialized:
            self._dispatcher.warn_of_lost_guards()
        await super()._handle_eio_connect(eio_sid, environ)
        self._home = asyncio.get_running_loop()
        device = Device(eio_sid, read_handshake(environ["asgi.scope"]), environ)
        self._devices[eio_sid] = device
        self._start_deadline(device)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        device = self._devices.pop(eio_sid)
        del self.environ[eio_sid]
        device.closing = True
        device.cancel_deadline()
        for arrival in tuple(device.arrivals.values()):
            self._abandon(arrival)
        for connection in self.registry.on(eio_sid):
            self._leave(device, connection, reason)
        self._reader.forget(eio_sid)

    def _start_deadline(self, device: Device) -> None:
        """Close the transport unless a connection is admitted in time."""

        def expire() -> None:
            self._spawn(self._close_unconnected(device))

        device.cancel_deadline()
        device.deadline = asyncio.get_running_loop().call_later(self._connect_timeout, expire)

    async def _close_unconnected(self, device: Device) -> None:
        device.closing = True
        for arrival in tuple(device.arrivals.values()):
            self._abandon(arrival)
            self._refuse(arrival, Refusal("connect_timeout"))
        await self.eio.drop(device.id)

    # Packets ------------------------------------------------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        device = self._devices.get(eio_sid)
        if device is None or device.closing:
            return
        try:
            packet = self._reader.read(eio_sid, data)
        except Exception as error:  # noqa: BLE001 - parsers fail in many ways
            # Whatever a stranger wrote, it is theirs: the kind of mistake is logged, the text is not.
            logger.info("closing %s: a packet can't be read (%s)", device.name, type(error).__name__)
            await self.eio.drop(eio_sid)
            return
        if packet is None:
            return
        namespace = packet.namespace or _DEFAULT
        if packet.packet_type == packets.CONNECT:
            device.begun = True
            await self._handle_connect(eio_sid, namespace, packet.data)
        elif not device.begun:
            logger.info("closing %s: it begins with another packet than CONNECT", device.name)
            await self.eio.drop(eio_sid)
        elif packet.packet_type == packets.DISCONNECT:
            await self._handle_disconnect(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
        elif packet.packet_type in (packets.EVENT, packets.BINARY_EVENT):
            connection = self.registry.at(eio_sid, namespace)
            if connection is None:
                return
            if packet.data[0] == REFRESH_EVENT and self._login is not None:
                await self._handle_refresh(connection, packet.id, packet.data[1:])
            else:
                await self._take_event(connection, packet.id, packet.data)
        else:
            await self._handle_ack(eio_sid, namespace, packet.id, packet.data)

    # The door -----------------------------------------------------------------------------------------

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        namespace = namespace or _DEFAULT
        device = self._devices[eio_sid]
        self.obey_clock()
        if not self._serves(namespace):
            self._send(eio_sid, packets.CONNECT_ERROR, namespace, {"message": "Invalid namespace"})
            return
        arrival = Arrival(self.eio.generate_id(), namespace, device)
        if namespace in device.arrivals or self._is_connected(eio_sid, namespace):
            self._refuse(arrival, Refusal("too_many_connections"))
            return
        self._arrivals[arrival.sid] = device.arrivals[namespace] = arrival
        # Not awaited: while the door decides, the transport goes on being read, so its end is noticed.
        arrival.task = self._spawn(self._receive(arrival, data))

    def _is_connected(self, transport: str, namespace: str) -> bool:
        return self.registry.at(transport, namespace) is not None

    def _serves(self, namespace: str) -> bool:
        return namespace in self.namespaces or namespace in self._dispatcher.namespaces

    async def _receive(self, arrival: Arrival, payload: Any) -> None:
        """Admit an arrival, or refuse it with a code. Either way it is no arrival afterwards."""
        try:
            with self._notices.watch() as watch:
                connection = await self._admission.decide(arrival, payload)
                if self._is_under_way(arrival):
                    self._check_still_good(connection.identity, watch)
                    self._enter(arrival, connection)
                    self._greet(arrival, connection)
        except Refusal as refusal:
            if self._is_under_way(arrival):
                self._refuse(arrival, refusal)
        finally:
            self._turn_away(arrival)

    def _enter(self, arrival: Arrival, connection: Connection) -> None:
        """Put a connection into every table at once, or into none; who has to make room leaves them."""
        sid, namespace, device = connection.sid, connection.namespace, arrival.device
        self.obey_clock()
        ending = self._limits.make_room(connection)
        identity = connection.identity
        own = identity_rooms(identity) if identity is not None else ()
        try:
            for room in (None, sid, *own, *arrival.rooms):
                self.manager.basic_enter_room(sid, namespace, room, eio_sid=device.id)
        except Exception as error:
            self.manager.basic_disconnect(sid, namespace)
            logger.exception("a connection to %s can't enter its rooms", namespace)
            raise Refusal("internal_error") from error
        self._turn_away(arrival)
        device.admitted = True
        device.cancel_deadline()
        self.eio.admit(device.id)
        self.registry.add(connection)
        self._begin(sid)
        self._look_after(connection)
        self.eio.sockets[device.id].session[namespace] = arrival.session
        self._end(ending)

    def _greet(self, arrival: Arrival, connection: Connection) -> None:
        """Tell the client that it is in, who it is taken for, and what was held for it, in this order."""
        transport, namespace = connection.transport, connection.namespace
        self._send(transport, packets.CONNECT, namespace, {"sid": connection.sid})
        if connection.identity is not None:
            body = self._session_of(connection, connection.identity)
            self._send(transport, packets.EVENT, namespace, [SESSION_EVENT, body])
        for frames, except_users in arrival.packets:
            if connection.user in except_users:
                continue
            self.put(transport, frames)

    def _refuse(self, arrival: Arrival, refusal: Refusal) -> None:
        # First out of the tables, then told: who hears of it may try again at once.
        self._turn_away(arrival)
        try:
            frames = self.encoded(packets.CONNECT_ERROR, arrival.namespace, refusal_body(refusal))
        except Exception:
            logger.exception("a refusal of %s can't be told: %s", arrival.namespace, refusal)
            body = refusal_body(Refusal("internal_error"))
            frames = self.encoded(packets.CONNECT_ERROR, arrival.namespace, body)
        self.put(arrival.device.id, frames)
        self._count_refusal(arrival.device)

    def _count_refusal(self, device: Device) -> None:
        """Close a transport that only keeps on guessing."""
        device.refusals += 1
        if device.refusals >= _MOST_REFUSALS and not device.admitted and not device.closing:
            device.closing = True
            self._spawn(self.eio.drop(device.id))

    def _is_under_way(self, arrival: Arrival) -> bool:
        return self._arrivals.get(arrival.sid) is arrival and not arrival.device.closing

    def _turn_away(self, arrival: Arrival) -> None:
        """Forget that a connection is on its way in."""
        if self._arrivals.pop(arrival.sid, None) is not None:
            del arrival.device.arrivals[arrival.namespace]

    def _abandon(self, arrival: Arrival) -> None:
        """Stop letting a connection in. Its task may outlast this: a thread can't be cancelled."""
        self._turn_away(arrival)
        if arrival.task is not None:
            arrival.task.cancel()
            arrival.device.abandoned.add(arrival.task)
            arrival.task.add_done_callback(arrival.device.abandoned.discard)

    # Leaving ------------------------------------------------------------------------------------------

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        namespace = namespace or _DEFAULT
        device = self._devices[eio_sid]
        arrival = device.arrivals.get(namespace)
        if arrival is not None:
            self._abandon(arrival)
        connection = self.registry.at(eio_sid, namespace)
        if connection is not None:
            self._leave(device, connection, reason or self.reason.CLIENT_DISCONNECT)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnect a sid from a namespace; with a client manager, on whatever node it is.

        In a connect handler this refuses the connection. The disconnect handler has run when this returns,
        except with ``ignore_queue``, by which a bus passes on what another node asked for.
        """
        arrival = self._arrivals.get(sid)
        if arrival is not None:
            arrival.turned_away = True
            return
        namespace = namespace or _DEFAULT
        connection = self.registry.get(sid)
        if connection is not None and connection.namespace == namespace:
            goodbye = self._leave(
                self._devices[connection.transport], connection, self.reason.SERVER_DISCONNECT
            )
            self._send(connection.transport, packets.DISCONNECT, namespace, None)
            if not ignore_queue:
                await asyncio.wait({goodbye})
        elif not ignore_queue:
            # Not here: a manager with a bus asks the other nodes.
            await self.manager.can_disconnect(sid, namespace)

    def _leave(self, device: Device, connection: Connection, reason: str) -> asyncio.Task[None]:
        goodbye = super()._leave(device, connection, reason)
        if not device.closing and not self.registry.on(device.id):
            self._start_deadline(device)
        return goodbye

    # Registering --------------------------------------------------------------------------------------

    def on(self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None) -> Any:
        """Register a handler, as ``AuthXSocket.on`` does."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self._dispatcher.register(event, function, namespace or _DEFAULT)
            return function

        return register if handler is None else register(handler)

    def register_namespace(
        self, namespace_handler: socketio.AsyncNamespace, *, allow_anonymous: bool = False
    ) -> None:
        """Register a class-based namespace, as ``AuthXSocket.register_namespace`` does."""
        # It refuses what is no namespace for asyncio, and lets the namespace's own methods find the server.
        super().register_namespace(namespace_handler)
        register_methods(self._dispatcher, namespace_handler, allow_anonymous=allow_anonymous)

    async def shutdown(self) -> None:
        """Close every transport and end every task of the server."""
        await asyncio.gather(*map(self.eio.drop, tuple(self._devices)))
        goodbyes = {task for departure in self._departures.values() if (task := departure.goodbye)}
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=_GOODBYE_TIMEOUT)
        listener = getattr(self.manager, "thread", None)
        ending = [task for task in (*self._tasks, listener) if task is not None and not task.done()]
        for task in ending:
            task.cancel()
        if ending:
            # A thread that hangs is left to itself.
            await asyncio.wait(ending, timeout=_GOODBYE_TIMEOUT)
        await super().shutdown()
        # An app may be started again, as tests do: a manager with a bus has to listen again.
        self.manager_initialized = False
