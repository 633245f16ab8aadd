"""Values of the event and of the handshake, validated."""

import contextlib
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import Cookie, Header, Query
from hypothesis import given
from hypothesis import strategies as st

from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.material import Material, Supply
from authx.socket.signature import read_signature
from authx.socket.values import from_arguments, from_handshake, is_of_handshake
from tests.support.connections import connected


def taken(function: Callable[..., Any], here: Connection) -> Any:
    """What the only parameter of ``function`` gets of a handshake."""
    [parameter] = read_signature(function).parameters
    return from_handshake(parameter, "here")(Material(Supply(), here, ()))


def aliased(token: Annotated[str, Header(alias="X-Token")]) -> None: ...


def raw(x_token: Annotated[str, Header(convert_underscores=False)]) -> None: ...


def many(x_token: Annotated[list[int], Header()]) -> None: ...


def perhaps_many(x_token: Annotated[list[str] | None, Query()] = None) -> None: ...


def short(q: Annotated[str, Query(max_length=3)]) -> None: ...


def by_default(q: str = Query("fallback", max_length=3)) -> None: ...


def factory(q: Annotated[list[str], Query(default_factory=list)]) -> None: ...


def unannotated(q) -> None: ...


def optional(q: bool | None = None) -> None: ...


def theme(theme: Annotated[str, Cookie()]) -> None: ...


@pytest.mark.parametrize(
    ("function", "headers", "query", "expected"),
    [
        (aliased, {"X-Token": "a"}, "", "a"),
        (raw, {"x_token": "a"}, "", "a"),
        (many, {"x-token": "7"}, "", [7]),
        (perhaps_many, {}, "x_token=a&x_token=b", ["a", "b"]),
        (perhaps_many, {}, "", None),
        (short, {}, "q=abc", "abc"),
        (short, {}, "q=first&q=abc", "abc"),
        (by_default, {}, "q=abc", "abc"),
        (by_default, {}, "", "fallback"),
        (factory, {}, "", []),
        (unannotated, {}, "q=1", "1"),
        (optional, {}, "q=true", True),
        (optional, {}, "", None),
        (theme, {"cookie": "theme=dark"}, "", "dark"),
    ],
)
def test_values_are_taken_as_fastapi_takes_them(
    function: Callable[..., Any], headers: dict[str, str], query: str, expected: object
) -> None:
    assert taken(function, connected(headers=headers, query=query)) == expected


@pytest.mark.parametrize(
    ("function", "headers", "query", "where"),
    [
        (aliased, {}, "", ("header", "X-Token")),
        (raw, {"x-token": "a"}, "", ("header", "x_token")),
        (many, {"x-token": "secret"}, "", ("header", "x-token", 0)),
        (short, {}, "q=secret", ("query", "q")),
        (unannotated, {}, "", ("query", "q")),
        (optional, {}, "q=secret", ("query", "q")),
        (theme, {}, "", ("cookie", "theme")),
    ],
)
def test_what_does_not_fit_is_denied_with_its_place_and_without_the_input(
    function: Callable[..., Any], headers: dict[str, str], query: str, where: tuple[object, ...]
) -> None:
    with pytest.raises(Denial, match="validation_error") as caught:
        taken(function, connected(headers=headers, query=query))

    assert caught.value.details[0]["loc"] == where
    assert "secret" not in repr(caught.value.details)


def test_only_what_is_marked_is_of_the_handshake() -> None:
    marked, plain = (read_signature(function).parameters[0] for function in (aliased, optional))

    assert (is_of_handshake(marked), is_of_handshake(plain)) == (True, False)


def test_only_so_many_mistakes_are_told() -> None:
    def handler(data: list[int]) -> None: ...

    [parameter] = read_signature(handler).parameters
    take = from_arguments(parameter, 0, "here")

    with pytest.raises(Denial) as caught:
        take(Material(Supply(), connected(), (["x"] * 1000,)))
    assert len(caught.value.details) == 20


@given(st.text(), st.binary(max_size=50))
def test_whatever_a_stranger_shows_it_is_a_value_or_a_denial(header: str, query: bytes) -> None:
    scope = {"headers": [(b"x-token", header.encode("latin-1", "replace"))], "query_string": query}
    for function in (many, optional):
        with contextlib.suppress(Denial):
            taken(function, connected(scope=scope))
