"""Guards: who may send an event.

A guard is judged on the identity that the connection has at the time of the event. Guards are kept with
the function, not with its registration, and reach every function that it wraps: so ``@socket.on`` above
``@require_scope`` and below it mean the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial

__all__ = ("Guard", "Guards", "require_role", "require_scope", "unclaimed_guards")

_F = TypeVar("_F", bound=Callable[..., Any])
_ATTRIBUTE = "__authx_guards__"


class Guard(Protocol):
    """Lets an event of a connection through, or raises :class:`Denial`. As a decorator, guards a handler."""

    def judge(self, connection: Connection) -> None:
        """Raise :class:`Denial` unless ``connection`` may."""

    def __call__(self, handler: _F, /) -> _F:
        """Guard ``handler``; gives back the same function."""


class Guards:
    """The guards of one handler: a live view, so that one added after registration counts."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._kept = [kept for link in _behind(handler) if (kept := _kept_with(link)) is not None]
        for kept in self._kept:
            kept.claimed = True

    def __iter__(self) -> Iterator[Guard]:
        # A wrapper made by functools.wraps has the very list of what it wraps.
        yield from dict.fromkeys(guard for kept in self._kept for guard in kept.guards)


class _Kept:
    """The guards kept with one function."""

    def __init__(self) -> None:
        self.guards: list[Guard] = []
        self.claimed = False
        """Whether a handler was registered that they guard."""


_unclaimed: WeakSet[_Kept] = WeakSet()


def unclaimed_guards() -> list[str]:
    """The guards that guard no handler, each told once.

    A function that was guarded has got lost on the way to its registration.
    """
    lost = [kept for kept in _unclaimed if not kept.claimed]
    _unclaimed.clear()
    return [repr(guard) for kept in lost for guard in kept.guards]


def _behind(handler: Any) -> Iterator[Any]:
    """``handler`` and every function that calling it calls, as far as it tells."""
    yield handler
    if isinstance(handler, partial):
        yield from _behind(handler.func)
    elif hasattr(handler, "__wrapped__"):
        yield from _behind(handler.__wrapped__)
    elif inspect.isroutine(handler):
        yield from _closed_over(handler)
    elif not isinstance(handler, type):
        yield from _behind(type(handler).__call__)


def _closed_over(function: Any) -> Iterator[Any]:
    """What a decorator without ``functools.wraps`` wrapped: handlers that a ``*args`` closure holds."""
    code = getattr(function, "__code__", None)
    if code is None or not code.co_flags & inspect.CO_VARARGS:
        return
    for cell in function.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:
            continue
        if callable(content) and hasattr(content, _ATTRIBUTE):
            yield from _behind(content)


def _kept_with(function: Any) -> _Kept | None:
    """The list of guards kept with ``function`` itself; None if it can't keep one."""
    target = getattr(function, "__func__", function)
    kept: _Kept | None = getattr(target, _ATTRIBUTE, None)
    if kept is None:
        kept = _Kept()
        try:
            setattr(target, _ATTRIBUTE, kept)
        except (AttributeError, TypeError):
            return None
    return kept


def _wrapped_by(handler: Any) -> Iterator[Any]:
    """``handler`` and the functions that it is a wrapper of, whose guards it shares."""
    yield handler
    if hasattr(handler, "__wrapped__"):
        yield from _wrapped_by(handler.__wrapped__)
    else:
        for link in _closed_over(handler):
            yield from _wrapped_by(link)


class _Requirement:
    """A guard that asks something of the identity; nobody passes without one."""

    def __init__(self, code: str, description: str, holds: Callable[[Identity], bool]) -> None:
        self._code = code
        self._description = description
        self._holds = holds

    def judge(self, connection: Connection) -> None:
        if connection.identity is None:
            raise Denial("missing_token")
        if not self._holds(connection.identity):
            raise Denial(self._code)

    def __call__(self, handler: _F, /) -> _F:
        # Down to the function that may have been registered before it was wrapped.
        for link in _wrapped_by(handler):
            kept = _kept_with(link)
            if kept is None:
                raise TypeError(f"{self} can't guard {handler!r}: it keeps no attributes")
            if self not in kept.guards:
                kept.guards.append(self)
            if not kept.claimed:
                _unclaimed.add(kept)
        return handler

    def __repr__(self) -> str:
        return self._description


def require_scope(*scopes: str, all_required: bool = True) -> Guard:
    """Only identities that hold ``scopes``, by AuthX's rules (``admin:*`` holds ``admin:users``).

    Raises:
        ValueError: without a scope; such a guard would mean nothing.
    """
    if not scopes:
        raise ValueError("require_scope needs at least one scope")
    return _Requirement(
        "insufficient_scope",
        f"require_scope({', '.join(map(repr, scopes))}, all_required={all_required})",
        lambda identity: identity.has_scopes(*scopes, all_required=all_required),
    )


def require_role(*roles: str, all_required: bool = False) -> Guard:
    """Only identities that have one of ``roles``, or all of them with ``all_required``.

    Raises:
        ValueError: without a role.
    """
    if not roles:
        raise ValueError("require_role needs at least one role")
    return _Requirement(
        "insufficient_role",
        f"require_role({', '.join(map(repr, roles))}, all_required={all_required})",
        lambda identity: identity.has_roles(*roles, all_required=all_required),
    )
