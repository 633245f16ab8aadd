"""Guards on functions and classes: none gets lost on the way to an event."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from authx.socket.attachment import Guards, unclaimed_guards
from authx.socket.exceptions import Denial
from authx.socket.guards import guard, require_role, require_scope
from tests.support.connections import connected


def test_a_guard_gives_back_the_function() -> None:
    def handler() -> None: ...

    assert require_role("admin")(handler) is handler


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@pytest.mark.parametrize("registered", ["before", "after", "between", "under a wrapper"])
def test_the_order_of_decorators_does_not_matter(registered: str) -> None:
    """Whoever reads the guards of a function early sees those added later, through wrappers too."""

    def handler() -> None: ...

    guards = Guards(handler) if registered == "before" else None
    function = require_scope("a")(handler)
    if registered == "between":
        guards = Guards(function)
    if registered == "under a wrapper":
        guards = Guards(function)
        function = wrapped(function)
    function = require_role("r")(function)
    if registered == "after":
        guards = Guards(function)

    assert guards is not None
    assert {repr(guard) for guard in guards} == {
        "require_scope('a', all_required=True)",
        "require_role('r', all_required=False)",
    }


def test_a_guard_on_a_wrapper_guards_what_was_registered_before_it_was_wrapped() -> None:
    def handler() -> None: ...

    outer = wrapped(handler)
    guards = Guards(handler)
    require_role("r")(outer)

    assert len(list(guards)) == 1


def test_a_guard_is_judged_once_however_often_a_function_is_wrapped() -> None:
    def handler() -> None: ...

    assert len(list(Guards(wrapped(wrapped(require_role("r")(handler)))))) == 1


def test_two_functions_do_not_share_guards() -> None:
    def one() -> None: ...

    def other() -> None: ...

    require_role("r")(one)

    assert list(Guards(other)) == []


class Handlers:
    @require_role("r")
    def method(self, data: int) -> None: ...

    @require_role("r")
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [
        Handlers().method,
        Handlers(),
        functools.partial(Handlers().method, 1),
        functools.partial(functools.partial(Handlers().method), 1),
        wrapped(Handlers().method),
        functools.partial(wrapped(Handlers().method), 1),
        functools.partial(Handlers()),
    ],
)
def test_a_guard_is_found_through_whatever_stands_for_the_function(handler: Callable[..., Any]) -> None:
    assert len(list(Guards(handler))) == 1


def test_a_guard_on_a_partial_is_the_partials_alone() -> None:
    def handler(data: int) -> None: ...

    guarded = require_role("r")(functools.partial(handler, 1))

    assert len(list(Guards(guarded))) == 1
    assert list(Guards(functools.partial(handler, 2))) == []


def test_what_can_keep_no_guard_can_be_registered_and_not_guarded() -> None:
    assert list(Guards([].append)) == []
    with pytest.raises(TypeError, match="can't guard"):
        require_role("r")([].append)


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator whose author forgot functools.wraps."""

    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def test_a_guard_is_found_through_a_decorator_that_tells_nothing() -> None:
    @plain
    @require_role("r")
    def inner() -> None: ...

    def handler() -> None: ...

    guards = Guards(handler)
    require_role("r")(plain(handler))

    assert len(list(Guards(inner))) == 1
    assert len(list(guards)) == 1


def test_a_function_that_holds_a_guarded_one_is_guarded_too() -> None:
    """It can't be told from a decorator that tells nothing, and one guard too many is safe."""

    @require_role("r")
    def guarded() -> None: ...

    def handler(data: int) -> None:
        guarded()

    assert len(list(Guards(handler))) == 1


def test_a_guard_that_got_lost_is_told_once() -> None:
    unclaimed_guards()

    @require_role("lost")
    def never_registered() -> None: ...

    @require_role("kept")
    def registered() -> None: ...

    Guards(registered)

    assert unclaimed_guards() == ["require_role('lost', all_required=False)"]
    assert unclaimed_guards() == []


def roles(*targets: Any) -> set[str]:
    return {repr(guard).partition("'")[2].partition("'")[0] for guard in Guards(*targets)}


@require_role("base")
class Base:
    @require_role("base.method")
    async def method(self) -> None: ...

    async def plain(self) -> None: ...

    @require_role("above static")
    @staticmethod
    def static() -> None: ...

    @classmethod
    @require_role("of class")
    def of(cls) -> None: ...


@require_role("derived")
class Derived(Base):
    async def method(self) -> None: ...


@require_role("called")
class Called:
    def __call__(self) -> None: ...


def test_a_guard_on_a_class_is_for_all_its_methods_and_those_of_classes_below() -> None:
    assert roles(Base().plain) == {"base"}
    assert roles(Base().method) == {"base", "base.method"}
    assert roles(Derived().plain) == {"base", "derived"}
    assert roles(Base.of) == {"base", "of class"}
    assert roles(Derived().of) == {"base", "derived", "of class"}
    assert roles(Base().static) == {"base", "above static"}
    assert roles(Derived().static) == {"base", "above static"}
    assert roles(Called()) == {"called"}
    assert roles(functools.partial(Base().plain)) == {"base"}
    assert roles(wrapped(Base().plain)) == {"base"}


def test_overriding_a_method_does_not_lose_its_guard() -> None:
    assert roles(Derived().method) == {"base", "derived", "base.method"}


def test_a_decorated_method_keeps_the_guards_of_its_class_and_of_what_it_overrides() -> None:
    class Decorated(Base):
        @plain
        async def method(self) -> None: ...

        @wrapped
        async def plain(self) -> None: ...

    assert roles(Decorated().plain) == {"base"}
    assert roles(Decorated().method) == {"base", "base.method"}


class Decorator:
    """One that keeps what it wraps as an attribute."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def test_a_decorator_that_is_an_object_hides_no_guard() -> None:
    def early() -> None: ...

    def late() -> None: ...

    guards = Guards(late)
    require_role("late")(Decorator(late))

    assert roles(Decorator(require_role("early")(early))) == {"early"}
    assert len(list(guards)) == 1


def test_the_static_methods_of_a_guarded_class_are_not_told_as_lost() -> None:
    unclaimed_guards()
    Guards(Base().plain)

    assert [told for told in unclaimed_guards() if "'base'" in told] == []


def test_guarding_a_class_does_not_guard_the_class_above() -> None:
    assert roles(Base()) == {"base"}
    assert roles(Derived()) == {"base", "derived"}


def test_a_class_may_be_guarded_after_its_method_was_registered() -> None:
    class Above:
        def method(self) -> None: ...

    class Late(Above): ...

    guards = Guards(Late().method)
    assert not guards
    require_role("late")(Late)
    require_role("above")(Above)

    assert len(list(guards)) == 2


def test_a_guard_on_an_object_is_the_objects_alone() -> None:
    guarded, other = Called(), Called()
    require_role("object")(guarded)

    assert roles(guarded) == {"called", "object"}
    assert roles(other) == {"called"}


def test_a_class_that_is_made_anew_keeps_its_guard() -> None:
    @dataclass(slots=True)
    @require_role("r")
    class Values:
        def method(self) -> None: ...

    assert roles(Values().method) == {"r"}


def test_guards_around_come_first_and_each_is_there_once() -> None:
    router, twice = require_role("router"), require_role("twice")

    @twice
    @require_role("own")
    def handler() -> None: ...

    guards = Guards(handler, around=[Guards(own=[router, twice])])

    assert [repr(guard)[14:-22] for guard in guards] == ["router", "twice", "own"]


async def test_all_of_them_judge() -> None:
    judged: list[str] = []

    async def slow(_: Any) -> None:
        judged.append("slow")

    with pytest.raises(Denial, match="insufficient_role"):
        await Guards(own=[guard(slow), require_role("r"), guard(slow)]).judge(connected())
    assert judged == ["slow"]


class Guarded:
    @require_role("r")
    async def __call__(self) -> None: ...


class Overriding(Guarded):
    async def __call__(self) -> None: ...


def test_who_overrides_a_guarded_call_keeps_its_guard() -> None:
    assert len(Guards(Overriding()).current()) == 1


def test_a_decorator_with_arguments_of_its_own_loses_no_guard() -> None:
    """Also where the function that it wraps is registered elsewhere, and nothing is missed there."""

    @require_role("r")
    async def handler(sid: str, data: int) -> None: ...

    async def timed(sid: str, data: int) -> None:
        await handler(sid, data)

    Guards(handler)

    assert len(Guards(timed).current()) == 1


def test_a_partial_method_takes_no_guard() -> None:
    def base(self: object, data: int) -> None: ...

    with pytest.raises(TypeError, match="can't guard"):
        require_role("r")(functools.partialmethod(base))  # type: ignore[type-var]


def test_a_guard_is_not_put_on_a_guarded_function_that_is_only_used() -> None:
    """As in an app factory: what an admin's handler calls is not the admins' alone by that."""

    @require_scope("chat")
    async def say(data: str) -> None: ...

    @require_role("admin")
    async def announce(data: str) -> None:
        await say(data)

    assert [repr(found) for found in Guards(say).current()] == ["require_scope('chat', all_required=True)"]
    assert len(Guards(announce).current()) == 2
