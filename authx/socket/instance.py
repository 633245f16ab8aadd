"""What an ``AuthXSocket`` can do on its class, where it means the one instance there is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from authx.socket.server import Server

__all__ = ("EventDecorator", "Shared", "Waiting", "event_decorator", "forwarded")

_P = ParamSpec("_P")
_R = TypeVar("_R")
_F = TypeVar("_F", bound=Callable[..., Any])


class Shared(Generic[_P, _R]):
    """A method that, called on the class, means the one instance there is."""

    def __init__(self, method: Callable[Concatenate[Any, _P], _R]) -> None:
        self._method = method

    def __get__(self, instance: object | None, owner: type[Any]) -> Callable[_P, _R]:
        if instance is not None:
            return MethodType(self._method, instance)

        @wraps(self._method)
        def on_the_only_instance(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            only = owner._only(self._method.__name__)  # noqa: SLF001 - a part of the class
            return self._method(only, *args, **kwargs)

        return on_the_only_instance


class EventDecorator(Protocol):
    """``@socket.event`` and ``@socket.event(namespace="/chat")``."""

    @overload
    def __call__(self, handler: _F, /) -> _F: ...

    @overload
    def __call__(self, *, namespace: str | None = None) -> Callable[[_F], _F]: ...


def event_decorator(shared: Shared[..., Any]) -> EventDecorator:
    """``shared`` for type checkers, which would not keep the types of both ways to use it."""
    return cast("EventDecorator", shared)


def forwarded(method: Callable[Concatenate[Server, _P], _R]) -> Shared[_P, _R]:
    """A method of the server behind the socket, under the same name."""

    @wraps(method)
    def forward(socket: Any, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return method(socket.sio, *args, **kwargs)

    return Shared(forward)


class Waiting:
    """Handlers declared on the class before there is an instance."""

    def __init__(self) -> None:
        self.handlers: list[tuple[str, Callable[..., Any], str | None]] = []

    def _register(self, event: str, handler: Callable[..., Any], namespace: str | None) -> None:
        self.handlers.append((event, handler, namespace))
