"""The Engine.IO frames that a client may send, told from all others before anything is made of them.

python-engineio reads a frame and trips over what it did not expect, and it parses a message that looks like
JSON, which no Socket.IO packet does.
"""

from __future__ import annotations

import base64
import re

from starlette.types import Message, Receive

__all__ = ("readable", "split_payload")

_SEPARATOR = "\x1e"
# A close, a pong, or a message that starts as a Socket.IO packet does. The digits are those of ASCII only.
_IN_A_POST = re.compile(r"[13]\Z|4[0-9]")
_ON_A_WEBSOCKET = re.compile(r"[135]\Z|2probe\Z|4[0-9]")
# RFC 6455: the other side broke the protocol.
_PROTOCOL_ERROR = 1002


def split_payload(body: bytes, *, most: int) -> list[str | bytes]:
    """The frames of a POST, in order: text as it came, binary messages decoded.

    Args:
        body: The whole body.
        most: How many frames there may be.

    Raises:
        ValueError: unless a client may send every one of them.
    """
    frames = body.decode().split(_SEPARATOR, most)
    if len(frames) > most:
        raise ValueError("too many frames")
    return [_read(frame) for frame in frames]


def _read(frame: str) -> str | bytes:
    if frame.startswith("b"):
        return base64.b64decode(frame[1:], validate=True)
    if not _IN_A_POST.match(frame):
        raise ValueError("no frame of a client")
    return frame


def readable(receive: Receive, *, limit: int) -> Receive:
    """``receive`` of a websocket, which ends with the first frame that no client may send.

    Args:
        receive: As the ASGI server gives it.
        limit: The longest frame, in bytes; in characters if it is text.
    """

    async def receive_readable() -> Message:
        event = await receive()
        if event["type"] == "websocket.receive" and not _is_readable(event, limit):
            return {"type": "websocket.disconnect", "code": _PROTOCOL_ERROR}
        return event

    return receive_readable


def _is_readable(event: Message, limit: int) -> bool:
    text: str | None = event.get("text")
    if text is None:
        return len(event.get("bytes") or b"") <= limit
    return len(text) <= limit and _ON_A_WEBSOCKET.match(text) is not None
