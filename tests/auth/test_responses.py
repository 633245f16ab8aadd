"""What clients are answered when something is refused."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message
from starlette.websockets import WebSocket

from authx.auth import exceptions
from authx.auth.exceptions import (
    AuthXException,
    BadConfigurationError,
    JWTDecodeError,
    LoginTypeMismatchError,
    MissingTokenError,
    NoAuthorizationError,
    RateLimitExceeded,
    TokenError,
    TokenExpiredError,
)
from authx.auth.facade import AuthX
from authx.auth.responses import ErrorResponses, ensure_answers
from tests.auth.asking import asking, auth_of, bearer, request

UNANSWERED = (AuthXException, BadConfigurationError, NoAuthorizationError, TokenError)


def raising(error: Exception, *, by: ErrorResponses | None = None) -> FastAPI:
    """An app that raises, and is handled by somebody."""
    app = FastAPI()
    if by is not None:
        by.handle_errors(app)

    @app.get("/raise")
    async def raiser() -> None:
        raise error

    return app


def guarded(*logins: AuthX[Any]) -> FastAPI:
    """An app with a guarded route for each login, ``/0``, ``/1`` and so on, and nobody handles errors."""
    app = FastAPI()
    for number, login in enumerate(logins):

        @app.get(f"/{number}", dependencies=[Depends(login.access_token_required)])
        async def route() -> None: ...

    return app


async def answer(app: FastAPI, path: str = "/raise", **how: Any) -> tuple[int, Any]:
    async with asking(app) as client:
        got = await client.get(path, **how)
    return got.status_code, got.json() if "json" in got.headers["content-type"] else got.text


@pytest.mark.parametrize("error", UNANSWERED)
async def test_the_server_s_own_faults(error: type[AuthXException]) -> None:
    """What is no client's fault is no answer for clients."""
    assert await answer(raising(error("detail"), by=ErrorResponses())) == (500, "Internal Server Error")


def test_every_other_exception_has_an_answer() -> None:
    """An exception that is added to the tree is added to the table, or to the ones left out above."""
    app = FastAPI()
    ErrorResponses().handle_errors(app)
    tree = {
        found for name in exceptions.__all__ if issubclass(found := getattr(exceptions, name), AuthXException)
    }

    assert tree - set(UNANSWERED) == {error for error in app.exception_handlers if error in tree}


async def test_fields_and_headers() -> None:
    """Some answers say more than the message."""
    app = raising(RateLimitExceeded(7), by=ErrorResponses())
    async with asking(app) as client:
        got = await client.get("/raise")

    assert got.json() == {
        "message": "Rate limit exceeded. Retry after 7 seconds.",
        "error_type": "RateLimitExceeded",
        "retry_after": 7,
    }
    assert got.headers["retry-after"] == "7"
    assert await answer(raising(LoginTypeMismatchError("admin"), by=ErrorResponses())) == (
        401,
        {
            "message": "Token type mismatch: expected 'admin', got 'unknown'",
            "error_type": "LoginTypeMismatchError",
            "expected_type": "admin",
            "actual_type": None,
        },
    )


class OwnExpired(TokenExpiredError):
    """An app's own, below one of ours."""


async def test_messages_of_the_app() -> None:
    """A message may be assigned, before or after, also to replace an exception's own text."""
    words = ErrorResponses()
    words.MSG_JWTDecodeError = "Go away"
    decode = raising(JWTDecodeError("detail"), by=words)
    assert await answer(decode) == (422, {"message": "Go away", "error_type": "JWTDecodeError"})
    words.MSG_JWTDecodeError = None
    assert await answer(decode) == (422, {"message": "detail", "error_type": "JWTDecodeError"})

    words.MSG_TokenError = "Come in"
    assert await answer(raising(MissingTokenError("detail"), by=words)) == (
        401,
        {"message": "Come in", "error_type": "MissingTokenError"},
    )
    assert await answer(raising(OwnExpired("late"), by=words)) == (
        422,
        {"message": "late", "error_type": "OwnExpired"},
    )
    words.MSG_TokenExpiredError = "Too late"  # type: ignore[attr-defined]
    assert await answer(raising(OwnExpired("late"), by=words)) == (
        422,
        {"message": "Too late", "error_type": "OwnExpired"},
    )


MISSING = (401, {"message": "Token Error", "error_type": "MissingTokenError"})


async def test_guarded_routes_need_no_handlers() -> None:
    """A guarded route is answered from its first request on, and the others of the app then are, too."""
    app = guarded(auth_of())

    @app.get("/raise")
    async def raiser() -> None:
        raise MissingTokenError("detail")

    assert await answer(app) == (500, "Internal Server Error")
    assert await answer(app, "/0") == MISSING
    assert await answer(app, "/0") == MISSING
    assert await answer(app) == MISSING


@pytest.mark.parametrize("handled", [MissingTokenError, TokenError, AuthXException])
async def test_the_app_s_own_handlers_stay_in_charge(handled: type[AuthXException]) -> None:
    """A handler of the app, for the class or one above it, is left alone; for the others there is ours."""
    app = guarded(auth_of())

    @app.exception_handler(handled)
    async def own(_request: Request, error: Exception) -> Response:
        return JSONResponse(type(error).__name__, 418)

    assert await answer(app, "/0") == (418, "MissingTokenError")
    bad = await answer(app, "/0", headers=bearer("x"))
    assert bad == (
        (418, "JWTDecodeError")
        if handled is AuthXException
        else (422, {"message": "Invalid Token", "error_type": "JWTDecodeError"})
    )


async def test_handlers_that_were_asked_for_win_over_a_base() -> None:
    """After ``handle_errors``, only a handler for the very class wins."""
    app = guarded(auth := auth_of())
    auth.handle_errors(app)

    @app.exception_handler(AuthXException)
    async def base(*_: Any) -> Response:
        return JSONResponse("base", 418)

    assert await answer(app, "/0") == MISSING

    @app.exception_handler(MissingTokenError)
    async def own(*_: Any) -> Response:
        return JSONResponse("own", 418)

    app.middleware_stack = None
    assert await answer(app, "/0") == (418, "own")


@pytest.mark.parametrize("handles", [None, 0, 1])
async def test_two_logins_of_one_app(handles: int | None) -> None:
    """Each route is answered in the words of its own login, whichever came first, and whichever handles."""
    logins = [auth_of(), auth_of()]
    for name, login in zip("ab", logins, strict=True):
        login.MSG_TokenError = name
    app = guarded(*logins)
    if handles is not None:
        logins[handles].handle_errors(app)

    for path in ("/0", "/1", "/0", "/1"):
        message = "ab"[int(path[1:])]
        assert await answer(app, path) == (401, {"message": message, "error_type": "MissingTokenError"})


async def test_apps_do_not_share_handlers() -> None:
    """What one app learns, a mounted one, or another one, does not."""
    auth = auth_of()
    inner = raising(MissingTokenError("detail"))
    outer = guarded(auth)
    outer.mount("/inner", inner)

    assert await answer(outer, "/0") == MISSING
    assert (await answer(outer, "/inner/raise"))[0] == 500
    assert (await answer(raising(MissingTokenError("detail"))))[0] == 500


async def test_answers_in_nobody_s_words() -> None:
    """Whoever has no login can have refusals answered, and takes the word from no login."""
    app = FastAPI()
    auth = auth_of()
    auth.MSG_TokenError = "mine"

    @app.get("/raise")
    async def raiser(asked: Request) -> None:
        if "mine" in asked.query_params:
            auth.ensure_request_exception_handlers(asked)
        ensure_answers(asked)
        raise MissingTokenError

    assert await answer(app) == MISSING
    assert await answer(app, "/raise?mine") == (401, {"message": "mine", "error_type": "MissingTokenError"})


def test_a_request_without_handlers() -> None:
    """A request that no app handles is left as it is."""
    auth = auth_of()
    auth.ensure_request_exception_handlers(asked := request())

    assert "starlette.exception_handlers" not in asked.scope


async def connected(app: FastAPI, **scope: Any) -> list[Message]:
    """What a socket that asks to be opened is sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(
        {
            "type": "websocket",
            "path": "/ws",
            "query_string": b"",
            "headers": [],
            "subprotocols": [],
            **scope,
        },
        receive,
        send,
    )
    return sent


def with_socket(*, accept_first: bool = False, close_first: bool = False) -> FastAPI:
    app = FastAPI()
    auth = auth_of()
    auth.handle_errors(app)

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket) -> None:
        if accept_first:
            await websocket.accept()
        if close_first:
            await websocket.close()
        await auth._ws_auth_required(websocket)

    return app


async def test_a_socket_is_denied() -> None:
    """A server that can gives the client the same answer as to a request."""
    start, body = await connected(with_socket(), extensions={"websocket.http.response": {}})

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert body["body"] == b'{"message":"Token Error","error_type":"MissingTokenError"}'


@pytest.mark.parametrize("accept_first", [False, True])
async def test_a_socket_is_closed(accept_first: bool) -> None:
    """Where no answer can be given, for the server cannot or it is too late, the socket is closed."""
    extensions: dict[str, Any] = {"websocket.http.response": {}} if accept_first else {}
    sent = await connected(with_socket(accept_first=accept_first), extensions=extensions)

    assert [message["type"] for message in sent] == ["websocket.accept"] * accept_first + ["websocket.close"]
    assert sent[-1]["code"] == 1008


async def test_a_socket_that_is_closed_already() -> None:
    """There is nothing left to answer."""
    sent = await connected(with_socket(close_first=True))

    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_a_socket_nobody_handles() -> None:
    """Without ``handle_errors`` the exception leaves the app."""
    app = FastAPI()
    auth = auth_of()

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket, _payload: Any = auth.WS_AUTH_REQUIRED) -> None: ...

    with pytest.raises(MissingTokenError):
        await connected(app)
