"""What a client opened its transport with, in the shapes that are asked for, made when they are."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

from authx.socket.handshake import Handshake
from authx.socket.origin import own_origins

__all__ = ("Environ", "read_handshake")

_SCOPE = "asgi.scope"


class Environ(MutableMapping[str, Any]):
    """python-engineio's WSGI-like environment of an ASGI scope.

    Most connections are never asked for theirs, so it is not made before. It has no ``wsgi.input`` and
    nothing to receive or send by: those belong to the transport.

    Args:
        scope: Of the request or websocket that opened the transport.
    """

    __slots__ = ("_made", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._made: dict[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        if self._made is None:
            self._made = _as_wsgi(self.scope)
        return self._made

    def __getitem__(self, key: str) -> Any:
        return self.scope if key == _SCOPE and self._made is None else self._all()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._all()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        # It holds tokens.
        return f"<{type(self).__name__}>"


def _as_wsgi(scope: Scope) -> dict[str, Any]:
    query = scope["query_string"].decode("latin-1")
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.async": True,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "SERVER_SOFTWARE": "asgi",
        "REQUEST_METHOD": scope.get("method", "GET"),
        "PATH_INFO": scope["path"],
        "QUERY_STRING": query,
        "RAW_URI": f"{scope['path']}?{query}" if query else scope["path"],
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "SERVER_NAME": "asgi",
        "SERVER_PORT": "0",
        _SCOPE: scope,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["wsgi.url_scheme"] = environ.get("HTTP_X_FORWARDED_PROTO", "http")
    return environ


def read_handshake(scope: Scope) -> Handshake:
    """What the ASGI scope of a request or websocket shows of the client."""
    connection = HTTPConnection(scope)
    return Handshake(
        # Over the bytes of the scope, not a copy of them all.
        headers=connection.headers,
        cookies=connection.cookies,
        query=dict(connection.query_params),
        own_origins=own_origins(scope["scheme"], connection.headers),
        address=connection.client.host if connection.client else None,
    )
