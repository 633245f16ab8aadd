"""Reading signatures."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, NewType

import pytest
from fastapi import Body, Depends, Header, Query, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError, computed_field
from typing_extensions import TypeAliasType, TypedDict

from authx.auth.identity import Identity
from authx.socket.connection import Connection, CurrentIdentity
from authx.socket.exceptions import Denial
from authx.socket.injection import Injector
from authx.socket.material import Supply

ALICE = Identity(user="alice")


class Server:
    pass


SERVER = Server()


class Message(BaseModel):
    to: str
    text: str


@dataclass
class Point:
    x: int


class Shape(TypedDict):
    sides: int


def connection(identity: Identity | None = ALICE) -> Connection:
    return Connection(sid="s1", namespace="/", device="d", identity=identity, connected_at=0.0)


async def call(handler: Any, *arguments: Any, identity: Identity | None = ALICE) -> Any:
    invocation = Injector(Supply({Server: SERVER})).compile(handler)
    # As it is returned: what is made of it has tests of its own.
    return await replace(invocation, answer=lambda result: result)(connection(identity), arguments)


async def step(handler: Any, **values: Any) -> Any:
    return await Injector(Supply()).compile(handler, named=tuple(values)).call_named(connection(), values)


async def test_parameters_are_filled_by_name_by_type_and_in_order() -> None:
    async def handler(
        first: Message, me: CurrentIdentity, sid: str, here: Connection, second: int, server: Server, raw
    ):
        return first, me, sid, here.sid, second, server, raw

    assert await call(handler, {"to": "bob", "text": "hi"}, "2", {"any": "thing"}) == (
        Message(to="bob", text="hi"),
        ALICE,
        "s1",
        "s1",
        2,
        SERVER,
        {"any": "thing"},
    )


async def test_handlers_of_python_socketio_work_unchanged() -> None:
    async def event(sid, data):
        return sid, data

    async def rest(sid, *args, **kwargs):
        return sid, args, kwargs

    async def no_arguments(sid):
        return sid

    assert await call(event, 1) == ("s1", 1)
    assert await call(rest, 1, 2) == ("s1", (1, 2), {})
    assert await call(rest) == ("s1", (), {})
    assert await call(no_arguments) == "s1"


async def test_lifecycle_handlers_take_what_they_name_and_the_rest_in_order() -> None:
    async def classic(sid, environ, auth):
        return sid, environ, auth

    async def two(sid, environ):
        return sid, environ

    async def by_position(sid, env, credentials):
        return sid, env, credentials

    async def everything(sid, *args):
        return sid, args

    async def late(auth, sid):
        return auth, sid

    values = {"environ": "E", "auth": "A"}
    assert await step(classic, **values) == ("s1", "E", "A")
    assert await step(two, **values) == ("s1", "E")
    assert await step(by_position, **values) == ("s1", "E", "A")
    assert await step(everything, **values) == ("s1", ("E", "A"))
    assert await step(late, **values) == ("A", "s1")


async def test_a_payload_is_validated_by_any_type_pydantic_knows() -> None:
    async def handler(a: Point, b: Shape, c: int | None, d: list[int], e: Any):
        return a, b, c, d, e

    assert await call(handler, {"x": "1"}, {"sides": 3}, None, ["1", 2], object) == (
        Point(1),
        {"sides": 3},
        None,
        [1, 2],
        object,
    )


async def test_a_wrong_payload_is_denied_with_where_and_why_but_without_the_input() -> None:
    async def handler(data: Message):
        raise AssertionError("must not run")

    with pytest.raises(Denial) as caught:
        await call(handler, {"to": "bob", "text": {"password": "hunter2"}})

    assert caught.value.code == "validation_error"
    assert caught.value.details == [
        {"type": "string_type", "loc": ("data", "text"), "msg": "Input should be a valid string"}
    ]
    assert "hunter2" not in repr(caught.value.details)
    assert caught.value.__cause__ is None


async def test_a_missing_argument_is_denied_and_a_default_stands_in() -> None:
    async def strict(data: int):
        return data

    async def lenient(data: int = 7):
        return data

    with pytest.raises(Denial, match="validation_error"):
        await call(strict)
    assert await call(lenient) == 7


async def test_more_arguments_than_parameters_are_denied() -> None:
    async def handler(data: int):
        return data

    with pytest.raises(Denial, match="validation_error"):
        await call(handler, 1, 2)


async def test_who_asks_for_an_identity_denies_the_anonymous() -> None:
    async def strict(me: CurrentIdentity):
        return me

    async def plain(me: Identity):
        return me

    async def lenient(me: Identity | None):
        return me

    assert await call(plain) == ALICE
    for handler in (strict, plain):
        with pytest.raises(Denial, match="missing_token"):
            await call(handler, identity=None)
    assert await call(lenient, identity=None) is None


async def test_sync_handlers_run_in_a_thread() -> None:
    def handler() -> int:
        return threading.get_ident()

    assert await call(handler) != threading.get_ident()


async def test_methods_partials_and_callable_objects_are_handlers() -> None:
    class Handlers:
        async def method(self, data: int) -> int:
            return data

        async def __call__(self, data: int) -> int:
            return data + 1

    async def function(extra: str, data: int) -> tuple[str, int]:
        return extra, data

    assert await call(Handlers().method, "1") == 1
    assert await call(Handlers(), "1") == 2
    assert await call(partial(function, "x"), "1") == ("x", 1)
    assert await call(lambda data: data, "1") == "1"


async def test_a_keyword_only_parameter_can_be_injected() -> None:
    async def handler(*, sid: str, flag: bool = True):
        return sid, flag

    assert await call(handler) == ("s1", True)


def wants_unknown_type(data: threading.Thread) -> None: ...


def wants_keyword(*, data: int) -> None: ...


def wants_body(data: Annotated[int, Body()]) -> None: ...


def returns_unknown_type() -> threading.Thread:
    return threading.current_thread()


def yields() -> Iterator[int]:
    yield 1


def wants_undefined(data: "Undefined") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    "handler",
    [
        wants_unknown_type,
        wants_keyword,
        wants_body,
        returns_unknown_type,
        yields,
        wants_undefined,
    ],
)
def test_a_signature_that_cannot_work_fails_when_it_is_read_with_the_handlers_name(handler: Any) -> None:
    with pytest.raises(TypeError, match=handler.__name__):
        Injector(Supply()).compile(handler)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=4))
async def test_whatever_a_stranger_sends_it_is_a_call_or_a_denial(arguments: list[Any]) -> None:
    async def handler(data: Message, number: int = 0) -> tuple[Message, int]:
        return data, number

    valid = TypeAdapter(tuple[Message] | tuple[Message, int])
    try:
        valid.validate_python(tuple(arguments))
    except ValidationError:
        with pytest.raises(Denial, match="validation_error"):
            await call(handler, *arguments)
    else:
        assert isinstance(await call(handler, *arguments), tuple)


class Steps(list[str]):
    """Writes down what happens, and makes dependencies that do."""

    def opened(self, name: str, *, swallow: bool = False) -> Any:
        async def open_() -> AsyncIterator[str]:
            self.append(f"{name} opened")
            try:
                yield name
            except Exception as error:
                self.append(f"{name} saw {type(error).__name__}")
                if not swallow:
                    raise
            finally:
                self.append(f"{name} closed")

        return Depends(open_)


async def test_dependencies_come_by_annotation_by_default_and_by_keyword() -> None:
    async def number() -> int:
        return 7

    async def handler(
        a: Annotated[int, Depends(number)], data: int, b=Depends(number), *rest, c: int = Depends(number)
    ):
        return a, data, b, rest, c

    assert await call(handler, "1", 2, 3) == (7, 1, 7, (2, 3), 7)


async def test_values_of_the_handshake_come_without_taking_an_argument() -> None:
    async def handler(
        request: Request, data: int, lang: Annotated[str, Header()] = "en", page: int = Query(1), me=None
    ):
        return request.url.path, data, lang, page, me

    assert await call(handler, 1) == ("/", 1, "en", 1, None)
    assert await call(handler, 1, 2) == ("/", 1, "en", 1, 2)


async def test_arguments_are_validated_before_anything_is_opened() -> None:
    steps = Steps()

    async def handler(db: Annotated[str, steps.opened("db")], data: int = 0): ...

    for arguments in (("x",), (1, 2)):
        with pytest.raises(Denial, match="validation_error"):
            await call(handler, *arguments)
    assert steps == []


async def test_clean_up_runs_after_the_handler_and_after_its_answer_was_read() -> None:
    steps = Steps()

    class Lazy(BaseModel):
        @computed_field
        def value(self) -> str:
            steps.append("answer read")
            return "v"

    async def handler(db: Annotated[str, steps.opened("db")]) -> Lazy:
        steps.append("handled")
        return Lazy()

    values = await Injector(Supply()).compile(handler)(connection(), ())

    assert values == ({"value": "v"},)
    assert steps == ["db opened", "handled", "answer read", "db closed"]


async def test_a_failure_reaches_every_dependency_and_the_client_whoever_swallows_it() -> None:
    steps = Steps()

    async def handler(
        db: Annotated[str, steps.opened("db")], tx: Annotated[str, steps.opened("tx", swallow=True)]
    ):
        raise LookupError("of the handler")

    with pytest.raises(LookupError, match="of the handler"):
        await call(handler)
    assert steps == [
        "db opened",
        "tx opened",
        "tx saw LookupError",
        "tx closed",
        "db saw LookupError",
        "db closed",
    ]


async def test_a_dependency_that_fails_closes_those_before_it_and_the_handler_never_runs() -> None:
    steps = Steps()

    def fails() -> None:
        raise LookupError("of the dependency")

    async def handler(
        db: Annotated[str, steps.opened("db", swallow=True)],
        broken: Annotated[None, Depends(fails)],
        late: Annotated[str, steps.opened("late")],
    ):
        raise AssertionError("must not run")

    with pytest.raises(LookupError, match="of the dependency"):
        await call(handler)
    assert steps == ["db opened", "db saw LookupError", "db closed"]


async def test_an_answer_that_cannot_be_told_is_a_failure_that_dependencies_see() -> None:
    steps = Steps()

    async def handler(db: Annotated[str, steps.opened("db")]) -> int:
        return "x"  # type: ignore[return-value]

    with pytest.raises(ValidationError):
        await Injector(Supply()).compile(handler)(connection(), ())
    assert steps == ["db opened", "db saw ValidationError", "db closed"]


async def test_being_cancelled_cleans_up() -> None:
    steps, waiting = Steps(), asyncio.Event()

    async def handler(db: Annotated[str, steps.opened("db")]):
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(call(handler))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["db opened", "db closed"]


async def test_lifecycle_handlers_take_dependencies_too() -> None:
    async def number() -> int:
        return 7

    async def classic(sid, environ, auth, number: Annotated[int, Depends(number)]):
        return sid, environ, auth, number

    assert await step(classic, environ="E", auth="A") == ("s1", "E", "A", 7)


async def test_dependencies_from_outside_run_first_and_give_nothing() -> None:
    ran: list[str] = []

    async def outside() -> None:
        ran.append("outside")

    async def handler(data: int) -> int:
        ran.append("handler")
        return data

    invocation = Injector(Supply()).compile(handler, dependencies=[Depends(outside)])
    assert await invocation(connection(), (1,)) == (1,)
    assert ran == ["outside", "handler"]


async def test_a_signature_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def number() -> int:
        return 7

    async def handler(data: Message, number: Annotated[int, Depends(number)]) -> int:
        return number

    invocation = Injector(Supply()).compile(handler)
    monkeypatch.setattr("inspect.signature", None)
    monkeypatch.setattr("authx.socket.values.TypeAdapter", None)

    assert await invocation(connection(), ({"to": "a", "text": "b"},)) == (7,)


async def test_nothing_is_made_that_nobody_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("authx.socket.material.as_request", lambda *given: made.append("request"))

    async def plain(data: int, me: CurrentIdentity): ...

    async def asks(request: Request): ...

    await call(plain, 1)
    assert made == []
    await call(asks)
    assert made == ["request"]


@given(st.lists(json_values, max_size=3))
async def test_whatever_a_stranger_sends_what_was_opened_is_closed(arguments: list[Any]) -> None:
    steps = Steps()

    async def handler(data: Message, db: Annotated[str, steps.opened("db")]) -> int:
        return len(data.text) // (len(data.text) % 2)

    invocation = Injector(Supply()).compile(handler)
    with contextlib.suppress(Denial, ZeroDivisionError):
        await invocation(connection(), arguments)
    assert steps.count("db opened") == steps.count("db closed")


New = NewType("New", Identity)
Aliased = TypeAliasType("Aliased", Identity)


class Mine(Identity):
    """An identity of the app's own making."""


@pytest.mark.parametrize(
    "annotation",
    [
        Identity | str,
        CurrentIdentity | str,
        list[Identity],
        dict[str, Connection],
        Connection | int,
        Mine,
        Mine | None,
        Annotated[Identity | str, "anything"],
    ],
)
def test_an_identity_can_never_be_taken_from_the_client(annotation: Any) -> None:
    """It is a dataclass: pydantic would make the one that a client writes down."""

    async def handler(who: Any = None) -> None: ...

    handler.__annotations__["who"] = annotation
    with pytest.raises(TypeError, match="taken from the client"):
        Injector(Supply()).compile(handler)


@pytest.mark.parametrize(
    "annotation", [CurrentIdentity | None, New | None, Aliased | None, Annotated[Identity | None, "x"]]
)
async def test_an_optional_identity_is_injected_however_it_is_written(annotation: Any) -> None:
    async def handler(who: Any = None) -> Any:
        return who

    handler.__annotations__["who"] = annotation

    assert await call(handler) == ALICE
    assert await call(handler, identity=None) is None
    with pytest.raises(Denial, match="validation_error"):
        await call(handler, {"user": "root", "scopes": ["admin:*"]}, identity=None)
