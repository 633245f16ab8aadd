"""Guards attached to functions and classes, so that none gets lost on the way to an event.

Guards are kept with the function, not with its registration, and reach every function that it wraps: so
``@socket.on`` above ``@require_scope`` and below it mean the same. On a class they guard all its methods.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial, partialmethod
from itertools import chain
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from authx.socket.connection import Connection

__all__ = ("Attachable", "Guards", "Judge", "unclaimed_guards")

_F = TypeVar("_F", bound=Callable[..., Any])
_ATTRIBUTE = "__authx_guards__"


class Judge(Protocol):
    """Decides about a connection, at once or when awaited."""

    def judge(self, connection: Connection) -> Any:
        """Raise :class:`Denial`, or give an awaitable that may, or None."""


class _Kept:
    """The guards kept with one function or class."""

    changes = 0
    """Of all of them together; a view that knows the number is up to date."""

    def __init__(self) -> None:
        self.guards: list[Judge] = []
        self.claimed = False
        """Whether a handler was registered that they guard."""


_unclaimed: WeakSet[_Kept] = WeakSet()
# Looked at by a view, and guarded by nobody yet: a class that is not ours is not written to.
_classes: WeakKeyDictionary[type, _Kept] = WeakKeyDictionary()


class Guards:
    """What guards one handler: a live view, so that what is attached after registration counts.

    Args:
        targets: The handler, and whatever else guards it: its class, the methods that it overrides.
        around: Guards that come before its own.
    """

    def __init__(self, *targets: Any, around: Sequence[Guards] = (), own: Sequence[Judge] = ()) -> None:
        links = chain.from_iterable(map(_behind, targets))
        self._kept = [kept for link in links if (kept := _kept_with(link)) is not None]
        self._around = tuple(around)
        self._own = tuple(own)
        self._found: tuple[Judge, ...] = ()
        self._seen = -1
        for kept in self._kept:
            kept.claimed = True

    def current(self) -> tuple[Judge, ...]:
        """The guards as they are now, each once."""
        if self._seen != _Kept.changes:
            around = chain.from_iterable(guards.current() for guards in self._around)
            kept = chain.from_iterable(kept.guards for kept in self._kept)
            # A wrapper made by functools.wraps has the very list of what it wraps.
            self._found = tuple(dict.fromkeys((*around, *self._own, *kept)))
            self._seen = _Kept.changes
        return self._found

    async def judge(self, connection: Connection) -> None:
        """Raise what the first of them raises that does not let ``connection`` through."""
        for guard in self.current():
            verdict = guard.judge(connection)
            if verdict is not None:
                await verdict

    def __iter__(self) -> Iterator[Judge]:
        return iter(self.current())

    def __bool__(self) -> bool:
        """Whether any of them says who may; a limit that says only how often is none."""
        return any(getattr(guard, "authorizes", True) for guard in self.current())


class Attachable(ABC):
    """What can be put on a handler, or on a class of handlers, as a decorator."""

    authorizes = True
    """Whether it says who may: a handler with none that does is unguarded."""

    @abstractmethod
    def judge(self, connection: Connection) -> Any:
        """Raise :class:`Denial`, or give an awaitable that may, or None."""

    def __call__(self, handler: _F, /) -> _F:
        """Guard ``handler``; gives back the same function or class.

        Raises:
            TypeError: for what can keep no guard.
        """
        # Down to the function that may have been registered before it was wrapped.
        for link in _wrapped_by(handler):
            kept = self._attach(link)
            if not kept.claimed:
                _unclaimed.add(kept)
            if isinstance(link, type):
                # Found also by who makes a new class of this one, as dataclasses with slots do.
                setattr(link, _ATTRIBUTE, kept)
                # They do not know their class when they are called.
                for static in filter(_is_static, vars(link).values()):
                    self._attach(static.__func__)
        _Kept.changes += 1
        return handler

    def _attach(self, target: Any) -> _Kept:
        kept = None if isinstance(target, partialmethod) else _kept_with(target)
        if kept is None:
            raise TypeError(f"{self} can't guard {target!r}: it keeps no attributes")
        if self not in kept.guards:
            kept.guards.append(self)
        return kept


def unclaimed_guards() -> list[str]:
    """The guards that guard no handler, each told once.

    A function that was guarded has got lost on the way to its registration.
    """
    lost = [kept for kept in _unclaimed if not kept.claimed]
    _unclaimed.clear()
    return [repr(guard) for kept in lost for guard in kept.guards]


def _behind(handler: Any) -> Iterator[Any]:
    """``handler`` and every function and class that calling it calls, as far as it tells."""
    yield handler
    if inspect.ismethod(handler):
        yield from _around(handler)
    if isinstance(handler, partial):
        yield from _behind(handler.func)
    elif hasattr(handler, "__wrapped__"):
        yield from _behind(handler.__wrapped__)
    elif inspect.isroutine(handler):
        for content in _held_by(handler):
            yield from _behind(content)
    elif isinstance(handler, type):
        yield from handler.__mro__
    else:
        yield from type(handler).__mro__
        for content in _called_on(handler):
            yield from _behind(content)


def _called_on(instance: Any) -> Iterator[Any]:
    """What calling an object calls: every ``__call__`` of its classes, and what it holds.

    Who overrides a guarded ``__call__`` keeps its guard.
    """
    if callable(instance):
        for base in type(instance).__mro__:
            if "__call__" in vars(base):
                yield vars(base)["__call__"]
        yield from _held_by(instance)


def _around(method: Any) -> Iterator[Any]:
    """The classes that a method belongs to, and the methods that it overrides."""
    owner = method.__self__ if isinstance(method.__self__, type) else type(method.__self__)
    yield from owner.__mro__
    found = [(name, value) for base in owner.__mro__ for name, value in vars(base).items()]
    # Not by its own name, which a decorator may not have kept.
    names = {name for name, value in found if getattr(value, "__func__", value) is method.__func__}
    for name, value in found:
        if name in names and value is not method.__func__ and callable(getattr(value, "__func__", value)):
            yield from _behind(getattr(value, "__func__", value))


def _held_by(wrapper: Any, *, only_passed_on: bool = False) -> Iterator[Any]:
    """What a decorator without ``functools.wraps`` wrapped: handlers held by a closure, or by an object.

    Where whatever arguments there are are passed on, it is a wrapper. A function with arguments of its own
    may be one, so the guards of what it holds are its own, too: one guard too many is safe. The other way
    round it is not looked at (``only_passed_on``): a guard of who uses a handler is none of the handler's.
    """
    call = wrapper if inspect.isroutine(wrapper) else type(wrapper).__call__
    code = getattr(call, "__code__", None)
    if code is None:
        return
    passes_on = bool(code.co_flags & inspect.CO_VARARGS)
    contents = (_content(cell) for cell in getattr(wrapper, "__closure__", None) or ())
    for content in (*contents, *([] if call is wrapper else getattr(wrapper, "__dict__", {}).values())):
        kept = _own(content) if callable(content) else None
        if kept is not None and (passes_on or (kept.guards and not only_passed_on)):
            yield content


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        # Of a name that has no value yet.
        return None


def _is_static(value: Any) -> bool:
    return isinstance(value, staticmethod)


def _wrapped_by(handler: Any) -> Iterator[Any]:
    """``handler`` and the functions that it is a wrapper of, whose guards it shares."""
    yield handler
    if hasattr(handler, "__wrapped__"):
        yield from _wrapped_by(handler.__wrapped__)
    elif callable(handler) and not isinstance(handler, type):
        for content in _held_by(handler, only_passed_on=True):
            yield from _wrapped_by(content)


def _own(target: Any) -> _Kept | None:
    target = getattr(target, "__func__", target)
    kept: _Kept | None = getattr(target, "__dict__", {}).get(_ATTRIBUTE)
    return kept


def _kept_with(target: Any) -> _Kept | None:
    """The list of guards kept with a function or class itself; None if it can't keep one."""
    kept = _own(target)
    if kept is not None:
        return kept
    if isinstance(target, type):
        return _classes.setdefault(target, _Kept())
    kept = _Kept()
    try:
        setattr(getattr(target, "__func__", target), _ATTRIBUTE, kept)
    except (AttributeError, TypeError):
        return None
    return kept
