"""The connections of this node, found by sid and by transport."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from authx.socket.connection import Connection

__all__ = ("Registry",)


class Registry:
    """Holds every admitted connection, and nothing else: a sid in here has passed the door."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_transport: defaultdict[str, dict[str, Connection]] = defaultdict(dict)

    def add(self, connection: Connection) -> None:
        """Let ``connection`` be found."""
        self._by_sid[connection.sid] = connection
        self._by_transport[connection.transport][connection.namespace] = connection

    def remove(self, sid: str) -> Connection | None:
        """Forget a connection. None if it is not here, so that of several who try, one succeeds."""
        connection = self._by_sid.pop(sid, None)
        if connection is not None:
            siblings = self._by_transport[connection.transport]
            del siblings[connection.namespace]
            if not siblings:
                del self._by_transport[connection.transport]
        return connection

    def get(self, sid: str) -> Connection | None:
        """The connection with this sid."""
        return self._by_sid.get(sid)

    def at(self, transport: str, namespace: str) -> Connection | None:
        """The connection of a transport in a namespace."""
        return self._by_transport.get(transport, {}).get(namespace)

    def on(self, transport: str) -> tuple[Connection, ...]:
        """The connections that share a transport."""
        return tuple(self._by_transport.get(transport, {}).values())

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_sid.values()))
