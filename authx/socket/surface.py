"""python-socketio's server as apps call it: emits, rooms and sessions of a sid.

What it adds: a sid on its way in or out is in no table, and can be asked and told things all the same; and
an app can't be talked into the names that belong to the library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import socketio
from socketio import packet as packets
from socketio.async_pubsub_manager import AsyncPubSubManager

from authx.socket.audience import Delivery, Reply, Selection
from authx.socket.connection import Connection
from authx.socket.device import Arrival, Departure, Passage
from authx.socket.manager import adopted
from authx.socket.packets import Packet, plain_text
from authx.socket.questions import Question, Questions
from authx.socket.registry import Registry
from authx.socket.rooms import check_room, is_reserved, is_user_room
from authx.socket.wire import check_emitted, to_wire

__all__ = ("Surface",)


class Surface(socketio.AsyncServer):
    """The public methods of ``socketio.AsyncServer``.

    Args:
        client_manager: A python-socketio client manager with a bus, for several processes.
        options: Its options, and those of ``engineio.AsyncServer``.
    """

    def __init__(self, *, client_manager: Any = None, **options: Any) -> None:
        super().__init__(client_manager=adopted(client_manager), **options)
        self.registry = Registry()
        self.questions = Questions()
        self._arrivals: dict[str, Arrival] = {}
        self._departures: dict[str, Departure] = {}

    def obey_clock(self) -> None:
        """Take those out of the tables whose time is over; before anybody is picked from them."""

    # Emitting -----------------------------------------------------------------------------------------

    async def transmit(self, event: str, arguments: tuple[Any, ...], selection: Selection) -> Delivery:
        """Send ``event`` to the connections of ``selection``, wherever the manager reaches them.

        Raises:
            NotImplementedError: for users left out of an audience that others have to gather.
        """
        rooms, namespace = selection.rooms, selection.namespace
        nodes_beside = isinstance(self.manager, AsyncPubSubManager)
        of_users = rooms is not None and all(map(is_user_room, rooms))
        if nodes_beside and selection.except_users and not of_users:
            raise NotImplementedError("other nodes can't be told which users to leave out: use to_user")
        if rooms is not None:
            if self._arrivals:
                rooms = self._not_held(event, _data(arguments), selection)
            if not rooms:
                return Delivery(devices=0, nodes=0, complete=True)
        members = self._within(replace(selection, rooms=rooms) if rooms != selection.rooms else selection)
        picked = list(filter(selection.picks, members)) if selection.excepts else members
        reached = {member.device for member in picked}
        if nodes_beside:
            left_out = selection.except_sids.union(member.sid for member in members).difference(
                member.sid for member in picked
            )
            await self.manager.emit(
                event,
                _data(arguments),
                namespace=namespace,
                room=None if rooms is None else list(rooms),
                skip_sid=list(left_out),
            )
        elif picked:
            frames = self.encoded_event(event, arguments, namespace)
            await self.deliver([member.transport for member in picked], frames)
        return Delivery(devices=len(reached), nodes=1 if reached else 0, complete=not nodes_beside)

    def _not_held(self, event: str, data: Any, selection: Selection) -> tuple[str, ...]:
        """The rooms of ``selection`` that are not sids on their way in; for those, the event is held."""
        return tuple(
            room
            for room in selection.rooms or ()
            if not self._hold(
                room,
                event,
                data,
                selection.namespace,
                except_sids=selection.except_sids,
                except_users=selection.except_users,
            )
        )

    async def ask(
        self, event: str, arguments: tuple[Any, ...], selection: Selection, *, timeout: float
    ) -> list[Reply]:
        """Send ``event`` to the connections of ``selection`` on this node, and wait for what they answer."""
        data = _data(arguments)
        self._check_encodes(selection.namespace, event, data)
        asked = [self.questions.put(member) for member in self.members(selection)]
        try:
            for question in asked:
                await self.manager.emit(
                    event,
                    data,
                    namespace=selection.namespace,
                    room=question.sid,
                    callback=question,
                    ignore_queue=True,
                )
            return await self.questions.replies(asked, timeout=timeout)
        finally:
            for question in asked:
                self._withdraw(question)

    def _withdraw(self, question: Question) -> None:
        """Forget a question everywhere, so that a late answer is an unknown one."""
        self.questions.withdraw(question)
        self.manager.withdraw(question.sid, question)

    def members(self, selection: Selection) -> list[Connection]:
        """The connections of ``selection`` on this node, oldest first."""
        found = filter(selection.picks, self._within(selection))
        return sorted(found, key=lambda connection: connection.connected_at)

    def _within(self, selection: Selection) -> list[Connection]:
        """The connections of this node in the rooms of ``selection``, its exceptions among them."""
        self.obey_clock()
        rooms = selection.rooms
        if rooms == ():
            return []
        find = self.registry.get
        members = self.manager.members(selection.namespace, rooms)
        return [connection for sid in members if (connection := find(sid)) is not None]

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
        """python-socketio's ``emit``; models and dataclasses may be emitted as they are.

        Events for a sid that is on its way in are held until it is admitted. An empty ``to`` or ``room``
        reaches nobody; only None means everybody.

        Raises:
            ReservedNameError: for an event or a room that belongs to the library.
            ValueError: for what is not the name of a room, or several.
        """
        check_emitted(event)
        data = tuple(map(to_wire, data)) if isinstance(data, tuple) else to_wire(data)
        if isinstance(skip_sid, (tuple, set, frozenset)):
            # Over a bus goes what JSON has.
            skip_sid = list(skip_sid)
        target = room if to is None else to
        if target is not None:
            target = list(target) if isinstance(target, (list, tuple, set, frozenset)) else [target]
            check_room(*target)
            skipped = frozenset(skip_sid if isinstance(skip_sid, list) else [skip_sid])
            target = [
                name
                for name in target
                if not self._hold(name, event, data, namespace, callback=callback, except_sids=skipped)
            ]
            if not target:
                return
            if len(target) == 1:
                [target] = target
        if callback is not None:
            self._check_encodes(namespace, event, data)
        self.obey_clock()
        await super().emit(
            event,
            data,
            room=target,
            skip_sid=skip_sid,
            namespace=namespace,
            callback=callback,
            ignore_queue=ignore_queue,
        )

    async def call(  # noqa: PLR0917 - python-socketio's signature
        self,
        event: str,
        data: Any = None,
        to: str | None = None,
        sid: str | None = None,
        namespace: str | None = None,
        timeout: float = 60,
        ignore_queue: bool = False,
    ) -> Any:
        """python-socketio's ``call``, which ends when the connection does and leaves nothing behind.

        Raises:
            socketio.exceptions.TimeoutError: if there is no answer in time, or will be none.
            ReservedNameError: for an event that belongs to the library.
        """
        target = to or sid
        if target is None:
            raise ValueError("call has no broadcasts: it needs a sid")
        check_emitted(event)
        self.obey_clock()
        connection = self.registry.get(target)
        if connection is None or connection.namespace != (namespace or "/"):
            # Perhaps on another node.
            return await self._call_elsewhere(target, event, data, namespace, timeout, ignore_queue)
        selection = Selection((connection.sid,), connection.namespace)
        [reply] = await self.ask(event, tuple(_arguments(data)), selection, timeout=timeout)
        if reply.outcome != "answered":
            raise socketio.exceptions.TimeoutError
        return _answer(reply.values)

    async def _call_elsewhere(  # noqa: PLR0917 - as call
        self, sid: str, event: str, data: Any, namespace: str | None, timeout: float, ignore_queue: bool
    ) -> Any:
        answered: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()

        def take(*values: Any) -> None:
            if not answered.done():
                answered.set_result(values)

        try:
            await self.emit(event, data, sid, namespace=namespace, callback=take, ignore_queue=ignore_queue)
            return _answer(await asyncio.wait_for(answered, timeout))
        except TimeoutError:
            raise socketio.exceptions.TimeoutError from None
        finally:
            self.manager.withdraw(sid, take)

    def _hold(
        self,
        name: Any,
        event: str,
        data: Any,
        namespace: str | None,
        *,
        callback: Callable[..., Any] | None = None,
        except_sids: frozenset[str],
        except_users: frozenset[str] = frozenset(),
    ) -> bool:
        """Keep an event for a sid that is on its way in; False if ``name`` is no such sid."""
        arrival = self._arrivals.get(name)
        if arrival is None or arrival.namespace != (namespace or "/"):
            return False
        if callback is not None:
            raise RuntimeError("a sid can't acknowledge anything before it is connected")
        if name not in except_sids:
            frames = self.encoded(packets.EVENT, arrival.namespace, [event, *_arguments(data)])
            arrival.packets.append((frames, except_users))
        return True

    # What the manager hands over -------------------------------------------------------------------------

    def encoded(self, kind: int, namespace: str, data: Any, ack: int | None = None) -> list[str | bytes]:
        """The Engine.IO frames of a packet.

        Raises:
            Exception: of whatever kind, for data that can't be told.
        """
        if self.packet_class is Packet:
            text = plain_text(kind, namespace, data, ack)
            if text is not None:
                return [f"4{text}"]
            # Which classes JSON takes would else be for whichever encoder is installed to say.
            data = to_wire(data)
        frames = self.packet_class(kind, data=data, namespace=namespace, id=ack).encode()
        return [f"4{frame}" if isinstance(frame, str) else frame for frame in _listed(frames)]

    def encoded_event(self, event: str, arguments: tuple[Any, ...], namespace: str) -> list[str | bytes]:
        """The Engine.IO frames of an event; models and dataclasses may be among the arguments.

        Raises:
            Exception: of whatever kind, for data that can't be told.
        """
        if self.packet_class is not Packet:
            # Ours looks through them itself, if it has to.
            arguments = tuple(map(to_wire, arguments))
        return self.encoded(packets.EVENT, namespace, [event, *arguments])

    def put(self, transport: str, frames: Iterable[str | bytes]) -> None:
        """Send the frames of one packet to a transport."""
        self.eio.put(transport, *frames)

    async def deliver(self, transports: Iterable[str], frames: Iterable[str | bytes]) -> None:
        """Send the frames of one packet to each of some transports, without waiting for any of them.

        All have been given theirs before anything else happens. Where much waits to be written by then, those
        who write are given a turn, for whoever emits may never do so.
        """
        find, much_waits = self.eio.sockets.get, False
        for sid in transports:
            transport = find(sid)
            if transport is not None:
                much_waits |= transport.put(*frames)
        if much_waits:
            await asyncio.sleep(0)

    # Rooms and sessions: a sid on its way in or out has its own -------------------------------------------

    def _passage(self, sid: str) -> Passage | None:
        return self._arrivals.get(sid) or self._departures.get(sid)

    async def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put ``sid`` into a room of the app.

        Raises:
            ReservedNameError: for a room that belongs to the library.
            ValueError: for what is not the name of a room, for the room that another sid is, and for a
                sid that is not connected.
        """
        check_room(room)
        if room != sid and (room in self._arrivals or self.registry.get(room) is not None):
            raise ValueError("the room of another sid can't be entered")
        passage = self._passage(sid)
        if passage is not None:
            passage.rooms.add(room)
        elif self.registry.get(sid) is not None or isinstance(self.manager, AsyncPubSubManager):
            await super().enter_room(sid, room, namespace)
        else:
            raise ValueError("the sid is not connected")

    async def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take ``sid`` out of a room of the app.

        Raises:
            ReservedNameError: for a room that belongs to the library.
            ValueError: for what is not the name of a room, and for the sid's own.
        """
        check_room(room)
        if room == sid:
            raise ValueError("a sid can't leave the room that it is")
        passage = self._passage(sid)
        if passage is None:
            await super().leave_room(sid, room, namespace)
        else:
            passage.rooms.discard(room)

    async def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take everybody out of a room of the app.

        Raises:
            ReservedNameError: for a room that belongs to the library.
            ValueError: for what is not the name of a room, and for the room that a sid is.
        """
        check_room(room)
        if self.registry.get(room) is not None:
            raise ValueError("the room of a sid can't be closed")
        await super().close_room(room, namespace)

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """The rooms of the app that ``sid`` is in; the library's own are not listed."""
        passage = self._passage(sid)
        found = [sid, *passage.rooms] if passage is not None else super().rooms(sid, namespace)
        return [room for room in found if not is_reserved(room)]

    async def get_session(self, sid: str, namespace: str | None = None) -> Any:
        """python-socketio's per-connection dict."""
        passage = self._passage(sid)
        return await super().get_session(sid, namespace) if passage is None else passage.session

    async def save_session(self, sid: str, session: Any, namespace: str | None = None) -> None:
        """Replace python-socketio's per-connection dict."""
        passage = self._passage(sid)
        if passage is None:
            await super().save_session(sid, session, namespace)
        else:
            passage.session = session

    def get_environ(self, sid: str, namespace: str | None = None) -> Any:
        """The WSGI-like environment of the handshake."""
        passage = self._passage(sid)
        return super().get_environ(sid, namespace) if passage is None else passage.device.environ

    def transport(self, sid: str, namespace: str | None = None) -> Any:
        """``polling`` or ``websocket``."""
        passage = self._passage(sid)
        return super().transport(sid, namespace) if passage is None else self.eio.transport(passage.device.id)

    def _check_encodes(self, namespace: str | None, event: str, data: Any) -> None:
        """Raise what can't be told: with callbacks python-socketio encodes in tasks nobody listens to."""
        self.encoded(packets.EVENT, namespace or "/", [event, *_arguments(data)])


def _data(arguments: tuple[Any, ...]) -> Any:
    """``arguments`` as python-socketio takes them to other nodes: none as None, a single one alone."""
    data = tuple(map(to_wire, arguments))
    if not data:
        return None
    return data[0] if len(data) == 1 and data[0] is not None else data


def _answer(values: tuple[Any, ...]) -> Any:
    """As python-socketio: no value is None, one is itself, more are a tuple."""
    return values if len(values) > 1 else next(iter(values), None)


def _arguments(data: Any) -> list[Any]:
    """As python-socketio: a tuple is several arguments, None is none."""
    if isinstance(data, tuple):
        return list(data)
    return [] if data is None else [data]


def _listed(frames: Any) -> list[str | bytes]:
    """Serialisers give a list, or a single frame of bytes."""
    return frames if isinstance(frames, list) else [frames]
