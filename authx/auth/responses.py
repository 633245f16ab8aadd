"""What clients are answered when something is refused: one table from exception to status and body.

The body is ``{"message", "error_type"}``, the latter the name of the exception's class, and the fields
that the table names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketState

from authx.auth.exceptions import (
    AccessTokenRequiredError,
    AuthXException,
    CSRFError,
    FreshTokenRequiredError,
    InsufficientScopeError,
    JWTDecodeError,
    LoginTypeMismatchError,
    MissingCSRFTokenError,
    MissingTokenError,
    PolicyDeniedError,
    PolicyEvaluationError,
    RateLimitExceeded,
    RefreshTokenRequiredError,
    RevokedTokenError,
    SessionRevoked,
    TokenExpiredError,
    TokenInvalidAudienceError,
    TokenInvalidIssuerError,
    TokenInvalidSignatureError,
    TokenRequiredError,
    TokenTypeError,
)

__all__ = ("ErrorResponses", "ensure_answers")

_POLICY_VIOLATION = 1008
"""The close code for a socket that may not go on (RFC 6455, section 7.4.1)."""

_SPEAKER = "authx.error_responses"
"""Where in a request's ASGI scope is written in whose words it is answered."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    message: str
    """The attribute of :class:`ErrorResponses` that holds the message. None there, or no such
    attribute, is the exception's own text."""
    fields: tuple[str, ...] = ()
    """Attributes of the exception that are added to the body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers, and the attributes of the exception that they are made from."""


_ANSWERS: dict[type[AuthXException], _Answer] = {
    JWTDecodeError: _Answer(422, "MSG_JWTDecodeError"),
    TokenExpiredError: _Answer(422, "MSG_TokenExpiredError"),
    TokenInvalidSignatureError: _Answer(422, "MSG_TokenInvalidSignatureError"),
    TokenInvalidAudienceError: _Answer(422, "MSG_TokenInvalidAudienceError"),
    TokenInvalidIssuerError: _Answer(422, "MSG_TokenInvalidIssuerError"),
    MissingTokenError: _Answer(401, "MSG_TokenError"),
    MissingCSRFTokenError: _Answer(401, "MSG_MissingCSRFTokenError"),
    TokenTypeError: _Answer(401, "MSG_TokenTypeError"),
    AccessTokenRequiredError: _Answer(401, "MSG_AccessTokenRequiredError"),
    RefreshTokenRequiredError: _Answer(401, "MSG_RefreshTokenRequiredError"),
    LoginTypeMismatchError: _Answer(
        401, "MSG_LoginTypeMismatchError", fields=("expected_type", "actual_type")
    ),
    RevokedTokenError: _Answer(401, "MSG_RevokedTokenError"),
    TokenRequiredError: _Answer(401, "MSG_TokenRequiredError"),
    FreshTokenRequiredError: _Answer(401, "MSG_FreshTokenRequiredError"),
    CSRFError: _Answer(401, "MSG_CSRFError"),
    SessionRevoked: _Answer(401, "MSG_SessionRevoked"),
    InsufficientScopeError: _Answer(403, "MSG_InsufficientScopeError"),
    PolicyDeniedError: _Answer(403, "MSG_PolicyDeniedError"),
    PolicyEvaluationError: _Answer(500, "MSG_PolicyEvaluationError"),
    RateLimitExceeded: _Answer(
        429,
        "MSG_RateLimitExceeded",
        fields=("retry_after",),
        headers={"Retry-After": "retry_after"},
    ),
}
"""Exceptions not in here, nor below one that is, are the server's fault and stay unanswered."""


class ErrorResponses:
    """Answers refused requests, in its own words.

    The messages are attributes, and an app may assign its own. None stands for the exception's own text,
    which the other exceptions of the table have, too; they take a message under ``MSG_`` and their name.
    """

    MSG_TokenError: str | None = "Token Error"
    """Of a missing token."""
    MSG_MissingTokenError: str | None = "Missing JWT in request"
    """Without effect; see ``MSG_TokenError``."""
    MSG_MissingCSRFTokenError: str | None = None
    MSG_TokenTypeError: str | None = "Bad token type"
    MSG_RevokedTokenError: str | None = "Invalid token"
    MSG_TokenRequiredError: str | None = "Token required"
    MSG_FreshTokenRequiredError: str | None = "Fresh token required"
    MSG_AccessTokenRequiredError: str | None = "Access token required"
    MSG_RefreshTokenRequiredError: str | None = "Refresh token required"
    MSG_CSRFError: str | None = "CSRF double submit does not match"
    MSG_JWTDecodeError: str | None = "Invalid Token"
    MSG_InsufficientScopeError: str | None = None
    MSG_LoginTypeMismatchError: str | None = None
    MSG_PolicyDeniedError: str | None = None
    MSG_PolicyEvaluationError: str | None = "Policy evaluation failed"
    MSG_SessionRevoked: str | None = "Session has been revoked"

    @property
    def _message_key(self) -> str:
        """The name of the message in the body."""
        return "message"

    def handle_errors(self, app: FastAPI) -> None:
        """Answer all refusals of an app, before it starts.

        A handler that the app adds for the same class later wins. Without this call, guarded routes are
        answered all the same, see :meth:`ensure_request_exception_handlers`.
        """
        # The handler answers requests and sockets; the type is of one that answers either.
        for error in _ANSWERS:
            app.add_exception_handler(error, self.answer_error)  # type: ignore[arg-type]

    def ensure_request_exception_handlers(self, request: HTTPConnection) -> None:
        """See to it that what is refused in a request is answered, and in the words of this object.

        What the app handles by itself, be it by a base class, is left to the app.
        """
        request.scope[_SPEAKER] = self
        ensure_answers(request, self)

    async def answer_error(self, connection: HTTPConnection, error: Exception) -> Response | None:
        """Answer an exception of the table: by a response, or on the socket itself."""
        # One app has one handler for a class, but may have several logins: the guard of the route decides.
        speaker: ErrorResponses = connection.scope.get(_SPEAKER, self)
        response = speaker._response(error)
        if not isinstance(connection, WebSocket):
            return response
        if _can_be_denied(connection):
            await connection.send_denial_response(response)
        elif connection.application_state is not WebSocketState.DISCONNECTED:
            await connection.close(_POLICY_VIOLATION)
        return None

    def _response(self, error: Exception) -> Response:
        answer = next(_ANSWERS[base] for base in type(error).__mro__ if base in _ANSWERS)
        message: str | None = getattr(self, answer.message, None)
        body: dict[str, Any] = {
            self._message_key: str(error) if message is None else message,
            "error_type": type(error).__name__,
        }
        body |= {name: getattr(error, name) for name in answer.fields}
        headers = {name: str(getattr(error, source)) for name, source in answer.headers.items()}
        return JSONResponse(body, answer.status, headers)


def ensure_answers(request: HTTPConnection, speaker: ErrorResponses | None = None) -> None:
    """See to it that what is refused in a request is answered, in somebody's words.

    Guards come to life inside a request, when the app can no longer be told about handlers. But those that
    are in force travel along in the request's scope, and its route looks into them once the guard has
    raised. There they stay, for the app's other requests, too.

    Args:
        request: what travels.
        speaker: in whose words, if nobody has the say yet.
    """
    handlers, _ = request.scope.get("starlette.exception_handlers", ({}, {}))
    for error in _ANSWERS:
        if handlers.keys().isdisjoint(error.__mro__):
            handlers[error] = (speaker or _PLAIN).answer_error


_PLAIN = ErrorResponses()


def _can_be_denied(websocket: WebSocket) -> bool:
    """Whether a socket can still be given a response: it is not open yet, and the server knows how."""
    return (
        websocket.application_state is WebSocketState.CONNECTING
        and "websocket.http.response" in websocket.scope.get("extensions", {})
    )
