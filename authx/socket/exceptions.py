"""What can go wrong on a socket, and the one table of codes that says it.

    Exception
    ├── SocketError             a code from the table (or the app's own), a message, details
    │   ├── Refusal             a connection that is not let in
    │   ├── Denial              an event that is not let through; the connection stays
    │   └── Closing             a connection that the server ends
    └── ValueError
        └── ReservedNameError   the app used a name that belongs to the library

A client switches on the code; the message is for the person who reads the log. ``retry`` says
whether coming back can help, with a new token where the token was the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from authx.auth import exceptions as login

__all__ = ("CODES", "Closing", "Code", "Denial", "Refusal", "ReservedNameError", "SocketError", "code_for")


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means to whoever receives it."""

    message: str
    retry: bool


CODES: Mapping[str, Code] = MappingProxyType(
    {
        "missing_token": Code("Authentication is required", retry=False),
        "invalid_token": Code("The token is not valid", retry=False),
        "token_expired": Code("The token has expired", retry=True),
        "token_revoked": Code("The token has been revoked", retry=False),
        "wrong_token_type": Code("An access token of this login is required", retry=False),
        "csrf_failed": Code("The CSRF value is missing or does not match the cookie", retry=False),
        "origin_not_allowed": Code("This origin may not connect", retry=False),
        "fresh_token_required": Code("A fresh token is required", retry=True),
        "insufficient_scope": Code("The token lacks a required scope", retry=False),
        "insufficient_role": Code("The user lacks a required role", retry=False),
        "policy_denied": Code("Not allowed", retry=False),
        "too_many_connections": Code("Too many connections", retry=False),
        "rate_limited": Code("Too many requests", retry=True),
        "validation_error": Code("The arguments are not valid", retry=False),
        "unknown_event": Code("There is no such event", retry=False),
        "connect_timeout": Code("Connecting took too long", retry=True),
        "slow_consumer": Code("The client does not keep up", retry=True),
        "server_shutdown": Code("The server is going away", retry=True),
        "store_unavailable": Code("A store that must be asked does not answer", retry=True),
        "internal_error": Code("Something went wrong", retry=True),
    }
)

_UNLISTED = Code("Not allowed", retry=False)


class SocketError(Exception):
    """A failure that has a code.

    Args:
        code: A code of :data:`CODES`, or the app's own.
        message: A sentence for people; the table's when left out.
        details: Anything JSON can carry that helps the client mend its request.
        retry: Whether the client should come back; the table's when left out.
    """

    def __init__(
        self, code: str, message: str | None = None, *, details: Any = None, retry: bool | None = None
    ) -> None:
        known = CODES.get(code, _UNLISTED)
        self.code = code
        self.message = known.message if message is None else message
        self.details = details
        self.retry = known.retry if retry is None else retry
        super().__init__(code, self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Refusal(SocketError):
    """A connection is not let in. Raise it in a connect handler to say why.

    Args:
        data: What clients find in the error's ``data``: fields beside code and retry, or any other value
            in their place.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        details: Any = None,
        retry: bool | None = None,
        data: Any = None,
    ) -> None:
        super().__init__(code, message, details=details, retry=retry)
        self.data = data


class Denial(SocketError):
    """An event is not let through; the connection stays. Raise it in a handler or a guard."""


class Closing(SocketError):
    """The server ends a connection: what clients are told with ``authx:closing``."""


class ReservedNameError(ValueError):
    """A room or an event whose name belongs to the library."""


# The nearest class in the exception's MRO decides, so an app's own subclass speaks for its parent.
_LOGIN_CODES: Mapping[type[BaseException], str] = MappingProxyType(
    {
        login.MissingTokenError: "missing_token",
        login.JWTDecodeError: "invalid_token",
        login.TokenExpiredError: "token_expired",
        login.RevokedTokenError: "token_revoked",
        login.SessionRevoked: "token_revoked",
        login.TokenTypeError: "wrong_token_type",
        login.FreshTokenRequiredError: "fresh_token_required",
        login.CSRFError: "csrf_failed",
        login.InsufficientScopeError: "insufficient_scope",
        login.PolicyDeniedError: "policy_denied",
        login.RateLimitExceeded: "rate_limited",
    }
)


def code_for(error: BaseException) -> str:
    """The code that tells a client about ``error``; ``internal_error`` for what is not its business."""
    if isinstance(error, SocketError):
        return error.code
    for kind in type(error).__mro__:
        if kind in _LOGIN_CODES:
            return _LOGIN_CODES[kind]
    return "internal_error"
