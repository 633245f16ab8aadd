"""What goes over the wire besides the app's own events: names, and the bodies that clients read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from authx.auth.identity import Identity
from authx.socket.exceptions import Closing, Refusal, ReservedNameError, SocketError
from authx.socket.rooms import is_reserved

__all__ = (
    "CLOSING_EVENT",
    "EXCEPTION_EVENT",
    "EXPIRING_EVENT",
    "LIFECYCLE",
    "REFRESH_EVENT",
    "SESSION_EVENT",
    "check_emitted",
    "check_handled",
    "closing_body",
    "error_body",
    "exception_body",
    "expiring_body",
    "is_refused_from_clients",
    "refresh_body",
    "refusal_body",
    "request_error_body",
    "session_body",
    "to_wire",
)

SESSION_EVENT = "authx:session"
EXPIRING_EVENT = "authx:expiring"
REFRESH_EVENT = "authx:refresh"
"""The one event of the library's that clients send."""
CLOSING_EVENT = "authx:closing"
EXCEPTION_EVENT = "exception"

LIFECYCLE = frozenset({"connect", "disconnect"})
# What the standard clients fire locally: as an event of the server it would pass for their own.
_CLIENT_SIDE = LIFECYCLE | {"connect_error"}
_PLAIN = frozenset({str, int, float, bool, NoneType, bytes, bytearray})
_NEVER_FROM_CLIENTS = _CLIENT_SIDE | {EXCEPTION_EVENT}


def is_refused_from_clients(event: str) -> bool:
    """Whether a client may not send ``event``: it is the library's, or names a step of the protocol."""
    return event in _NEVER_FROM_CLIENTS or is_reserved(event)


def check_handled(event: str) -> None:
    """Raise :class:`ReservedNameError` if no client could ever trigger a handler of ``event``."""
    if event not in LIFECYCLE and is_refused_from_clients(event):
        raise ReservedNameError(f"the event name {event!r} is reserved; a handler of it would never run")


def check_emitted(event: str) -> None:
    """Raise :class:`ReservedNameError` if an app may not emit ``event``."""
    if event in _CLIENT_SIDE or is_reserved(event):
        raise ReservedNameError(f"the event name {event!r} is reserved and can't be emitted")


def session_body(identity: Identity, *, key: str, ttl: float | None) -> dict[str, Any]:
    """``authx:session``: who the server takes the client for, and the key of the connection."""
    return {"user": identity.user, **refresh_body(identity, ttl=ttl), "key": key}


def refresh_body(identity: Identity, *, ttl: float | None) -> dict[str, Any]:
    """What a refresh is answered with.

    Args:
        identity: The one from now on. ``expires_at`` is its token's, in Unix seconds.
        ttl: Seconds until the server ends the connection; None is never.
    """
    return {
        "scopes": sorted(identity.scopes),
        "roles": sorted(identity.roles),
        "expires_at": identity.expires_at,
        "ttl": ttl,
    }


def expiring_body(ttl: float | None) -> dict[str, Any]:
    """``authx:expiring``: in so many seconds the server ends the connection, unless it is refreshed."""
    return {"ttl": ttl}


def refusal_body(refusal: Refusal) -> dict[str, Any]:
    """CONNECT_ERROR: ``{message, data: {code, retry, details?}}``, or what the app put in place of data."""
    data = {"code": refusal.code, "retry": refusal.retry}
    if refusal.details is not None:
        data["details"] = to_wire(refusal.details)
    said = to_wire(refusal.data)
    if isinstance(said, dict):
        said = {**data, **said}
    return {"message": refusal.message, "data": data if said is None else said}


def closing_body(closing: Closing) -> dict[str, Any]:
    """``authx:closing``: why the server disconnects, and whether the client should come back."""
    return {"code": closing.code, "message": closing.message, "retry": closing.retry}


def error_body(error: SocketError) -> dict[str, Any]:
    """An acknowledgement of failure: ``{"error": {code, message, details?}}``."""
    body = {"code": error.code, "message": error.message}
    if error.details is not None:
        body["details"] = to_wire(error.details)
    return {"error": body}


def request_error_body(error: SocketError) -> dict[str, Any]:
    """The answer to a failed request: ``{"error": {code, message, retry}}``."""
    return {"error": {"code": error.code, "message": error.message, "retry": error.retry}}


def exception_body(error: SocketError, event: str) -> dict[str, Any]:
    """The ``exception`` event: what an acknowledgement would have said, and the event's name."""
    return {**error_body(error), "event": event}


def to_wire(value: Any) -> Any:
    """``value`` in types that the packet encoder takes; bytes stay bytes and travel as attachments."""
    kind = type(value)
    # What most values are, before what they may be besides.
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {key: item if type(item) in _PLAIN else to_wire(item) for key, item in value.items()}
    if isinstance(value, (str, int, float, bytes, bytearray)):
        return value
    if isinstance(value, BaseModel):
        return _encoded(value)
    if isinstance(value, Mapping):
        return {key: to_wire(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_wire(item) for item in value]
    return _encoded(value) if is_dataclass(value) else to_jsonable_python(value)


def _encoded(value: Any) -> Any:
    return to_jsonable_python(value, by_alias=True, bytes_mode="base64")
