"""Who an emit goes to, said in the app's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from authx.socket.connection import Connection, ConnectionInfo
from authx.socket.exceptions import Closing
from authx.socket.rooms import user_room
from authx.socket.wire import check_emitted

__all__ = ("Audience", "Delivery", "Reply", "Selection", "Transmitter")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far an emit got, as far as it can be known when it returns."""

    devices: int
    """Transports that the message was handed to on the nodes that answered for themselves."""
    nodes: int
    """Nodes that hold at least one of those devices."""
    complete: bool
    """False where other nodes may have reached more devices than are counted here."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one connection made of a call."""

    sid: str
    user: str | None
    """None for an anonymous connection."""
    device: str
    """As in :class:`ConnectionInfo`."""
    outcome: Literal["answered", "timeout", "left"]
    """``timeout``: no answer in time; ``left``: the connection ended before it answered."""
    values: tuple[Any, ...] = ()
    """The values of the acknowledgement, as the client sent them: nobody has checked them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The connections of one namespace that are in any of some rooms, less some."""

    rooms: tuple[str, ...] | None
    """None is everybody in the namespace; an empty tuple is nobody."""
    namespace: str = "/"
    except_sids: frozenset[str] = field(default=frozenset())
    except_users: frozenset[str] = field(default=frozenset())

    @property
    def excepts(self) -> bool:
        """Whether there are exceptions."""
        return bool(self.except_sids or self.except_users)

    def picks(self, connection: Connection) -> bool:
        """Whether ``connection``, which is in one of the rooms, is not among the exceptions."""
        return connection.sid not in self.except_sids and connection.user not in self.except_users


class Transmitter(Protocol):
    """Reaches the connections of a selection."""

    async def transmit(self, event: str, arguments: tuple[Any, ...], selection: Selection) -> Delivery:
        """Send ``event`` once to each connection, wherever it is."""

    async def ask(
        self, event: str, arguments: tuple[Any, ...], selection: Selection, *, timeout: float
    ) -> list[Reply]:
        """Send ``event`` to each connection of this node and gather the acknowledgements."""

    async def dismiss(self, closing: Closing, selection: Selection) -> int:
        """End each connection of this node, and say how many those were."""

    def members(self, selection: Selection) -> Sequence[Connection]:
        """The connections of this node."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Some connections of one namespace. Immutable: narrowing gives a new audience.

    Who belongs to it is decided anew each time something is done with it.
    """

    transmitter: Transmitter = field(repr=False)
    selection: Selection

    def in_namespace(self, namespace: str) -> Audience:
        """The same users, roles, sessions or rooms, where they are connected to ``namespace``.

        Raises:
            ValueError: for a namespace that no client can name.
        """
        if not namespace.startswith("/"):
            raise ValueError(f"a namespace starts with '/', unlike {namespace!r}")
        return self._narrowed(namespace=namespace)

    def except_sid(self, *sids: str) -> Audience:
        """The same without some connections, such as the one that an event came from."""
        return self._narrowed(except_sids=self.selection.except_sids.union(sids))

    def except_user(self, *users: str) -> Audience:
        """The same without everything that some users have open."""
        selection = self.selection
        if selection.rooms is not None:
            # Whom a room names is left out on every node; the rest of them is told apart by who they are.
            theirs = set(map(user_room, users))
            rooms = tuple(room for room in selection.rooms if room not in theirs)
            return self._narrowed(rooms=rooms, except_users=selection.except_users.union(users))
        return self._narrowed(except_users=selection.except_users.union(users))

    async def emit(self, event: str, *arguments: Any) -> Delivery:
        """Send ``event`` to every connection of the audience, once each, on every node.

        Models, dataclasses and bytes may be among the arguments.

        Raises:
            ReservedNameError: for an event name that belongs to the library or the protocol.
            NotImplementedError: with a client manager, for ``except_user`` from an audience of roles,
                sessions or rooms: other nodes can't be told whom to leave out, and would leave nobody out.
        """
        check_emitted(event)
        return await self.transmitter.transmit(event, arguments, self.selection)

    async def call(self, event: str, *arguments: Any, timeout: float = 60.0) -> list[Reply]:
        """Send ``event`` to every connection of the audience on this node, and gather what they answer.

        Returns when all have answered or left, or the time is over; what is acknowledged later is ignored.

        Args:
            event: Its name.
            arguments: As for :meth:`emit`.
            timeout: Seconds that all of them have together.

        Returns:
            One reply for each connection, oldest connection first.

        Raises:
            ReservedNameError: for an event name that belongs to the library or the protocol.
        """
        check_emitted(event)
        return await self.transmitter.ask(event, arguments, self.selection, timeout=timeout)

    async def disconnect(self, *, code: str, message: str | None = None, retry: bool = False) -> int:
        """End every connection of the audience on this node; the transports stay open.

        Each is told why with ``authx:closing {code, message, retry}``. The disconnect handlers have run
        when this returns.

        Args:
            code: One of :data:`~authx.socket.exceptions.CODES`, or the app's own.
            message: A sentence for people; the table's when left out.
            retry: Whether clients should come back.

        Returns:
            How many connections were ended.
        """
        return await self.transmitter.dismiss(Closing(code, message, retry=retry), self.selection)

    async def connections(self) -> list[ConnectionInfo]:
        """The connections of the audience on this node, oldest first."""
        members = self.transmitter.members(self.selection)
        return [member.info for member in members]

    def _narrowed(self, **changes: Any) -> Audience:
        return replace(self, selection=replace(self.selection, **changes))
