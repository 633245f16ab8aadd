"""``POST {mount_location}/refresh``: how a client whose token is in a cookie has its connection go on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from authx.socket.cors import cors_headers
from authx.socket.environ import read_handshake
from authx.socket.exceptions import Refusal, SocketError
from authx.socket.failures import as_failure, is_cancelled
from authx.socket.origin import OriginPolicy
from authx.socket.server import Server
from authx.socket.wire import request_error_body

__all__ = ("RefreshEndpoint",)

logger = logging.getLogger(__name__)

_MAX_BODY = 4096
"""Bytes."""

_STATUSES: Mapping[str, int] = {
    "validation_error": 400,
    "missing_token": 401,
    "invalid_token": 401,
    "token_expired": 401,
    "token_revoked": 401,
    "wrong_token_type": 401,
    "rate_limited": 429,
    "store_unavailable": 503,
    "internal_error": 500,
}
"""All others are 403."""


class RefreshEndpoint:
    """Answers the requests of pages; an endpoint of a Starlette route.

    Sockets that are mounted at the same location share one: the key tells whose connection is meant.

    Args:
        server: Whose connections are refreshed.
        origins: Which pages may ask.
    """

    methods = ["POST", "OPTIONS"]  # noqa: RUF012 - what Starlette takes

    def __init__(self, server: Server, origins: OriginPolicy) -> None:
        self._sockets = [(server, origins)]

    def add(self, server: Server, origins: OriginPolicy) -> None:
        """Refresh the connections of a further socket."""
        self._sockets.append((server, origins))

    async def answer(self, request: Request) -> Response:
        """Refresh the connection of the key in the body, by the cookie; or say why not, with a code."""
        response = await self._respond(request)
        handshake = read_handshake(request.scope)
        # One of them may let the page ask, and which is meant is not known before the body has been read.
        headers = (cors_headers(handshake, request.method, origins) for _, origins in self._sockets)
        found = max(headers, key=len)
        response.headers.update({"cache-control": "no-store", **dict(found)})
        return response

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204)
        try:
            fields = await _read_fields(request)
            handshake, key = read_handshake(request.scope), fields["key"]
            answer = await self._owner(key).refresh_by_cookie(handshake, key, fields)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            failure = as_failure(error)
            if failure.code in ("internal_error", "store_unavailable"):
                logger.exception("a connection can't be refreshed")
            return _refused(failure, _STATUSES.get(failure.code, 403))
        if answer is None:
            # Gone, or guessed, or of another node: the same for all of them.
            return _refused(Refusal("policy_denied", "There is no such connection"), 404)
        return JSONResponse(answer)

    def _owner(self, key: str) -> Server:
        """Whose connection has the key; the first, where nobody's has."""
        servers = [server for server, _ in self._sockets]
        return next((server for server in servers if server.registry.with_key(key) is not None), servers[0])


def _refused(error: SocketError, status: int) -> Response:
    return JSONResponse(request_error_body(error), status)


async def _read_fields(request: Request) -> Mapping[str, Any]:
    """The body, an object with a key.

    Raises:
        Refusal: ``validation_error`` for everything else.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                raise Refusal("validation_error")
        fields = json.loads(body)
    except (ClientDisconnect, ValueError, RecursionError):
        raise Refusal("validation_error") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("key"), str):
        raise Refusal("validation_error")
    return fields
