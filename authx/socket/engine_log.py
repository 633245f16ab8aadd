"""What python-engineio may write into a log."""

from __future__ import annotations

import hashlib
import logging
import sys
from typing import Any

__all__ = ("EngineLog",)

# Its messages that come without arguments; what follows these words in one of them came from a client.
_SENTENCES = (
    "Application rejected connection",
    "Invalid session",
    "Invalid transport",
    "Invalid websocket upgrade",
    "Receive error -- socket is closed",
    "The client is using an unsupported version of the Socket.IO or Engine.IO protocols",
    "Unexpected HTTP request",
    "Unknown receive error",
    "connect async handler error",
    "disconnect async handler error",
    "disconnect handler error",
    "event loop is closed",
    "message async handler error",
    "message handler error",
    "service task",
)
# Its arguments that it makes up itself.
_WORDS = frozenset({"OPEN", "CLOSE", "PING", "PONG", "MESSAGE", "UPGRADE", "NOOP", "asgi", "websocket"})
_UNTOLD = "..."
_UNKNOWN = "(a message that may hold what a client wrote)"


class EngineLog(logging.LoggerAdapter[logging.Logger]):
    """The logger that python-engineio is given: nothing that a client wrote gets through, and no sid.

    Packets carry tokens, and who knows a sid can speak and listen for the client that has it. A sid is
    shown as a short digest, so that the lines of one transport can still be told from those of another.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a message of the base class without what is not its own."""
        if not self.isEnabledFor(level):
            return
        if kwargs.get("exc_info"):
            kwargs["exc_info"] = _without_words()
        if args:
            self.logger.log(level, str(msg), *_told(str(msg), args), **kwargs)
        else:
            sentence = next((known for known in _SENTENCES if str(msg).startswith(known)), _UNKNOWN)
            self.logger.log(level, "%s", sentence, **kwargs)


def _told(template: str, arguments: tuple[object, ...]) -> list[str]:
    told = [value if isinstance(value, str) and value in _WORDS else _UNTOLD for value in arguments]
    if template.startswith("%s: "):
        told[0] = hashlib.sha256(str(arguments[0]).encode()).hexdigest()[:8]
    return told


def _without_words() -> RuntimeError | None:
    """The exception that is being handled, as its kind and its traceback; its text may quote a packet."""
    error = sys.exception()
    return None if error is None else RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
