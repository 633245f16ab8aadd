"""Callables, read."""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import Depends, params
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from authx.socket.signature import ABSENT, is_async, read_signature


class Plain:
    def __init__(self, a: int, b: str = "x") -> None: ...

    def method(self, a: int) -> None: ...

    @classmethod
    def of(cls, a: int) -> None: ...

    @staticmethod
    def static(a: int) -> None: ...

    async def __call__(self, a: int) -> None: ...


@dataclass
class Values:
    a: int


class Model(BaseModel):
    a: int


def function(a: int) -> None: ...


async def coroutine(a: int) -> None: ...


def generator(a: int) -> Iterator[int]:
    yield a


async def async_generator(a: int) -> AsyncIterator[int]:
    yield a


def by_hand(request: Any, **more: Any) -> None: ...


by_hand.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [inspect.Parameter("a", inspect.Parameter.KEYWORD_ONLY, annotation=int)]
)


def wrapped(inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "readable",
    [
        function,
        coroutine,
        generator,
        async_generator,
        by_hand,
        wrapped(function),
        wrapped(wrapped(coroutine)),
        Plain,
        Plain(1).method,
        Plain.of,
        Plain.static,
        Plain(1),
        Values,
        Model,
        functools.partial(lambda b, a: None, 1),
        functools.partial(Plain(1)),
    ],
)
def test_whatever_can_be_called_can_be_read(readable: Callable[..., Any]) -> None:
    first = read_signature(readable).parameters[0]

    assert first.name == "a"
    assert first.kind in (int, ABSENT)


def test_a_security_scheme_of_fastapi_asks_for_the_request() -> None:
    [parameter] = read_signature(HTTPBearer()).parameters

    assert issubclass(parameter.kind, HTTPConnection)


@pytest.mark.parametrize(
    ("readable", "asynchronous", "yields"),
    [
        (function, False, False),
        (coroutine, True, False),
        (generator, False, True),
        (async_generator, True, True),
        (wrapped(async_generator), True, True),
        (functools.partial(coroutine), True, False),
        (functools.partial(functools.partial(generator, 1)), False, True),
        (Plain, False, False),
        (Plain(1), True, False),
    ],
)
def test_how_it_is_to_be_called(readable: Callable[..., Any], asynchronous: bool, yields: bool) -> None:
    signature = read_signature(readable)

    assert (signature.is_async, signature.is_generator) == (asynchronous, yields)
    assert is_async(readable) is asynchronous


def test_annotation_default_and_markers_are_told_apart() -> None:
    marker, other = Depends(function), Depends(coroutine)

    def handler(a: Annotated[int, "note", marker], b=other, *rest: int, c: str = "c", **named: int) -> bool:
        return True

    signature = read_signature(handler)
    a, b, c = signature.parameters

    assert (a.kind, a.metadata, a.default, a.marker(params.Depends)) == (
        int,
        ("note", marker),
        ABSENT,
        marker,
    )
    assert (b.kind, b.marker(params.Depends)) == (ABSENT, other)
    assert (c.default, c.by_keyword, c.marker(params.Depends)) == ("c", True, None)
    assert signature.takes_rest
    assert signature.returns is bool


def unreadable(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


def test_what_cannot_be_read_is_told_by_role_and_name() -> None:
    with pytest.raises(TypeError, match=r"dependency unreadable: .*Nowhere"):
        read_signature(unreadable, "dependency")
