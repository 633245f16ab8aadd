"""Guards, and that none gets lost on the way to the dispatcher."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.guards import Guard, Guards, require_role, require_scope, unclaimed_guards


def connection(identity: Identity | None) -> Connection:
    return Connection(sid="s", namespace="/", device="d", identity=identity, connected_at=0.0)


def code(guard: Guard, identity: Identity | None) -> str | None:
    try:
        guard.judge(connection(identity))
    except Denial as denial:
        return denial.code
    return None


def with_scopes(*scopes: str) -> Identity:
    return Identity(user="u", scopes=frozenset(scopes))


def with_roles(*roles: str) -> Identity:
    return Identity(user="u", roles=frozenset(roles))


@pytest.mark.parametrize(
    ("guard", "identity", "expected"),
    [
        (require_scope("chat:write"), with_scopes("chat:write"), None),
        (require_scope("chat:write"), with_scopes("chat:*"), None),
        (require_scope("chat:write"), with_scopes("chat:read"), "insufficient_scope"),
        (require_scope("chat:write"), with_scopes(), "insufficient_scope"),
        (require_scope("a", "b"), with_scopes("a"), "insufficient_scope"),
        (require_scope("a", "b", all_required=False), with_scopes("a"), None),
        (require_role("admin"), with_roles("admin"), None),
        (require_role("admin", "staff"), with_roles("staff"), None),
        (require_role("admin", "staff", all_required=True), with_roles("staff"), "insufficient_role"),
        (require_role("admin"), with_roles("Admin"), "insufficient_role"),
        (require_role("admin"), with_scopes("admin"), "insufficient_role"),
        (require_scope("chat:write"), None, "missing_token"),
        (require_role("admin"), None, "missing_token"),
    ],
)
def test_a_guard_judges_the_identity(guard: Guard, identity: Identity | None, expected: str | None) -> None:
    assert code(guard, identity) == expected


@pytest.mark.parametrize("make", [require_scope, require_role])
def test_a_guard_that_asks_for_nothing_is_a_mistake(make: Callable[..., Guard]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        make()


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


def test_a_handler_that_uses_another_is_not_guarded_as_that_one_is() -> None:
    @require_role("r")
    def guarded() -> None: ...

    def handler(data: int) -> None:
        guarded()

    assert list(Guards(handler)) == []


def test_a_guard_that_got_lost_is_told_once() -> None:
    unclaimed_guards()

    @require_role("lost")
    def never_registered() -> None: ...

    @require_role("kept")
    def registered() -> None: ...

    Guards(registered)

    assert unclaimed_guards() == ["require_role('lost', all_required=False)"]
    assert unclaimed_guards() == []
