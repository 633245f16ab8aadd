"""From whatever is raised on the way of an event to a failure that can be told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from inspect import isawaitable
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException, WebSocketException

from authx.auth.exceptions import AuthXException, RateLimitExceeded
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial, SocketError, code_for
from authx.socket.router import ExceptionHandler, Layer
from authx.socket.signature import is_async
from authx.socket.thread import in_thread

__all__ = ("as_failure", "handled", "is_cancelled")

_ANSWERED = (SocketError, HTTPException, WebSocketException, AuthXException)
"""What has an answer of its own, nearer than that of a handler for a class above."""
_STATUSES = {401: "missing_token", 403: "policy_denied", 422: "validation_error", 429: "rate_limited"}
_POLICY_VIOLATION = 1008
"""RFC 6455, section 7.4.1."""


def is_cancelled(error: BaseException) -> bool:
    """Whether ``error`` ends this task, and is not merely that something a handler awaited was cancelled."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def as_failure(error: BaseException) -> SocketError:
    """``error`` as a failure that can be told, with nothing of the inside in its text."""
    if isinstance(error, SocketError):
        return error
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, WebSocketException) and error.code == _POLICY_VIOLATION:
        return Denial("policy_denied", error.reason or None)
    if isinstance(error, RateLimitExceeded):
        return Denial("rate_limited", details={"retry_after": error.retry_after})
    return Denial(code_for(error))


async def handled(connection: Connection, error: BaseException, layers: Iterable[Layer]) -> Any:
    """What the app's exception handler gives for ``error``, and for what such a handler raises.

    Args:
        connection: Whose event it was.
        error: What was raised.
        layers: Where handlers may be, the outermost first; the innermost is asked first.

    Raises:
        BaseException: what no handler takes. None is asked twice.
    """
    asked: set[ExceptionHandler] = set()
    while True:
        handler = _handler_of(error, layers, asked)
        if handler is None:
            raise error
        asked.add(handler)
        try:
            return await _call(handler, connection, error)
        except Exception as raised:  # noqa: BLE001 - judged in its turn
            error = raised


def _handler_of(
    error: BaseException, layers: Iterable[Layer], asked: set[ExceptionHandler]
) -> ExceptionHandler | None:
    for layer in reversed(tuple(layers)):
        for kind in type(error).__mro__:
            handler = layer.exception_handlers.get(kind)
            if handler is not None and handler not in asked:
                return handler
            if kind in _ANSWERED:
                break
    return None


async def _call(handler: ExceptionHandler, connection: Connection, error: BaseException) -> Any:
    if is_async(handler):
        return await handler(connection, error)
    result = await in_thread(handler, connection, error)
    return await result if isawaitable(result) else result


def _of_http(error: HTTPException) -> SocketError:
    status = error.status_code
    # FastAPI's own may hold anything that JSON can carry.
    detail: Any = error.detail
    if not 400 <= status < 500:
        return Denial("internal_error")
    code = _STATUSES.get(status, f"http_{status}")
    if not isinstance(detail, str):
        return Denial(code, details=detail)
    retry_after = Headers(error.headers).get("retry-after", "")
    details = {"retry_after": int(retry_after)} if retry_after.isdecimal() else None
    return Denial(code, detail, details=details)
