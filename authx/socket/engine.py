"""The Engine.IO server: what python-engineio does, less what a stranger should not get from it."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import engineio
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from authx.socket.handshake import Handshake
from authx.socket.origin import CORSRules, OriginPolicy, own_origins

__all__ = ("Engine", "read_cors_rules", "read_handshake")


class Engine(engineio.AsyncServer):
    """Opens and closes transports.

    Who may connect is not decided here: every origin may open a transport, and hears at CONNECT, with a
    code, if it may not stay.
    """

    def __init__(self, *, origins: OriginPolicy, logger: logging.Logger, **options: Any) -> None:
        logger.addFilter(_is_no_packet_dump)
        # An empty list turns the base class's own origin check off.
        super().__init__(cors_allowed_origins=[], logger=logger, **options)
        self._origins = origins

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or websocket.

        JSONP is refused: a script element reads across origins, past every check that a browser makes.
        """
        if scope["type"] == "http" and "j" in parse_qs(scope["query_string"].decode("latin-1")):
            await PlainTextResponse("JSONP is not supported", status_code=400)(scope, receive, send)
            return
        await super().handle_request(scope, receive, send)

    async def drop(self, device: str, reason: str | None = None) -> None:
        """Close a transport after what is queued for it, whether or not the client takes its leave."""
        socket = self.sockets.get(device)
        if socket is None or socket.closed:
            return
        await socket.close(wait=False, reason=reason)
        # Ends the writer, which closes the websocket; a polling client gets the rest with its next poll.
        await socket.queue.put(None)

    def forget(self, device: str, *, end_poll: bool) -> None:
        """Take a closed transport out of the table; the base class leaves that to its next sweep.

        Args:
            device: The transport.
            end_poll: Answer the poll that the client may have under way; it asked for the end itself.
        """
        socket = self.sockets.pop(device, None)
        if socket is not None and end_poll:
            socket.queue.put_nowait(None)

    def forget_session(self, device: str, namespace: str) -> None:
        """Drop what ``save_session`` kept for a namespace of a transport."""
        socket = self.sockets.get(device)
        if socket is not None:
            socket.session.pop(namespace, None)

    def _cors_headers(self, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The CORS headers for the page that asks; none for a page that may not connect."""
        handshake = read_handshake(environ["asgi.scope"])
        origin = handshake.origin
        if origin is None or not self._origins.permits(origin, handshake.own_origins):
            return []
        headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        if self._origins.permits_cookies(origin, handshake.own_origins):
            headers.append(("Access-Control-Allow-Credentials", "true"))
        if environ["REQUEST_METHOD"] == "OPTIONS":
            headers.append(("Access-Control-Allow-Methods", "OPTIONS, GET, POST"))
            wanted = handshake.headers.get("access-control-request-headers")
            if wanted is not None:
                headers.append(("Access-Control-Allow-Headers", wanted))
        return headers


def read_handshake(scope: Scope) -> Handshake:
    """What the ASGI scope of a request or websocket shows of the client."""
    connection = HTTPConnection(scope)
    return Handshake(
        headers=dict(connection.headers),
        cookies=connection.cookies,
        query=dict(connection.query_params),
        own_origins=own_origins(scope["scheme"], connection.headers),
        address=connection.client.host if connection.client else None,
    )


def read_cors_rules(app: Starlette) -> CORSRules:
    """What the ``CORSMiddleware`` of ``app`` allows; nothing if it has none."""
    for middleware in app.user_middleware:
        cls = middleware.cls
        if isinstance(cls, type) and issubclass(cls, CORSMiddleware):
            signature = inspect.signature(cls)
            given = signature.bind_partial(app, *middleware.args, **middleware.kwargs).arguments
            origins = frozenset(given.get("allow_origins", ()))
            pattern = given.get("allow_origin_regex")
            return CORSRules(
                origins=origins - {"*"},
                pattern=None if pattern is None else re.compile(pattern),
                any_origin="*" in origins,
                credentials=bool(given.get("allow_credentials", False)),
            )
    return CORSRules()


def _is_no_packet_dump(record: logging.LogRecord) -> bool:
    """The base class logs every packet with its data at INFO: tokens among them."""
    return " packet %s data %s" not in record.msg if isinstance(record.msg, str) else True
