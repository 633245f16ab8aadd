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

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial

__all__ = ("Guard", "Guards", "require_role", "require_scope")

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
        self._lists = [kept for link in _behind(handler) if (kept := _kept_with(link)) is not None]

    def __iter__(self) -> Iterator[Guard]:
        # A wrapper made by functools.wraps has the very list of what it wraps.
        yield from dict.fromkeys(guard for kept in self._lists for guard in kept)


def _behind(handler: Any) -> Iterator[Any]:
    """``handler`` and every function that calling it calls, as far as it tells."""
    yield handler
    if isinstance(handler, partial):
        yield from _behind(handler.func)
    elif hasattr(handler, "__wrapped__"):
        yield from _behind(handler.__wrapped__)
    elif not inspect.isroutine(handler) and not isinstance(handler, type):
        yield from _behind(type(handler).__call__)


def _kept_with(function: Any) -> list[Guard] | None:
    """The list of guards kept with ``function`` itself; None if it can't keep one."""
    target = getattr(function, "__func__", function)
    kept: list[Guard] | None = getattr(target, _ATTRIBUTE, None)
    if kept is None:
        kept = []
        try:
            setattr(target, _ATTRIBUTE, kept)
        except (AttributeError, TypeError):
            return None
    return kept


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
        link: Any = handler
        while True:
            kept = _kept_with(link)
            if kept is None:
                raise TypeError(f"{self} can't guard {handler!r}: it keeps no attributes")
            if self not in kept:
                kept.append(self)
            # Down to the function that may have been registered before it was wrapped.
            if not hasattr(link, "__wrapped__"):
                return handler
            link = link.__wrapped__

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
