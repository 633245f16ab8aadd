"""Class-based namespaces: ``socketio.AsyncNamespace`` subclasses, read into handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import socketio
from fastapi import params

from authx.socket.attachment import Guards
from authx.socket.material import Supply, injected
from authx.socket.router import Layer, Registrar
from authx.socket.signature import read_signature
from authx.socket.values import is_of_handshake

__all__ = ("register_methods",)

_PREFIX = "on_"


def register_methods(
    registrar: Registrar, namespace: socketio.AsyncNamespace, *, allow_anonymous: bool = False
) -> None:
    """Register the ``on_...`` methods of a namespace as handlers of its events.

    A namespace with a ``trigger_event`` of its own is given every event as python-socketio would give it,
    and what it calls then is called with the arguments as they came.

    Args:
        registrar: Takes the handlers in.
        namespace: An instance of a subclass of ``socketio.AsyncNamespace``.
        allow_anonymous: Let clients that show no credential connect, and reach the methods without a guard.

    Raises:
        ReservedNameError: for a method of an event that no client can send.
        TypeError: for a method whose signature cannot work; beside a ``trigger_event`` of the namespace's own
            also for one with a guard, which any event might pass by, or with injected parameters.
    """
    methods = _methods(namespace)
    for event in methods:
        name = f"{_PREFIX}{event}"
        if name in vars(namespace) and hasattr(type(namespace), name):
            raise TypeError(
                f"{name} of {namespace.namespace} is put over a method, whose guards would be lost"
            )
    if getattr(namespace.trigger_event, "__func__", None) is socketio.AsyncNamespace.trigger_event:
        layer = Layer(guards=Guards(namespace), allow_anonymous=allow_anonymous)
        for event, method in methods.items():
            registrar.register(event, method, namespace.namespace, (layer,))
        return
    for method in methods.values():
        _check_plain(namespace, method)
    # A guard that a method gets later on can't be told apart by event, so it is for all of them.
    layer = Layer(guards=Guards(namespace, *methods.values()), allow_anonymous=allow_anonymous)
    for event, handler in _triggers(namespace, methods).items():
        registrar.register(event, handler, namespace.namespace, (layer,))


def _methods(namespace: socketio.AsyncNamespace) -> Mapping[str, Callable[..., Any]]:
    """By event."""
    return {
        name.removeprefix(_PREFIX): method
        for name in dir(namespace)
        if name.startswith(_PREFIX) and callable(method := getattr(namespace, name))
    }


def _check_plain(namespace: socketio.AsyncNamespace, method: Callable[..., Any]) -> None:
    name = f"{type(namespace).__qualname__}.{getattr(method, '__name__', method)}"
    if set(Guards(method)) - set(Guards(namespace)):
        raise TypeError(f"{name}: trigger_event may call it past its guard; guard the class instead")
    for parameter in read_signature(method).parameters:
        asks = parameter.marker(params.Depends) is not None or is_of_handshake(parameter)
        if asks or (parameter.name != "sid" and injected(parameter, Supply()) is not None):
            raise TypeError(f"{name}: trigger_event calls it, and injects nothing into {parameter.name!r}")


def _triggers(
    namespace: socketio.AsyncNamespace, methods: Mapping[str, Callable[..., Any]]
) -> Mapping[str, Callable[..., Any]]:
    takes_auth = "connect" not in methods or _takes(methods["connect"], 3)

    async def connect(sid: Any, environ: Any, auth: Any) -> Any:
        arguments = (sid, environ, auth) if takes_auth else (sid, environ)
        return await namespace.trigger_event("connect", *arguments)

    async def disconnect(sid: Any, reason: Any) -> Any:
        return await namespace.trigger_event("disconnect", sid, reason)

    async def trigger(sid: Any, event: Any, *arguments: Any) -> Any:
        return await namespace.trigger_event(event, sid, *arguments)

    return {"connect": connect, "disconnect": disconnect, "*": trigger}


def _takes(method: Callable[..., Any], number: int) -> bool:
    try:
        inspect.signature(method).bind(*range(number))
    except TypeError:
        return False
    return True
