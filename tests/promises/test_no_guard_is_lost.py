"""A guard can never be lost: every way to register a handler, with every guard."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import socketio
from fastapi import FastAPI

from authx import AuthXSocket
from authx.auth.identity import Identity
from authx.auth.policy import PolicyEngine
from authx.socket import (
    Denial,
    SocketRouter,
    guard,
    rate_limit,
    require_fresh,
    require_policy,
    require_role,
    require_scope,
)
from authx.socket.guards import Guard
from tests.support.connections import connected
from tests.support.logins import login

GUARDS: dict[str, Callable[[], Guard]] = {
    "insufficient_scope": lambda: require_scope("s"),
    "insufficient_role": lambda: require_role("r"),
    "fresh_token_required": require_fresh,
    "policy_denied": lambda: require_policy(PolicyEngine(), "a", "b"),
    "rate_limited": lambda: rate_limit("1/hour"),
    "own": lambda: guard(_own_check),
    "sync": lambda: guard(_sync_check),
}


async def _own_check(_: object) -> None:
    raise Denial("own")


def _sync_check(_: object) -> None:
    raise Denial("sync")


Way = Callable[[AuthXSocket, Guard, Callable[..., Any]], Any]
WAYS: dict[str, Way] = {}


def way(register: Way) -> Way:
    WAYS[register.__name__] = register
    return register


@way
def on_above(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    socket.on("e")(guarded(handler))


@way
def on_below(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    guarded(socket.on("e")(handler))


@way
def on_at_once(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    socket.on("e", guarded(handler))


@way
def on_between_other_decorators(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    require_scope("held")(socket.on("e")(guarded(require_role("held")(handler))))


@way
def event_above(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    handler.__name__ = "e"
    socket.event(guarded(handler))


@way
def event_below(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    handler.__name__ = "e"
    guarded(socket.event(namespace="/")(handler))


@way
def sio_on(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    guarded(socket.sio.on("e")(handler))


@way
def sio_event(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    handler.__name__ = "e"
    socket.sio.event(guarded(handler))


@way
def catch_all(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    socket.on("*")(guarded(lambda event: handler()))


@way
def a_partial(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    socket.on("e")(functools.partial(guarded(handler)))


@way
def a_guarded_partial(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    socket.on("e")(guarded(functools.partial(handler)))


def _wrapped(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(*args: Any) -> Any:
        return await handler(*args)

    return wrapper


def _hidden(handler: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any) -> Any:
        return await handler(*args)

    return wrapper


@way
def wrapped_then_registered(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    socket.on("e")(_wrapped(_hidden(guarded(handler))))


@way
def registered_then_wrapped(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    guarded(_wrapped(_hidden(socket.on("e")(handler))))


@way
def a_callable_object(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    class Handler:
        @guarded
        async def __call__(self) -> None:
            await handler()

    socket.on("e", Handler())


@way
def an_object_of_a_guarded_class(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    class Handler:
        async def __call__(self) -> None:
            await handler()

    socket.on("e", Handler())
    guarded(Handler)


@way
def a_guarded_object(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    class Handler:
        async def __call__(self) -> None:
            await handler()

    socket.on("e", guarded(Handler()))


@way
def a_method_of_a_guarded_class(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    @guarded
    class Handlers:
        async def method(self) -> None:
            await handler()

        @classmethod
        async def of_class(cls) -> None:
            await handler()

    socket.on("e", Handlers().method)
    socket.on("another", Handlers.of_class)


@way
def a_static_method_of_a_guarded_class(
    socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]
) -> None:
    @guarded
    class Handlers:
        @staticmethod
        async def static() -> None:
            await handler()

    socket.on("e", Handlers.static)


@way
def a_decorated_method_of_a_guarded_class(
    socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]
) -> None:
    @guarded
    class Handlers:
        @_wrapped
        async def method(self) -> None:
            await handler()

    socket.on("e", Handlers().method)


class _Decorator:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    async def __call__(self, *args: Any) -> Any:
        return await self.function(*args)


@way
def inside_a_decorator_that_is_an_object(
    socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]
) -> None:
    socket.on("e", _Decorator(guarded(handler)))


@way
def on_a_decorator_that_is_an_object(
    socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]
) -> None:
    guarded(_Decorator(socket.on("e")(handler)))


@way
def an_overridden_method(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    class Above:
        @guarded
        async def method(self) -> None: ...

    class Below(Above):
        async def method(self) -> None:
            await handler()

    socket.on("e", Below().method)


@way
def a_router(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    router = SocketRouter(guards=[guarded])
    router.on("e")(handler)
    socket.include_router(router)


@way
def a_router_that_was_included(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    router = SocketRouter(guards=[guarded])
    socket.include_router(router)
    handler.__name__ = "e"
    router.event(handler)


@way
def on_a_router(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    router = SocketRouter()
    socket.include_router(router)
    guarded(router.on("e")(handler))


@way
def an_outer_router(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    outer, inner = SocketRouter(guards=[guarded]), SocketRouter()
    inner.on("e")(handler)
    outer.include_router(inner)
    socket.include_router(outer)


@way
def an_inner_router_included_late(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    outer, inner = SocketRouter(), SocketRouter(guards=[guarded])
    socket.include_router(outer)
    outer.include_router(inner)
    inner.on("e", handler)


@way
def a_namespace_method(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    class Methods(socketio.AsyncNamespace):
        @guarded
        async def on_e(self, sid: str) -> None:
            await handler()

    socket.register_namespace(Methods("/"))


@way
def a_namespace_class(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    @guarded
    class Methods(socketio.AsyncNamespace):
        async def on_e(self, sid: str) -> None:
            await handler()

    class Below(Methods): ...

    socket.sio.register_namespace(Below("/"))


@way
def a_namespace_class_guarded_late(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    class Methods(socketio.AsyncNamespace):
        async def on_e(self, sid: str) -> None:
            await handler()

    socket.register_namespace(Methods("/"))
    guarded(Methods)


@way
def an_overridden_namespace_method(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    class Methods(socketio.AsyncNamespace):
        @guarded
        async def on_e(self, sid: str) -> None: ...

    class Below(Methods):
        async def on_e(self, sid: str) -> None:
            await handler()

    socket.register_namespace(Below("/"))


@way
def a_trigger_event_of_its_own(socket: AuthXSocket, guarded: Guard, handler: Callable[..., Any]) -> None:
    @guarded
    class Routed(socketio.AsyncNamespace):
        async def trigger_event(self, event: str, *args: Any) -> None:
            await handler()

    socket.register_namespace(Routed("/"))


@pytest.mark.parametrize("code", GUARDS)
@pytest.mark.parametrize("name", WAYS)
async def test_no_guard_is_lost(name: str, code: str) -> None:
    """Whom the guard does not let through never reaches the handler, and the event counts as guarded."""
    # A limit says how often, not who: with nothing else the event is unguarded.
    says_who = code != "rate_limited"
    socket = AuthXSocket(FastAPI(), auth=login(), deny_unguarded=says_who)
    reached: list[int] = []

    async def handler() -> None:
        reached.append(1)

    WAYS[name](socket, GUARDS[code](), handler)

    here = connected(Identity(user="u", scopes=frozenset({"held"}), roles=frozenset({"held"})))
    first = await socket._dispatcher.event(here, "e", ())
    second = await socket._dispatcher.event(here, "e", ())

    assert second.failure is not None
    assert second.failure.code == code
    # The first one is within the limit; no other guard ever lets through.
    assert (first.failure is None, len(reached)) == ((True, 1) if code == "rate_limited" else (False, 0))
    assert socket.unguarded() == [] or not says_who
