"""From what a handler returns to the acknowledgement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Never
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, ValidationError, computed_field
from typing_extensions import TypedDict

from authx.socket.answer import compile_answer, untyped
from authx.socket.signature import ABSENT


class Public(BaseModel):
    name: str


class Private(Public):
    password: str = "hunter2"


class Other(BaseModel):
    name: str
    password: str = "hunter2"


class Camel(BaseModel):
    first_name: str = Field(alias="firstName")

    @computed_field
    def initial(self) -> str:
        return self.first_name[0]


@dataclass
class Point:
    x: int


@dataclass
class Secret(Point):
    y: int = 7


class Shape(TypedDict):
    sides: int


class Holder(BaseModel):
    inner: Public


UNTYPED = (None, ABSENT, Any, object, Never)


@pytest.mark.parametrize("annotation", UNTYPED)
@pytest.mark.parametrize(
    ("returned", "values"),
    [
        (None, ()),
        (1, (1,)),
        ((1, Private(name="a")), (1, {"name": "a", "password": "hunter2"})),
        ([b"\x00"], ([b"\x00"],)),
    ],
)
def test_without_a_type_it_is_told_as_it_is(annotation: Any, returned: Any, values: tuple[Any, ...]) -> None:
    assert compile_answer(annotation, "h")(returned) == values
    assert untyped(returned) == values


@pytest.mark.parametrize(
    ("annotation", "returned", "values"),
    [
        (Public, Public(name="a"), ({"name": "a"},)),
        (Public, Private(name="a"), ({"name": "a"},)),
        (Public, Other(name="a"), ({"name": "a"},)),
        (Public, {"name": "a", "password": "hunter2"}, ({"name": "a"},)),
        (Public | None, Private(name="a"), ({"name": "a"},)),
        (Public | None, None, ()),
        (list[Public], [Private(name="a"), Other(name="b")], ([{"name": "a"}, {"name": "b"}],)),
        (Sequence[Public], (Private(name="a"),), ({"name": "a"},)),
        (dict[str, Public], {"k": Private(name="a")}, ({"k": {"name": "a"}},)),
        (Mapping[str, Public], {"k": Private(name="a")}, ({"k": {"name": "a"}},)),
        (Holder, Holder(inner=Private(name="a")), ({"inner": {"name": "a"}},)),
        (tuple[Public, int], (Private(name="a"), 1), ({"name": "a"}, 1)),
        (Camel, Camel(firstName="a"), ({"firstName": "a", "initial": "a"},)),
        (Camel | None, Camel(firstName="a"), ({"firstName": "a", "initial": "a"},)),
        (Point, Secret(1), ({"x": 1},)),
        (Shape, {"sides": "3", "colour": "red"}, ({"sides": 3},)),
        (int, "7", (7,)),
        (UUID, UUID(int=1), ("00000000-0000-0000-0000-000000000001",)),
        (datetime, datetime(2026, 1, 1, tzinfo=UTC), ("2026-01-01T00:00:00Z",)),
        (Annotated[int, Field(gt=0)], 1, (1,)),
        (bytes, b"\xff\x00", (b"\xff\x00",)),
        (dict[str, bytes], {"a": b"\xff"}, ({"a": b"\xff"},)),
        (tuple[str, bytes], ("a", b"\xff"), ("a", b"\xff")),
        (list[int] | None, None, ()),
    ],
)
def test_the_declared_type_is_what_is_told(annotation: Any, returned: Any, values: tuple[Any, ...]) -> None:
    assert compile_answer(annotation, "h")(returned) == values


@pytest.mark.parametrize(
    ("annotation", "returned"),
    [(int, "x"), (Public, {"no": "name"}), (Public, None), (tuple[int, int], (1,))],
)
def test_what_does_not_fit_is_a_failure_of_the_server(annotation: Any, returned: Any) -> None:
    with pytest.raises(ValidationError):
        compile_answer(annotation, "h")(returned)


def test_a_type_that_cannot_be_told_fails_at_once() -> None:
    class Unknown: ...

    with pytest.raises(TypeError, match="handler h: what it returns"):
        compile_answer(Unknown, "h")
