"""Reading signatures."""

import threading
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import pytest
from fastapi import Depends, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from authx.auth.identity import Identity
from authx.socket.connection import Connection, CurrentIdentity
from authx.socket.exceptions import Denial
from authx.socket.injection import compile_handler

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
    return await compile_handler(handler, provided={Server: SERVER})(connection(identity), arguments)


async def step(handler: Any, **values: Any) -> Any:
    return await compile_handler(handler, provided={}, named=tuple(values)).call_named(connection(), values)


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


def wants_dependency(data: Annotated[int, Depends(lambda: 1)]) -> None: ...


def wants_dependency_by_default(data: int = Depends(lambda: 1)) -> None: ...


def wants_unknown_type(data: threading.Thread) -> None: ...


def wants_request(request: Request) -> None: ...


def wants_keyword(*, data: int) -> None: ...


def wants_undefined(data: "Undefined") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    "handler",
    [
        wants_dependency,
        wants_dependency_by_default,
        wants_unknown_type,
        wants_request,
        wants_keyword,
        wants_undefined,
    ],
)
def test_a_signature_that_cannot_work_fails_when_it_is_read_with_the_handlers_name(handler: Any) -> None:
    with pytest.raises(TypeError, match=handler.__name__):
        compile_handler(handler, provided={})


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
