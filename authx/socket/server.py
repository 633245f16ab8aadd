"""The Socket.IO server: python-socketio's, with a door.

The base class puts a sid into the room of everybody, then asks whether it may come in. Here it is the
other way round: a connection is an :class:`Arrival` until it is known who it is and the app agrees, and
enters the tables in one step that nothing can come between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import socketio
from socketio import packet as packets
from socketio.async_pubsub_manager import AsyncPubSubManager

from authx.socket.admission import Admission
from authx.socket.audience import Delivery
from authx.socket.connection import Connection
from authx.socket.device import Arrival, Device
from authx.socket.dispatch import Dispatcher
from authx.socket.engine import Engine, read_handshake
from authx.socket.exceptions import Refusal
from authx.socket.handshake import Door
from authx.socket.packets import PacketReader
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
        self._admission = Admission(door, dispatcher, timeout=connect_timeout, clock=time.time)
        self._reader = PacketReader(self.packet_class, self._is_connected)
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
        device = self._devices[eio_sid]
        device.closing = True
        device.cancel_deadline()
        for arrival in tuple(device.arrivals.values()):
            self._abandon(arrival)
        for connection in self.registry.of_device(eio_sid):
            self._leave(connection, reason)
        if device.leaving:
            await asyncio.wait(device.leaving.values())
        self._reader.forget(eio_sid)
        del self._devices[eio_sid], self.environ[eio_sid]
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
            await self._refuse(arrival, Refusal("connect_timeout"))
        await self.eio.drop(device.id)

    # Packets ------------------------------------------------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        device = self._devices.get(eio_sid)
        if device is None or device.closing:
            return
        try:
            packet = self._reader.read(eio_sid, data)
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
        if namespace in device.arrivals or self._is_connected(eio_sid, namespace):
            await self._refuse(arrival, Refusal("too_many_connections"))
            return
        self._arrivals[arrival.sid] = device.arrivals[namespace] = arrival
        # Not awaited: while the door decides, the transport goes on being read, so its end is noticed.
        arrival.task = self._spawn(self._receive(arrival, data))

    def _is_connected(self, device: str, namespace: str) -> bool:
        return self.registry.at(device, namespace) is not None

    def _serves(self, namespace: str) -> bool:
        return (
            self.namespaces == "*" or namespace in self.namespaces or namespace in self._dispatcher.namespaces
        )

    async def _receive(self, arrival: Arrival, payload: Any) -> None:
        """Admit an arrival, or refuse it with a code. Either way it is no arrival afterwards."""
        leaving = arrival.device.leaving.get(arrival.namespace)
        try:
            if leaving is not None:
                await asyncio.wait({leaving})
            connection = await self._admission.decide(arrival, payload)
            if self._is_under_way(arrival):
                self._enter(arrival, connection)
                await self._greet(arrival, connection)
        except Refusal as refusal:
            await self._refuse(arrival, refusal)
        finally:
            self._turn_away(arrival)

    def _enter(self, arrival: Arrival, connection: Connection) -> None:
        """Put a connection into every table at once, or into none."""
        sid, namespace, device = connection.sid, connection.namespace, arrival.device
        identity = connection.identity
        own = identity_rooms(identity) if identity is not None else ()
        try:
            for room in (None, sid, *own, *arrival.rooms):
                self.manager.basic_enter_room(sid, namespace, room, eio_sid=device.id)
        except Exception as error:
            self.manager.basic_disconnect(sid, namespace)
            logger.exception("a connection to %s can't enter its rooms", namespace)
            raise Refusal("internal_error") from error
        self._arrivals.pop(sid)
        device.arrivals.pop(namespace)
        device.cancel_deadline()
        self.registry.add(connection)

    async def _greet(self, arrival: Arrival, connection: Connection) -> None:
        """Tell the client that it is in, who it is taken for, and what was held for it, in this order."""
        answer = self.packet_class(packets.CONNECT, {"sid": connection.sid}, namespace=connection.namespace)
        await self._send_packet(connection.device, answer)
        if connection.identity is not None:
            body = session_body(connection.identity, key=connection.key, now=time.time())
            await self._send_event(connection, SESSION_EVENT, body)
        for event, data in arrival.events:
            await self._send_event(connection, event, *_arguments(data))

    async def _refuse(self, arrival: Arrival, refusal: Refusal) -> None:
        # First out of the tables, then told: who hears of it may try again at once.
        self._turn_away(arrival)
        await self._send_packet(
            arrival.device.id,
            self.packet_class(packets.CONNECT_ERROR, data=refusal_body(refusal), namespace=arrival.namespace),
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
            # Not awaited: however long the app says goodbye, the transport goes on being read.
            self._leave(connection, reason or self.reason.CLIENT_DISCONNECT)

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
            device = self._devices[connection.device]
            self._leave(connection, self.reason.SERVER_DISCONNECT)
            await self._send_packet(device.id, self.packet_class(packets.DISCONNECT, namespace=namespace))
            if namespace in device.leaving:
                await asyncio.wait({device.leaving[namespace]})
        elif not ignore_queue:
            # Not here: a manager with a bus asks the other nodes.
            await self.manager.can_disconnect(sid, namespace)

    def _leave(self, connection: Connection, reason: str) -> None:
        """End a connection, once however many ways it ends; the app is told in a task of its own."""
        if self.registry.remove(connection.sid) is None:
            return
        device = self._devices[connection.device]
        self.manager.pre_disconnect(connection.sid, connection.namespace)
        device.leaving[connection.namespace] = self._spawn(self._say_goodbye(device, connection, reason))
        if not device.closing and not self.registry.of_device(device.id):
            self._start_deadline(device)

    async def _say_goodbye(self, device: Device, connection: Connection, reason: str) -> None:
        sid, namespace = connection.sid, connection.namespace
        try:
            await self._dispatcher.disconnect(connection, reason)
        finally:
            await self.manager.disconnect(sid, namespace, ignore_queue=True)
            self.eio.forget_session(device.id, namespace)
            del device.leaving[namespace]

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
            ValueError: for the room that another sid is.
        """
        check_room(room)
        if room != sid and self.registry.get(room) is not None:
            raise ValueError("the room of another sid can't be entered")
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


def _arguments(data: Any) -> list[Any]:
    """As python-socketio: a tuple is several arguments, None is none."""
    if isinstance(data, tuple):
        return list(data)
    return [] if data is None else [data]
