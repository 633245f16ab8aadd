"""The connections of this node, found by sid, by transport, by key and by who they are."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterator
from typing import Literal, TypeAlias

from authx.auth.identity import Identity
from authx.auth.revocation import Revocation
from authx.socket.connection import Connection
from authx.socket.credential import Credential

__all__ = ("Registry",)

_Name: TypeAlias = tuple[Literal["user", "session", "token"], str]


class Registry:
    """Holds every admitted connection, and nothing else: a sid in here has passed the door."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_transport: defaultdict[str, dict[str, Connection]] = defaultdict(dict)
        self._by_name: defaultdict[_Name, dict[str, Connection]] = defaultdict(dict)
        self._by_key: dict[bytes, Connection] = {}
        """By a digest: the time that a search takes tells nothing of a key."""

    def add(self, connection: Connection) -> None:
        """Let ``connection`` be found."""
        self._by_sid[connection.sid] = connection
        self._by_transport[connection.transport][connection.namespace] = connection
        if connection.identity is not None:
            self._name(connection, _names(connection.identity))
            self._by_key[_digest(connection.key)] = connection

    def remove(self, sid: str) -> Connection | None:
        """Forget a connection. None if it is not here, so that of several who try, one succeeds."""
        connection = self._by_sid.pop(sid, None)
        if connection is not None:
            siblings = self._by_transport[connection.transport]
            del siblings[connection.namespace]
            if not siblings:
                del self._by_transport[connection.transport]
            if connection.identity is not None:
                self._unname(connection, _names(connection.identity))
                self._by_key.pop(_digest(connection.key), None)
        return connection

    def renew(self, connection: Connection, identity: Identity, credential: Credential | None) -> None:
        """Give a connection another identity of the same user, and let it be found by that."""
        before = set() if connection.identity is None else _names(connection.identity)
        after = _names(identity)
        # Only what differs: a connection keeps its place among those of its user.
        self._unname(connection, before - after)
        self._name(connection, after - before)
        connection.identity = identity
        connection.credential = credential

    def get(self, sid: str) -> Connection | None:
        """The connection with this sid."""
        return self._by_sid.get(sid)

    def at(self, transport: str, namespace: str) -> Connection | None:
        """The connection of a transport in a namespace."""
        return self._by_transport.get(transport, {}).get(namespace)

    def on(self, transport: str) -> tuple[Connection, ...]:
        """The connections that share a transport."""
        return tuple(self._by_transport.get(transport, {}).values())

    def of(self, user: str) -> tuple[Connection, ...]:
        """The connections of a user in all namespaces, in the order in which they were admitted."""
        return tuple(self._by_name.get(("user", user), {}).values())

    def covered_by(self, revocation: Revocation) -> list[Connection]:
        """The connections that ``revocation`` ends; the others are not looked at."""
        if revocation.token_id is not None:
            name: _Name = ("token", revocation.token_id)
        elif revocation.session is not None:
            name = ("session", revocation.session)
        else:
            name = ("user", str(revocation.user))
        return [
            connection
            for connection in self._by_name.get(name, {}).values()
            if connection.identity is not None and revocation.covers(connection.identity)
        ]

    def with_key(self, key: str) -> Connection | None:
        """The connection that has this secret; anonymous ones have none."""
        connection = self._by_key.get(_digest(key))
        if connection is None or not hmac.compare_digest(_bytes(connection.key), _bytes(key)):
            return None
        return connection

    def _name(self, connection: Connection, names: set[_Name]) -> None:
        for name in names:
            self._by_name[name][connection.sid] = connection

    def _unname(self, connection: Connection, names: set[_Name]) -> None:
        for name in names:
            found = self._by_name[name]
            del found[connection.sid]
            if not found:
                del self._by_name[name]

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_sid.values()))


def _names(identity: Identity) -> set[_Name]:
    names: set[_Name] = {("user", identity.user)}
    if identity.session is not None:
        names.add(("session", identity.session))
    if identity.token_id is not None:
        names.add(("token", identity.token_id))
    return names


def _digest(key: str) -> bytes:
    return hashlib.sha256(_bytes(key)).digest()


def _bytes(key: str) -> bytes:
    # Whatever a stranger writes in its place can be compared.
    return key.encode(errors="backslashreplace")
