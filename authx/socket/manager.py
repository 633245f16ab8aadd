"""Who is in which room of this node, and the sending of one packet to all of them.

python-socketio's own manager makes a task for each receiver, and looks through every room there is for each
client that leaves. Here a packet is encoded once and handed to each transport at once, and an index says
which rooms a sid is in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from socketio import AsyncManager
from socketio import packet as packets

__all__ = ("Manager", "adopted")

_Members = dict[str, str]


class Manager(AsyncManager):
    """The rooms of one node.

    A sid is a room of its own without being kept as one. ``rooms[namespace][room]`` holds the Engine.IO sid
    by sid; the room None is everybody in the namespace.
    """

    def __init__(self) -> None:
        super().__init__()
        self._begin()

    def _begin(self) -> None:
        """Have rooms, with nobody in them."""
        self.rooms: dict[str, dict[Any, _Members]] = {}
        self._rooms_of: dict[str, set[Any]] = {}
        self._numbers = count(1)

    # Sending ------------------------------------------------------------------------------------------

    async def emit(  # noqa: PLR0917 - python-socketio's signature
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **_options: Any,
    ) -> None:
        """Send an event to the members of a room, or of several, or to everybody with None.

        What every local delivery goes through, also of what came over a bus.

        Raises:
            Exception: of whatever kind, for data that can't be told.
        """
        # Whoever is over is in no room any more. What comes over a bus has not been through here before.
        self.server.obey_clock()
        members = self.members(namespace, room if to is None else to)
        if not members:
            return
        skipped = frozenset(skip_sid if isinstance(skip_sid, (list, tuple, set, frozenset)) else (skip_sid,))
        content = [event, *_arguments(data)]
        if callback is None:
            frames = self.server.encoded(packets.EVENT, namespace, content)
            await self.server.deliver(
                [transport for sid, transport in members.items() if sid not in skipped], frames
            )
            return
        # Who is too slow may leave meanwhile.
        for sid, transport in tuple(members.items()):
            if sid not in skipped:
                number = self._generate_ack_id(sid, callback)
                frames = self.server.encoded(packets.EVENT, namespace, content, number)
                self.server.put(transport, frames)

    # Answers: python-socketio keeps them by sid or room until the sid leaves, which others never do here ---

    def _generate_ack_id(self, sid: str, callback: Callable[..., Any]) -> int:
        if sid not in self.callbacks and not self._is_here(sid):
            # What is forgotten does not count on: a late answer would be that to a later question.
            self.callbacks[sid] = {0: self._numbers}
        number: int = super()._generate_ack_id(sid, callback)
        return number

    async def trigger_callback(self, sid: str, id: int, data: Iterable[Any]) -> None:  # noqa: A002
        """Hand over an answer, and expect it no more."""
        try:
            await super().trigger_callback(sid, id, data)
        finally:
            self._tidy(sid)

    def withdraw(self, sid: str, callback: Callable[..., Any]) -> None:
        """Expect no answer for ``callback`` any more; a late one is an unknown one."""
        expected = self.callbacks.get(sid, {})
        for number in [number for number, kept in expected.items() if kept is callback]:
            del expected[number]
        self._tidy(sid)

    def _tidy(self, sid: str) -> None:
        if len(self.callbacks.get(sid, ())) == 1 and not self._is_here(sid):
            del self.callbacks[sid]

    def _is_here(self, sid: str) -> bool:
        return self.server.registry.get(sid) is not None

    # Rooms --------------------------------------------------------------------------------------------

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """The sids in a room, or in any of several, each with its Engine.IO sid."""
        yield from tuple(self.members(namespace, room).items())

    def members(self, namespace: str, room: Any) -> Mapping[str, str]:
        """The Engine.IO sid by sid, of who is in a room, or in any of several, or of everybody with None.

        It changes with the room, and is not to be changed by who asks.
        """
        rooms = self.rooms.get(namespace)
        if rooms is None:
            return {}
        if isinstance(room, str) or not hasattr(room, "__len__"):
            return self._in_room(rooms, room)
        if len(room) == 1:
            return self._in_room(rooms, room[0])
        gathered: _Members = {}
        for one in room:
            gathered.update(self._in_room(rooms, one))
        return gathered

    @staticmethod
    def _in_room(rooms: dict[Any, _Members], room: Any) -> _Members:
        members = rooms.get(room)
        if members is not None:
            return members
        transport = rooms[None].get(room)
        return {} if transport is None else {room: transport}

    def is_sid_room(self, namespace: str, room: Any) -> bool:
        """Whether a room is that of one sid."""
        return room is not None and room in self.rooms.get(namespace, {}).get(None, {})

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """The sid of a transport in a namespace."""
        connection = self.server.registry.at(eio_sid, namespace)
        return None if connection is None else connection.sid

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """The rooms that a sid is in, its own first."""
        if sid not in self.rooms.get(namespace, {}).get(None, {}):
            return []
        return [sid, *(room for room in self._rooms_of[sid] if room is not None)]

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Put a sid into a room.

        Raises:
            ValueError: for a sid that is not connected, and for the room of another sid.
        """
        if eio_sid is None:
            eio_sid = self.rooms.get(namespace, {}).get(None, {}).get(sid)
            if eio_sid is None:
                raise ValueError("sid is not connected to requested namespace")
        if room == sid:
            return
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot enter a sid room")
        self.rooms.setdefault(namespace, {}).setdefault(room, {})[sid] = eio_sid
        self._rooms_of.setdefault(sid, set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Take a sid out of a room; an empty room is forgotten."""
        entered = self._rooms_of.get(sid)
        if entered is None or room not in entered:
            return
        entered.remove(room)
        if not entered:
            del self._rooms_of[sid]
        rooms = self.rooms[namespace]
        del rooms[room][sid]
        if not rooms[room]:
            del rooms[room]
            if not rooms:
                del self.rooms[namespace]

    def basic_close_room(self, room: Any, namespace: str) -> None:
        """Take everybody out of a room.

        Raises:
            ValueError: for the room of a sid.
        """
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        for sid in tuple(self.rooms.get(namespace, {}).get(room, ())):
            self.basic_leave_room(sid, namespace, room)

    def basic_disconnect(self, sid: str, namespace: str, **_options: Any) -> None:
        """Take a sid out of everything, in time that grows with its own rooms only."""
        # Everybody last: until then the namespace has rooms.
        for room in sorted(self._rooms_of.get(sid, ()), key=lambda room: room is None):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)


def adopted(manager: AsyncManager | None) -> AsyncManager:
    """A manager with our rooms: our own for None, else the given one.

    The given one is a python-socketio manager with a bus, and stays the object that it is, for the app emits
    by it, and its methods may be bound: it is given a subclass of its own class and of ours. What it has in
    its own class goes first, so it says what goes over the bus, and where it hands on to the rooms of its
    node, that is us. Nobody's class is changed.

    Raises:
        TypeError: for one that can't be given such a class.
    """
    if manager is None:
        return Manager()
    if isinstance(manager, Manager):
        return manager
    kind = type(manager)
    try:
        manager.__class__ = type(kind.__name__, (kind, Manager), {"__module__": kind.__module__})
    except TypeError as error:
        raise TypeError(f"a client_manager of {kind.__name__} can't be given our rooms: {error}") from error
    Manager._begin(manager)  # noqa: SLF001 - ours, whatever the given one's class calls so
    return manager


def _arguments(data: Any) -> Iterable[Any]:
    """As python-socketio: a tuple is several arguments, None is none."""
    if isinstance(data, tuple):
        return data
    return () if data is None else (data,)
