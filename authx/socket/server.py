"""The Socket.IO server: python-socketio's, with a door.

The base class puts a sid into the room of everybody, then asks whether it may come in. Here it is the
other way round: a connection is an :class:`Arrival` until it is known who it is and the app agrees, and
enters the tables in one step that nothing can come between.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import socketio
from socketio import packet as packets
from socketio.async_pubsub_manager import AsyncPubSubManager
from socketio.exceptions import ConnectionRefusedError as AppRefusal

from authx.socket.audience import Delivery
from authx.socket.connection import Connection
from authx.socket.device import Arrival, Device
from authx.socket.dispatch import Dispatcher
from authx.socket.engine import Engine, read_handshake
from authx.socket.exceptions import Refusal, SocketError, code_for
from authx.socket.handshake import Door
from authx.socket.registry import Registry
from authx.socket.rooms import check_room, identity_rooms, is_reserved
from authx.socket.wire import (
    EXCEPTION_EVENT,
    SESSION_EVENT,
    check_emitted,
    error_body,
    exception_body,
    refusal_body,
    session_body,
    to_wire,
)

__all__ = ("Server",)

logger = logging.getLogger(__name__)

_DEFAULT = "/"


class Server(socketio.AsyncServer):
    """A Socket.IO server that lets nobody in unknown.

    Args:
        door: Says who is asking.
        dispatcher: The app's handlers.
        connect_timeout: Seconds that a transport may stay open without a connection.
        options: Options of ``socketio.AsyncServer`` and ``engineio.AsyncServer``.
    """

    def __init__(self, *, door: Door, dispatcher: Dispatcher, connect_timeout: float, **options: Any) -> None:
        super().__init__(**options)
        self.registry = Registry()
        self._door = door
        self._dispatcher = dispatcher
        self._connect_timeout = connect_timeout
        self._devices: dict[str, Device] = {}
        self._arrivals: dict[str, Arrival] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    # Transports ---------------------------------------------------------------------------------------

    async def _handle_eio_connect(self, eio_sid: str, environ: Mapping[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        device = Device(eio_sid, read_handshake(environ["asgi.scope"]), environ)
        self._devices[eio_sid] = device
        self._start_deadline(device)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        device = self._devices.pop(eio_sid, None)
        if device is None:
            return
        device.closing = True
        device.cancel_deadline()
        for arrival in tuple(device.arrivals.values()):
            self._abandon(arrival)
        for connection in self.registry.of_device(eio_sid):
            await self._leave(connection, reason)
        self._binary_packet.pop(eio_sid, None)
        self.environ.pop(eio_sid, None)
        self.eio.forget(eio_sid, end_poll=reason == self.reason.CLIENT_DISCONNECT)

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
            await self._refuse(arrival, refusal_body(Refusal("connect_timeout")))
        await self.eio.drop(device.id)

    # Packets ------------------------------------------------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        if eio_sid not in self._devices:
            return
        try:
            packet = self._read(eio_sid, data)
        except Exception as error:  # noqa: BLE001 - parsers fail in many ways
            # Whatever a stranger wrote, it is theirs: the kind of mistake is logged, the text is not.
            logger.info("closing transport %s: a packet can't be read (%s)", eio_sid, type(error).__name__)
            await self.eio.drop(eio_sid)
            return
        if packet is None:
            return
        namespace = packet.namespace or _DEFAULT
        if packet.packet_type == packets.CONNECT:
            await self._handle_connect(eio_sid, namespace, packet.data)
        elif packet.packet_type == packets.DISCONNECT:
            await self._handle_disconnect(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
        elif packet.packet_type in (packets.EVENT, packets.BINARY_EVENT):
            await self._handle_event(eio_sid, namespace, packet.id, packet.data)
        else:
            await self._handle_ack(eio_sid, namespace, packet.id, packet.data)

    def _read(self, eio_sid: str, data: str | bytes) -> Any:
        """The packet that ``data`` is or completes; None while attachments are missing.

        Raises:
            Exception: of whatever kind, for anything that is no packet of a client.
        """
        packet = self._binary_packet.pop(eio_sid, None)
        if packet is None:
            packet = self.packet_class(encoded_packet=data)
            _check_shape(packet)
            binary = packet.packet_type in (packets.BINARY_EVENT, packets.BINARY_ACK)
            complete = not binary or packet.attachment_count == 0
            if binary and self.registry.at(eio_sid, packet.namespace or _DEFAULT) is None:
                raise ValueError("an attachment before the door")
        else:
            if not isinstance(data, bytes):
                raise TypeError("an attachment is missing")
            complete = packet.add_attachment(data)
        if complete:
            return packet
        self._binary_packet[eio_sid] = packet
        return None

    # The door -----------------------------------------------------------------------------------------

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        namespace = namespace or _DEFAULT
        device = self._devices[eio_sid]
        if not self._serves(namespace):
            await self._send_packet(
                eio_sid,
                self.packet_class(
                    packets.CONNECT_ERROR, data={"message": "Invalid namespace"}, namespace=namespace
                ),
            )
            return
        arrival = Arrival(self.eio.generate_id(), namespace, device)
        if namespace in device.arrivals or self.registry.at(eio_sid, namespace) is not None:
            await self._refuse(arrival, refusal_body(Refusal("too_many_connections")))
            return
        self._arrivals[arrival.sid] = device.arrivals[namespace] = arrival
        # Not awaited: while the door decides, the transport goes on being read, so its end is noticed.
        arrival.task = self._spawn(self._receive(arrival, data))

    def _serves(self, namespace: str) -> bool:
        return (
            self.namespaces == "*" or namespace in self.namespaces or namespace in self._dispatcher.namespaces
        )

    async def _receive(self, arrival: Arrival, payload: Any) -> None:
        """Admit an arrival, or refuse it with a code. Either way it is no arrival afterwards."""
        try:
            connection = await self._vet(arrival, payload)
            if self._is_under_way(arrival):
                await self._admit(arrival, connection)
        except (AppRefusal, ConnectionRefusedError) as error:
            await self._refuse(arrival, _app_refusal_body(error))
        except Exception as error:
            refusal = error if isinstance(error, SocketError) else Refusal(code_for(error))
            if refusal.code in ("internal_error", "store_unavailable"):
                cause = error.__cause__ if refusal is error else error
                logger.exception("connecting to %s failed: %s", arrival.namespace, refusal, exc_info=cause)
            await self._refuse(arrival, refusal_body(refusal))
        finally:
            self._turn_away(arrival)

    async def _vet(self, arrival: Arrival, payload: Any) -> Connection:
        device = arrival.device
        limit = asyncio.timeout(self._connect_timeout)
        try:
            async with limit:
                identity = await self._door.identify(device.handshake, payload)
                connection = Connection(
                    sid=arrival.sid,
                    namespace=arrival.namespace,
                    device=device.id,
                    identity=identity,
                    connected_at=time.time(),
                    address=device.handshake.address,
                    user_agent=device.handshake.headers.get("user-agent"),
                    key=secrets.token_urlsafe(24),
                )
                await self._dispatcher.connect(connection, device.environ, payload)
        except TimeoutError:
            if limit.expired():
                raise Refusal("connect_timeout") from None
            raise
        if arrival.turned_away:
            raise Refusal("policy_denied", "Connection refused")
        return connection

    async def _admit(self, arrival: Arrival, connection: Connection) -> None:
        sid, namespace, device = connection.sid, connection.namespace, arrival.device
        # No await from here to the packets: nobody sees the connection in some tables and not in others.
        self._arrivals.pop(sid)
        device.arrivals.pop(namespace)
        device.cancel_deadline()
        self.registry.add(connection)
        identity = connection.identity
        for room in (None, sid, *(identity_rooms(identity) if identity else ()), *arrival.rooms):
            self.manager.basic_enter_room(sid, namespace, room, eio_sid=device.id)
        await self._send_packet(
            device.id, self.packet_class(packets.CONNECT, {"sid": sid}, namespace=namespace)
        )
        if identity is not None:
            body = session_body(identity, key=connection.key, now=time.time())
            await self._send_event(connection, SESSION_EVENT, body)
        for event, data in arrival.events:
            await self._send_event(connection, event, *_arguments(data))

    async def _refuse(self, arrival: Arrival, body: Mapping[str, Any]) -> None:
        # First out of the tables, then told: who hears of it may try again at once.
        self._turn_away(arrival)
        await self._send_packet(
            arrival.device.id,
            self.packet_class(packets.CONNECT_ERROR, data=body, namespace=arrival.namespace),
        )

    def _is_under_way(self, arrival: Arrival) -> bool:
        return self._arrivals.get(arrival.sid) is arrival and not arrival.device.closing

    def _turn_away(self, arrival: Arrival) -> None:
        """Forget that a connection was on its way in, and what it kept for itself on the way."""
        if self._arrivals.pop(arrival.sid, None) is not None:
            arrival.device.arrivals.pop(arrival.namespace)
            self.eio.forget_session(arrival.device.id, arrival.namespace)

    def _abandon(self, arrival: Arrival) -> None:
        """Stop letting a connection in. Its task may outlast this: a thread can't be cancelled."""
        self._turn_away(arrival)
        if arrival.task is not None:
            arrival.task.cancel()

    # Leaving ------------------------------------------------------------------------------------------

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        namespace = namespace or _DEFAULT
        arrival = self._devices[eio_sid].arrivals.get(namespace)
        if arrival is not None:
            self._abandon(arrival)
        connection = self.registry.at(eio_sid, namespace)
        if connection is not None:
            await self._leave(connection, reason or self.reason.CLIENT_DISCONNECT)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnect a sid from a namespace; with a client manager, on whatever node it is.

        In a connect handler this refuses the connection.
        """
        arrival = self._arrivals.get(sid)
        if arrival is not None:
            arrival.turned_away = True
            return
        namespace = namespace or _DEFAULT
        connection = self.registry.get(sid)
        if connection is not None and connection.namespace == namespace:
            await self._send_packet(
                connection.device, self.packet_class(packets.DISCONNECT, namespace=namespace)
            )
            await self._leave(connection, self.reason.SERVER_DISCONNECT)
        elif not ignore_queue:
            # Not here: a manager with a bus asks the other nodes.
            await self.manager.can_disconnect(sid, namespace)

    async def _leave(self, connection: Connection, reason: str) -> None:
        """Take a connection out of every table and tell the app, once however many ways it ends."""
        sid, namespace = connection.sid, connection.namespace
        if self.registry.remove(sid) is None:
            return
        self.manager.pre_disconnect(sid, namespace)
        self._binary_packet.pop(connection.device, None)
        try:
            await self._dispatcher.disconnect(connection, reason)
        finally:
            await self.manager.disconnect(sid, namespace, ignore_queue=True)
            self.eio.forget_session(connection.device, namespace)
            device = self._devices.get(connection.device)
            if device is not None and not self.registry.of_device(device.id):
                self._start_deadline(device)

    # Events -------------------------------------------------------------------------------------------

    async def _handle_event(
        self, eio_sid: str, namespace: str | None, ack: int | None, data: list[Any]
    ) -> None:
        connection = self.registry.at(eio_sid, namespace or _DEFAULT)
        if connection is None:
            return
        # Tasks start in the order they were made, so events start in the order they came.
        self._spawn(self._run_event(connection, data[0], data[1:], ack))

    async def _run_event(
        self, connection: Connection, event: str, arguments: list[Any], ack: int | None
    ) -> None:
        outcome = await self._dispatcher.event(connection, event, arguments)
        if self.registry.get(connection.sid) is not connection:
            return
        failure = outcome.failure
        if ack is not None:
            data = list(outcome.values) if failure is None else [error_body(failure)]
            await self._send_packet(
                connection.device,
                self.packet_class(packets.ACK, namespace=connection.namespace, id=ack, data=data),
            )
        elif failure is not None:
            await self._send_event(connection, EXCEPTION_EVENT, exception_body(failure, event))

    async def _send_event(self, connection: Connection, event: str, *arguments: Any) -> None:
        await self._send_packet(
            connection.device,
            self.packet_class(packets.EVENT, namespace=connection.namespace, data=[event, *arguments]),
        )

    # Emitting -----------------------------------------------------------------------------------------

    async def transmit(
        self, event: str, arguments: tuple[Any, ...], *, namespace: str, rooms: tuple[str, ...]
    ) -> Delivery:
        """Send ``event`` to the connections in any of ``rooms``, wherever the manager reaches them."""
        devices = {member.device for member in self.members(namespace=namespace, rooms=rooms)}
        data = tuple(map(to_wire, arguments))
        await self.manager.emit(event, data, namespace=namespace, room=list(rooms))
        return Delivery(
            devices=len(devices),
            nodes=1 if devices else 0,
            complete=not isinstance(self.manager, AsyncPubSubManager),
        )

    def members(self, *, namespace: str, rooms: tuple[str, ...]) -> list[Connection]:
        """The connections of this node that are in any of ``rooms``."""
        found = (self.registry.get(sid) for sid, _ in self.manager.get_participants(namespace, list(rooms)))
        return [connection for connection in found if connection is not None]

    async def emit(  # noqa: PLR0917 - python-socketio's signature
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: Any = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> None:
        """python-socketio's ``emit``.

        Events for a sid that is on its way in are held until it is admitted. An empty ``to`` or ``room``
        reaches nobody; only None means everybody.

        Raises:
            ReservedNameError: for an event or a room that belongs to the library.
        """
        check_emitted(event)
        target = room if to is None else to
        names = list(target) if isinstance(target, (list, tuple, set, frozenset)) else [target]
        check_room(*names)
        if target is not None:
            for arrival in filter(None, map(self._arrivals.get, names)):
                if callback is not None:
                    raise RuntimeError("a sid can't acknowledge anything before it is connected")
                arrival.events.append((event, data))
                names.remove(arrival.sid)
            if not names:
                return
        await super().emit(
            event,
            data,
            room=names[0] if len(names) == 1 else names,
            skip_sid=skip_sid,
            namespace=namespace,
            callback=callback,
            ignore_queue=ignore_queue,
        )

    # Rooms and sessions of a sid that may still be on its way in ----------------------------------------

    async def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put ``sid`` into a room of the app.

        Raises:
            ReservedNameError: for a room that belongs to the library.
        """
        check_room(room)
        arrival = self._arrivals.get(sid)
        if arrival is None:
            await super().enter_room(sid, room, namespace)
        else:
            arrival.rooms.add(room)

    async def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take ``sid`` out of a room of the app.

        Raises:
            ReservedNameError: for a room that belongs to the library.
        """
        check_room(room)
        arrival = self._arrivals.get(sid)
        if arrival is None:
            await super().leave_room(sid, room, namespace)
        else:
            arrival.rooms.discard(room)

    async def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everybody out of a room of the app.

        Raises:
            ReservedNameError: for a room that belongs to the library.
        """
        check_room(room)
        await super().close_room(room, namespace)

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """The rooms of the app that ``sid`` is in; the library's own are not listed."""
        arrival = self._arrivals.get(sid)
        if arrival is not None:
            return [sid, *arrival.rooms]
        return [room for room in super().rooms(sid, namespace) if not is_reserved(room)]

    async def get_session(self, sid: str, namespace: str | None = None) -> Any:
        """python-socketio's per-connection dict."""
        arrival = self._arrivals.get(sid)
        if arrival is None:
            return await super().get_session(sid, namespace)
        kept = await self.eio.get_session(arrival.device.id)
        return kept.setdefault(arrival.namespace, {})

    async def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """Replace python-socketio's per-connection dict."""
        arrival = self._arrivals.get(sid)
        if arrival is None:
            await super().save_session(sid, session, namespace)
        else:
            (await self.eio.get_session(arrival.device.id))[arrival.namespace] = session

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """``polling`` or ``websocket``."""
        arrival = self._arrivals.get(sid)
        name: str = (
            super().transport(sid, namespace) if arrival is None else self.eio.transport(arrival.device.id)
        )
        return name

    def get_environ(self, sid: str, namespace: str | None = None) -> Any:
        """The WSGI-like environment of the handshake."""
        arrival = self._arrivals.get(sid)
        return super().get_environ(sid, namespace) if arrival is None else arrival.device.environ

    # Registering --------------------------------------------------------------------------------------

    def on(self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None) -> Any:
        """Register a handler, as ``AuthXSocket.on`` does."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self._dispatcher.register(event, function, namespace or _DEFAULT)
            return function

        return register if handler is None else register(handler)

    def register_namespace(self, namespace_handler: Any) -> None:
        """Refused: guards and the door know functions, and a class would go round them."""
        raise NotImplementedError("class-based namespaces are not supported; register functions")

    async def shutdown(self) -> None:
        """Close every transport and end every task of the server."""
        for device in tuple(self._devices.values()):
            await self.eio.drop(device.id)
        listener = getattr(self.manager, "thread", None)
        ending = [*self._tasks, *([listener] if listener is not None else [])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await super().shutdown()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _check_shape(packet: Any) -> None:
    """Raise for what is no packet that a client may send."""
    data = packet.data
    if packet.packet_type in (packets.EVENT, packets.BINARY_EVENT):
        if not (isinstance(data, list) and data and isinstance(data[0], str)):
            raise TypeError("an event is a list that starts with its name")
    elif packet.packet_type in (packets.ACK, packets.BINARY_ACK):
        if not isinstance(data, list) or packet.id is None:
            raise TypeError("an acknowledgement is a list with an id")
    elif packet.packet_type not in (packets.CONNECT, packets.DISCONNECT):
        raise ValueError("not a packet of a client")


def _arguments(data: Any) -> list[Any]:
    """As python-socketio: a tuple is several arguments, None is none."""
    if isinstance(data, tuple):
        return list(data)
    return [] if data is None else [data]


def _app_refusal_body(error: Exception) -> dict[str, Any]:
    """The app's own words where it has some; a code where it left the data to us."""
    body = refusal_body(Refusal("policy_denied", "Connection refused"))
    said = getattr(error, "error_args", {"message": "Connection refused by server"})
    if isinstance(said.get("data"), Mapping):
        said = {**said, "data": {**body["data"], **said["data"]}}
    return {**body, **said}
