"""Routers: handlers that belong together, collected without a socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from fastapi import params

from authx.socket.attachment import Guards
from authx.socket.connection import Connection
from authx.socket.guards import Check, Guard, as_guard

__all__ = ("ExceptionHandler", "Layer", "Registrar", "SocketRouter")

_F = TypeVar("_F", bound=Callable[..., Any])
_H = TypeVar("_H", bound="ExceptionHandler")

ExceptionHandler = Callable[[Connection, Any], Any]
"""``handler(connection, error)``, sync or async; what it gives is the acknowledgement."""


class Layer:
    """What stands around the handlers that were registered through it."""

    def __init__(
        self,
        *,
        guards: Guards | None = None,
        dependencies: Sequence[params.Depends] = (),
        allow_anonymous: bool = False,
    ) -> None:
        self.guards = Guards() if guards is None else guards
        self.dependencies = tuple(dependencies)
        self.allow_anonymous = allow_anonymous
        self.exception_handlers: dict[type[BaseException], ExceptionHandler] = {}

    def exception_handler(self, *kinds: type[Exception]) -> Callable[[_H], _H]:
        """Let a function answer exceptions of some classes, and of those below: ``@exception_handler(Exc)``.

        ``handler(connection, error)`` is sync or async; what it gives is the acknowledgement, what it raises
        is judged in its turn. Denials and HTTP exceptions have an answer of their own, which a handler of a
        class above them does not replace.
        """
        if not kinds:
            raise ValueError("an exception handler needs at least one exception")

        def register(handler: _H) -> _H:
            self.exception_handlers.update(dict.fromkeys(kinds, handler))
            return handler

        return register


class Registrar(Protocol):
    """Takes handlers in: a socket."""

    def register(
        self, event: str, handler: Callable[..., Any], namespace: str, path: tuple[Layer, ...] = ()
    ) -> None:
        """Let ``handler`` take ``event``, inside of the layers of ``path``, the outermost first."""


class SocketRouter(Layer):
    """Handlers of one namespace, to be included in a socket or in another router.

    Args:
        namespace: Theirs; below the namespace of the router that this one is included in.
        guards: Judge every event of the router, and every connection to its namespace: guards, or any
            callable of a :class:`Connection`.
        dependencies: Run before every handler of events and of the connect; what they give is dropped.
        allow_anonymous: Let clients that show no credential connect to the namespace, and reach the
            handlers of this router that have no guard.
    """

    def __init__(
        self,
        namespace: str = "/",
        *,
        guards: Sequence[Guard | Check] = (),
        dependencies: Sequence[params.Depends] = (),
        allow_anonymous: bool = False,
    ) -> None:
        if not namespace.startswith("/"):
            raise ValueError(f"a namespace starts with '/', unlike {namespace!r}")
        super().__init__(
            guards=Guards(own=[as_guard(given) for given in guards]),
            dependencies=dependencies,
            allow_anonymous=allow_anonymous,
        )
        self.namespace = namespace
        self._handlers: list[tuple[str, Callable[..., Any]]] = []
        self._routers: list[SocketRouter] = []
        self._included: list[tuple[Registrar, str, tuple[Layer, ...]]] = []

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Callable[[_F], _F]:
        """Register a handler, as a decorator or at once.

        Raises:
            ReservedNameError: for an event that no client can send.
            TypeError: for a signature that cannot work; here if the router has been included, else there.
        """

        def register(function: _F) -> _F:
            for registrar, namespace, path in self._included:
                registrar.register(event, function, namespace, path)
            self._handlers.append((event, function))
            return function

        if handler is not None:
            register(handler)
        return register

    def event(self, handler: _F) -> _F:
        """Register a handler of the event that has the function's name: ``@router.event``."""
        return self.on(handler.__name__)(handler)

    def include_router(self, router: SocketRouter) -> None:
        """Take in the handlers of ``router``, those that it gets later, too.

        Raises:
            ValueError: for a router that this one is in.
        """
        if self in router.with_included():
            raise ValueError("a router can't be included in itself")
        for included in self._included:
            router.include_into(*included)
        self._routers.append(router)

    def include_into(self, registrar: Registrar, namespace: str = "/", path: tuple[Layer, ...] = ()) -> None:
        """Give every handler, now and later, to a socket.

        Args:
            registrar: The socket.
            namespace: Of the router that this one is in.
            path: The layers around this one, the outermost first.
        """
        below = namespace if self.namespace == "/" else namespace.rstrip("/") + self.namespace
        inside = (*path, self)
        for event, handler in self._handlers:
            registrar.register(event, handler, below, inside)
        for router in self._routers:
            router.include_into(registrar, below, inside)
        self._included.append((registrar, below, inside))

    def with_included(self) -> list[SocketRouter]:
        """This router and all that are in it."""
        return [self, *(found for router in self._routers for found in router.with_included())]
