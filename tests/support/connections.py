"""Connections for tests that need no server."""

from collections.abc import Mapping
from typing import Any

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.credential import Credential

ALICE = Identity(user="alice")


def connected(
    identity: Identity | None = ALICE,
    *,
    sid: str = "s1",
    namespace: str = "/",
    credential: Credential | None = None,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    scope: Mapping[str, Any] | None = None,
) -> Connection:
    """Return a connection that was opened by a GET request."""
    opened_with = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/ws/socket.io/",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        **(scope or {}),
    }
    return Connection(
        sid=sid,
        namespace=namespace,
        device="d",
        identity=identity,
        connected_at=0.0,
        credential=credential,
        opened_with=opened_with,
    )
