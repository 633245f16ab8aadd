"""Who an emit goes to, said in the app's words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from authx.socket.connection import Connection, ConnectionInfo
from authx.socket.wire import check_emitted

__all__ = ("Audience", "Delivery", "Transmitter")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far an emit got, as far as it can be known when it returns."""

    devices: int
    """Transports that the message was handed to on the nodes that answered for themselves."""
    nodes: int
    """Nodes that hold at least one of those devices."""
    complete: bool
    """False where other nodes may have reached more devices than are counted here."""


class Transmitter(Protocol):
    """Carries what is emitted to the connections that are in any of some rooms."""

    async def transmit(
        self, event: str, arguments: tuple[Any, ...], *, namespace: str, rooms: tuple[str, ...]
    ) -> Delivery:
        """Send ``event`` once to each connection that is in any of ``rooms``."""

    def members(self, *, namespace: str, rooms: tuple[str, ...]) -> list[Connection]:
        """The connections of this node that are in any of ``rooms``."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The connections in some rooms of one namespace. Immutable: narrowing gives a new audience."""

    transmitter: Transmitter
    rooms: tuple[str, ...]
    namespace: str = "/"

    def in_namespace(self, namespace: str) -> Audience:
        """The same users, roles or sessions, where they are connected to ``namespace``."""
        return replace(self, namespace=namespace)

    async def emit(self, event: str, *arguments: Any) -> Delivery:
        """Send ``event`` to every connection of the audience, once each.

        Models, dataclasses and bytes may be among the arguments.

        Raises:
            ReservedNameError: for an event name that belongs to the library or the protocol.
        """
        check_emitted(event)
        return await self.transmitter.transmit(event, arguments, namespace=self.namespace, rooms=self.rooms)

    async def connections(self) -> list[ConnectionInfo]:
        """The connections of the audience on this node, oldest first."""
        members = self.transmitter.members(namespace=self.namespace, rooms=self.rooms)
        return [member.info for member in sorted(members, key=lambda member: member.connected_at)]
