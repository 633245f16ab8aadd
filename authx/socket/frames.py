"""The Engine.IO frames that a client may send, told from all others before anything is made of them."""

from __future__ import annotations

import base64
import re

__all__ = ("PROBE", "UPGRADE", "is_readable", "split_payload")

PROBE = "2probe"
"""The first frame of a websocket that is to take over from polling."""
UPGRADE = "5"
"""The second one: from now on."""

_SEPARATOR = "\x1e"
# A close, a pong, or a message that starts as a Socket.IO packet does. The digits are those of ASCII only.
_OF_A_CLIENT = re.compile(r"4[0-9]|[13]\Z")


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
    if not _OF_A_CLIENT.match(frame):
        raise ValueError("no frame of a client")
    return frame


def is_readable(frame: str | bytes, *, limit: int) -> bool:
    """Whether a client may send ``frame`` over an open websocket.

    Args:
        frame: As it came: text, or the bytes of a message.
        limit: The longest that it may be, in bytes.
    """
    if isinstance(frame, str):
        # Counted exactly only where it matters: a character has up to four bytes.
        if (
            len(frame) * 4 > limit
            and len(frame if frame.isascii() else frame.encode("utf-8", "surrogatepass")) > limit
        ):
            return False
        return _OF_A_CLIENT.match(frame) is not None
    return len(frame) <= limit
