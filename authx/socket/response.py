"""What the engine answers to requests, and to websockets that it does not take."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope, Send

from authx.socket.transport import Frame

__all__ = ("Response", "accepted", "compressed", "payload", "refused", "respond")

_SEPARATOR = "\x1e"
_METHODS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"gzip": gzip.compress, "deflate": zlib.compress}

_Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Response:
    """A status, a body, and header fields with their names in lower case, as ASGI wants them."""

    status: int
    body: bytes
    headers: _Fields = field(default_factory=list)


def payload(frames: Iterable[Frame], headers: Sequence[tuple[str, str]] = ()) -> Response:
    """The answer to a poll."""
    told = (frame if isinstance(frame, str) else f"b{base64.b64encode(frame).decode()}" for frame in frames)
    body = _SEPARATOR.join(told).encode("utf-8", "surrogatepass")
    return Response(200, body, [("content-type", "text/plain; charset=UTF-8"), *headers])


def accepted() -> Response:
    """The answer to a POST that was taken."""
    return Response(200, b"ok", [("content-type", "text/plain")])


def refused(reason: str, status: int = 400) -> Response:
    """The answer to what is none of the protocol's requests."""
    return Response(status, json.dumps(reason).encode(), [("content-type", "text/plain")])


def compressed(response: Response, scope: Scope, *, threshold: int) -> Response:
    """``response``, smaller, if its body has ``threshold`` bytes and its client reads one of the codings."""
    if len(response.body) < threshold:
        return response
    wanted = Headers(scope=scope).get("accept-encoding", "")
    for coding in wanted.split(","):
        name, _, weight = (part.strip() for part in coding.partition(";"))
        if name in _METHODS and weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            headers = [*response.headers, ("content-encoding", name)]
            return Response(response.status, _METHODS[name](response.body), headers)
    return response


async def respond(
    response: Response, scope: Scope, send: Send, *, headers: Sequence[tuple[str, str]]
) -> None:
    """Send ``response`` with further ``headers``; a websocket that was not accepted is closed by it."""
    kind = "http"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            # The server makes it a 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        kind = "websocket.http"
    fields = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in (*response.headers, *headers)
    ]
    await send({"type": f"{kind}.response.start", "status": response.status, "headers": fields})
    await send({"type": f"{kind}.response.body", "body": response.body})
