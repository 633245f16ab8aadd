"""FastAPI's dependencies, solved for events."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial, wraps
from typing import Annotated, Any

import pytest
from fastapi import (
    Body,
    Cookie,
    Depends,
    File,
    Header,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
    Security,
)
from fastapi.security import APIKeyCookie, HTTPBearer, OAuth2PasswordBearer, SecurityScopes
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from authx.auth.identity import Identity
from authx.socket.connection import Connection, CurrentIdentity
from authx.socket.credential import Credential
from authx.socket.dependency import Dependencies
from authx.socket.exceptions import Denial
from authx.socket.injection import Injector
from authx.socket.material import Material, Supply
from tests.support.connections import ALICE, connected
from tests.support.logins import login


class Socket:
    pass


SOCKET = Socket()


async def solved(
    call: Callable[..., Any],
    *,
    overrides: dict[Callable[..., Any], Callable[..., Any]] | None = None,
    connection: Connection | None = None,
    config: Any = None,
) -> Any:
    """What a handler that depends on ``call`` gets."""
    supply = Supply({Socket: SOCKET}, config, lambda: overrides or {})
    result = None

    async def keep(value=Depends(call)):
        nonlocal result
        result = value

    await Injector(supply).compile(keep)(connected() if connection is None else connection, ())
    return result


async def one() -> int:
    return 1


def in_a_thread() -> int:
    return threading.get_ident()


class Adder:
    def __init__(self, number: int = Depends(one)) -> None:
        self.number = number

    def __call__(self) -> int:
        return self.number + 1

    async def add(self, number: Annotated[int, Depends(one)]) -> int:
        return self.number + number


@dataclass
class Bag:
    number: Annotated[int, Depends(one)]
    user: CurrentIdentity


class Page(BaseModel):
    limit: int = 10


async def test_dependencies_of_every_make_are_called() -> None:
    assert await solved(one) == 1
    assert await solved(in_a_thread) != threading.get_ident()
    assert (await solved(Adder)).number == 1
    assert await solved(Adder(5)) == 6
    assert await solved(Adder(5).add) == 6
    assert await solved(partial(one)) == 1
    assert await solved(lambda: "lambda") == "lambda"
    assert await solved(Bag) == Bag(1, ALICE)
    assert await solved(Page, connection=connected(query="limit=3")) == Page(limit=3)


async def test_a_sync_wrapper_of_an_async_dependency_is_awaited() -> None:
    @wraps(one)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return one(*args, **kwargs)

    assert await solved(wrapper) == 1


async def test_nested_dependencies_are_made_once_for_an_event() -> None:
    made: list[str] = []

    async def base() -> str:
        made.append("base")
        return f"base {len(made)}"

    async def left(base: Annotated[str, Depends(base)]) -> str:
        return base

    def right(base: str = Depends(base)) -> str:
        return base

    async def fresh(base: str = Depends(base, use_cache=False)) -> str:
        return base

    async def top(a=Depends(left), b=Depends(right), c=Depends(fresh)):
        return [a, b, c]

    assert await solved(top) == ["base 1", "base 1", "base 2"]
    assert await solved(top) == ["base 3", "base 3", "base 4"]


async def test_a_dependency_that_gave_none_is_not_made_again() -> None:
    made: list[int] = []

    async def nothing() -> None:
        made.append(1)

    async def top(a=Depends(nothing), b=Depends(nothing)):
        return a, b

    assert await solved(top) == (None, None)
    assert made == [1]


async def test_the_dependency_may_be_the_annotation() -> None:
    async def top(adder: Annotated[Adder, Depends()]) -> int:
        return adder.number

    assert await solved(top) == 1


async def test_security_scopes_gather_on_the_way() -> None:
    async def who(scopes: SecurityScopes) -> tuple[list[str], str]:
        return list(scopes.scopes), scopes.scope_str

    async def reader(who: Annotated[Any, Security(who, scopes=["read"])]) -> Any:
        return who

    async def top(
        plain: Annotated[Any, Depends(who)],
        below: Annotated[Any, Security(reader, scopes=["me"])],
        twice: Annotated[Any, Security(reader, scopes=["read"])],
    ) -> Any:
        return plain, below, twice

    assert await solved(top) == (([], ""), (["me", "read"], "me read"), (["read"], "read"))


async def test_what_does_not_ask_for_scopes_is_shared_whatever_they_are() -> None:
    made: list[int] = []

    async def db() -> int:
        made.append(1)
        return len(made)

    async def reads(db: int = Depends(db)) -> int:
        return db

    async def top(a: int = Depends(reads), b: int = Security(reads, scopes=["x"])) -> tuple[int, int]:
        return a, b

    assert await solved(top) == (1, 1)


async def test_a_dependency_may_ask_for_all_that_is_known_of_the_connection() -> None:
    async def top(
        here: Connection,
        me: CurrentIdentity,
        perhaps: Identity | None,
        socket: Socket,
        request: Request,
        connection: HTTPConnection,
        websocket: WebSocket,
        response: Response,
        sid: str,
    ) -> Any:
        response.headers["x"] = "y"
        assert request is connection
        return here.sid, me, perhaps, socket, websocket.headers["host"], response.headers["x"], sid

    here = connected(headers={"host": "app.test"})
    assert await solved(top, connection=here) == ("s1", ALICE, ALICE, SOCKET, "app.test", "y", "s1")
    with pytest.raises(Denial, match="missing_token"):
        await solved(top, connection=connected(None))


async def test_the_request_and_the_response_are_the_same_throughout_an_event() -> None:
    async def writes(request: Request, response: Response) -> None:
        request.state.seen = response

    async def top(_: Annotated[None, Depends(writes)], request: Request, response: Response) -> bool:
        return request.state.seen is response

    assert await solved(top) is True


async def test_plain_parameters_are_of_the_query_and_markers_say_otherwise() -> None:
    async def top(
        page: int,
        tags: Annotated[list[str], Query()],
        user_agent: Annotated[str, Header()],
        theme: Annotated[str | None, Cookie()] = None,
        size: int = 20,
    ) -> Any:
        return page, tags, user_agent, theme, size

    here = connected(query="page=2&tags=a&tags=b", headers={"User-Agent": "Browser", "Cookie": "theme=dark"})
    assert await solved(top, connection=here) == (2, ["a", "b"], "Browser", "dark", 20)
    with pytest.raises(Denial) as caught:
        await solved(top, connection=connected(query="page=x&tags=a", headers={"User-Agent": "B"}))
    assert caught.value.details[0]["loc"] == ("query", "page")


async def test_security_schemes_of_fastapi_find_the_current_credential() -> None:
    auth = login("headers", "cookies")
    header = connected(credential=Credential("now", "payload"), headers={"authorization": "Bearer stale"})
    cookie = connected(credential=Credential("now", "cookie"))

    assert await solved(OAuth2PasswordBearer("/token"), connection=header, config=auth.config) == "now"
    bearer = await solved(HTTPBearer(), connection=header, config=auth.config)
    assert bearer.credentials == "now"
    found = await solved(APIKeyCookie(name="access_token_cookie"), connection=cookie, config=auth.config)
    assert found == "now"
    with pytest.raises(HTTPException):
        await solved(OAuth2PasswordBearer("/token"), connection=connected(), config=auth.config)


async def test_overrides_are_honoured_at_every_level_and_read_once() -> None:
    async def inner() -> str:
        raise AssertionError("overridden")

    async def other(query: str = "none", number: int = Depends(one)) -> str:
        return f"{query} {number}"

    async def top(inner: str = Depends(inner)) -> str:
        return inner

    async def two() -> int:
        return 2

    overrides: dict[Callable[..., Any], Callable[..., Any]] = {inner: other, one: two}
    assert await solved(top, overrides=overrides, connection=connected(query="query=q")) == "q 2"
    assert await solved(inner, overrides={inner: one}) == 1

    dependencies = Dependencies(Supply(overrides=lambda: {inner: other}))
    compiled = dependencies.compile(Depends(top))
    for _ in range(3):
        material = Material(Supply(), connected(), ())
        material.made, material.entered = {}, []
        assert await dependencies.solve(compiled, material) == "none 1"
    assert len(dependencies._substitutes) == 1


async def test_an_override_may_be_taken_back() -> None:
    overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
    seen: list[Any] = []

    async def handler(value: Annotated[int, Depends(one)]) -> None:
        seen.append(value)

    invocation = Injector(Supply(overrides=lambda: overrides)).compile(handler)
    await invocation(connected(), ())
    overrides[one] = lambda: "other"
    await invocation(connected(), ())
    overrides.clear()
    await invocation(connected(), ())

    assert seen == [1, "other", 1]


async def test_yield_gives_and_cleans_up_the_last_one_first() -> None:
    steps: list[str] = []

    async def outer() -> AsyncIterator[str]:
        steps.append("outer in")
        yield "outer"
        steps.append("outer out")

    def inner(outer: str = Depends(outer)) -> Iterator[str]:
        steps.append("inner in")
        yield f"{outer} inner"
        steps.append("inner out")

    assert await solved(inner) == "outer inner"
    assert steps == ["outer in", "inner in", "inner out", "outer out"]


async def test_an_override_may_yield() -> None:
    steps: list[str] = []

    async def other() -> AsyncIterator[int]:
        yield 2
        steps.append("out")

    assert await solved(one, overrides={one: other}) == 2
    assert steps == ["out"]


def circular(_: Any) -> None: ...


circular.__defaults__ = (Depends(circular),)


def undecided(_: Annotated[int, Depends(7)]) -> None: ...


def of_body(data: Page) -> None: ...


def of_marked_body(data: Annotated[int, Body()]) -> None: ...


def of_list(data: list[str]) -> None: ...


def of_file(data: Annotated[bytes, File()]) -> None: ...


def of_path(item: Annotated[int, Path()]) -> None: ...


def of_several(page: Annotated[Page, Query()]) -> None: ...


def of_thread(thread: threading.Thread) -> None: ...


def of_nowhere(data: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (circular, "itself"),
        (undecided, "names no dependency"),
        (of_body, "body"),
        (of_marked_body, "body"),
        (of_list, "body"),
        (of_file, "body"),
        (of_path, "path"),
        (of_several, "several values"),
        (of_thread, "validated"),
        (of_nowhere, "Nowhere"),
    ],
)
def test_a_dependency_that_cannot_work_fails_when_the_handler_is_registered(
    call: Callable[..., Any], reason: str
) -> None:
    def handler(value=Depends(call)): ...

    def nested(value=Depends(lambda below=Depends(call): below)): ...

    for given in (handler, nested):
        with pytest.raises(TypeError, match=f"{given.__name__}.*{reason}"):
            Injector(Supply()).compile(given)


def test_a_limit_that_would_not_be_kept_is_refused() -> None:
    marker = Depends(one)
    object.__setattr__(marker, "max_concurrency", 1)

    with pytest.raises(TypeError, match="limit"):
        Injector(Supply()).dependency(marker)
