"""The socket for HTTP routes, and for whatever else FastAPI calls."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from authx.socket.facade import AuthXSocket

__all__ = ("SocketDep", "find_socket")


def find_socket(connection: HTTPConnection) -> AuthXSocket:
    """The socket of the app that serves ``connection``, a request or a websocket.

    Raises:
        RuntimeError: if the app has none.
    """
    socket: AuthXSocket | None = getattr(connection.app.state, "authx_socket", None)
    if socket is None:
        raise RuntimeError(
            "this app has no AuthXSocket: make one with AuthXSocket(app, auth=auth), "
            "or put an existing one into app.state.authx_socket"
        )
    return socket


SocketDep: TypeAlias = Annotated[AuthXSocket, Depends(find_socket)]
"""What a route asks for to emit: ``async def notify(user: str, socket: SocketDep)``."""
