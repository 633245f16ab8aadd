"""From what is raised to what is told."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import HTTPException, WebSocketException
from starlette.exceptions import HTTPException as StarletteHTTPException

from authx.auth.exceptions import FreshTokenRequiredError, RateLimitExceeded
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial, Refusal, SocketError
from authx.socket.failures import as_failure, handled, is_cancelled
from authx.socket.router import Layer
from tests.support.connections import connected


@pytest.mark.parametrize(
    ("error", "code", "message", "details"),
    [
        (HTTPException(401, "Not authenticated"), "missing_token", "Not authenticated", None),
        (StarletteHTTPException(403), "policy_denied", "Forbidden", None),
        (
            HTTPException(422, [{"loc": ["a"]}]),
            "validation_error",
            "The arguments are not valid",
            [{"loc": ["a"]}],
        ),
        (HTTPException(429, "Slower"), "rate_limited", "Slower", None),
        (HTTPException(429, "Slower", {"Retry-After": "7"}), "rate_limited", "Slower", {"retry_after": 7}),
        (HTTPException(429, "Slower", {"Retry-After": "Mon"}), "rate_limited", "Slower", None),
        (HTTPException(404, "No such room"), "http_404", "No such room", None),
        (HTTPException(409, {"by": "bob"}), "http_409", "Not allowed", {"by": "bob"}),
        (HTTPException(500, "secret"), "internal_error", "Something went wrong", None),
        (HTTPException(503, "secret"), "internal_error", "Something went wrong", None),
        (HTTPException(307, "secret"), "internal_error", "Something went wrong", None),
        (WebSocketException(1008, "No token"), "policy_denied", "No token", None),
        (WebSocketException(1008), "policy_denied", "Not allowed", None),
        (WebSocketException(1011, "secret"), "internal_error", "Something went wrong", None),
        (RateLimitExceeded(3), "rate_limited", "Too many requests", {"retry_after": 3}),
        (FreshTokenRequiredError("secret"), "fresh_token_required", "A fresh token is required", None),
        (Denial("own", "mine", details=1), "own", "mine", 1),
        (ValueError("secret"), "internal_error", "Something went wrong", None),
        (asyncio.CancelledError("secret"), "internal_error", "Something went wrong", None),
    ],
)
def test_every_exception_has_its_failure(
    error: BaseException, code: str, message: str, details: object
) -> None:
    failure = as_failure(error)

    assert (failure.code, failure.message, failure.details) == (code, message, details)


class Broken(Exception): ...


class Worse(Broken): ...


def layer(*handlers: tuple[type[Exception], Callable[[Connection, Any], Any]]) -> Layer:
    made = Layer()
    for kind, handler in handlers:
        assert made.exception_handler(kind)(handler) is handler
    return made


def gives(value: object) -> Callable[[Connection, Any], object]:
    return lambda connection, error: value


async def test_the_nearest_class_decides() -> None:
    both = layer((Exception, gives("exception")), (Broken, gives("broken")))

    assert await handled(connected(), Worse(), [both]) == "broken"
    assert await handled(connected(), ValueError(), [both]) == "exception"


async def test_the_nearest_layer_decides_before_the_nearest_class() -> None:
    layers = [layer((Worse, gives("outer"))), layer((Exception, gives("inner"))), layer()]

    assert await handled(connected(), Worse(), layers) == "inner"


async def test_a_handler_is_given_the_connection_and_the_error_and_may_be_async() -> None:
    here, error = connected(), Worse("why")

    async def later(connection: Connection, error: Worse) -> Any:
        return connection, error

    def in_a_thread(connection: Connection, error: Worse) -> Any:
        return threading.get_ident()

    assert await handled(here, error, [layer((Broken, later))]) == (here, error)
    assert await handled(here, error, [layer((Broken, in_a_thread))]) != threading.get_ident()


async def test_what_a_handler_raises_is_judged_but_not_by_the_same_handler() -> None:
    asked: list[str] = []

    def again(connection: Connection, error: Exception) -> None:
        asked.append("again")
        raise error

    def other(connection: Connection, error: Broken) -> None:
        asked.append("other")
        raise ValueError("from other") from error

    with pytest.raises(ValueError, match="from other"):
        await handled(connected(), Worse(), [layer((Exception, again), (Broken, other))])
    assert asked == ["other", "again"]


async def test_a_handler_of_everything_does_not_take_what_has_an_answer_of_its_own() -> None:
    everything = layer((Exception, gives("taken")))

    for error in (Denial("a"), HTTPException(404), FreshTokenRequiredError("a"), Refusal("a")):
        with pytest.raises(type(error)):
            await handled(connected(), error, [everything])
    asked_for = layer((SocketError, gives("denial")), (HTTPException, gives("http")))
    assert await handled(connected(), Denial("a"), [asked_for]) == "denial"
    assert await handled(connected(), HTTPException(404), [asked_for]) == "http"


def test_a_handler_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Layer().exception_handler()


async def test_a_task_is_cancelled_only_if_somebody_asked_it_to_end() -> None:
    assert not is_cancelled(asyncio.CancelledError())

    async def ends() -> bool:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            return is_cancelled(error)
        return False

    task = asyncio.ensure_future(ends())
    await asyncio.sleep(0)
    task.cancel()
    assert await task
