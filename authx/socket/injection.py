"""From a handler's signature to the arguments it is called with.

A signature is read once, when the handler is registered, into a plan; an event only walks the plan.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from fastapi.params import Depends
from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter, ValidationError

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.thread import in_thread

__all__ = ("Invocation", "compile_handler")

_Source: TypeAlias = Callable[["_Event"], Any]
_Parameter = inspect.Parameter
_POSITIONAL = (_Parameter.POSITIONAL_ONLY, _Parameter.POSITIONAL_OR_KEYWORD)
_ABSENT: Any = object()
_MOST_DETAILS = 20


class _Event:
    """One call's worth of material: who, the arguments and how many are taken, and what goes by name."""

    __slots__ = ("arguments", "connection", "named", "taken")

    def __init__(self, connection: Connection, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
        self.connection = connection
        self.arguments = arguments
        self.named = named
        self.taken = 0


@dataclass(frozen=True, slots=True)
class Invocation:
    """A handler whose signature has been read."""

    handler: Callable[..., Any]
    name: str
    positional: tuple[_Source, ...]
    by_keyword: tuple[tuple[str, _Source], ...]
    arity: int
    """How many arguments of the event have a parameter of their own."""
    takes_rest: bool
    asks_by_name: frozenset[str]
    is_async: bool

    async def __call__(self, connection: Connection, arguments: Sequence[Any]) -> Any:
        """Call the handler for an event of ``connection``.

        Raises:
            Denial: ``validation_error`` if the arguments do not fit the signature, ``missing_token`` if
                the handler asks for an identity and there is none.
        """
        return await self._run(_Event(connection, arguments, {}))

    async def call_named(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Call the handler of a step of the protocol with as many of ``values`` as it has parameters for.

        A parameter of that name takes the value; what nobody named goes to the other parameters in order,
        so python-socketio's ``(sid, environ, auth)`` and ``(sid, environ)`` both work.
        """
        rest = [value for name, value in values.items() if name not in self.asks_by_name]
        return await self._run(_Event(connection, rest if self.takes_rest else rest[: self.arity], values))

    async def _run(self, event: _Event) -> Any:
        args = [source(event) for source in self.positional]
        kwargs = {name: source(event) for name, source in self.by_keyword}
        if self.takes_rest:
            args.extend(event.arguments[event.taken :])
        elif event.taken < len(event.arguments):
            raise Denial("validation_error", f"At most {event.taken} arguments are expected")
        if self.is_async:
            return await self.handler(*args, **kwargs)
        result = await in_thread(self.handler, *args, **kwargs)
        return await result if isinstance(result, Awaitable) else result


def compile_handler(
    handler: Callable[..., Any], *, provided: Mapping[type, Any], named: Sequence[str] = ()
) -> Invocation:
    """Read the signature of ``handler``.

    Args:
        handler: A function, bound method, partial or callable object; sync ones run in a thread.
        provided: Values injected by the type of the annotation, besides the connection's own.
        named: Names of parameters that take what the event has under that name.

    Raises:
        TypeError: for a signature that cannot work, with the handler's name.
    """
    name = getattr(handler, "__qualname__", None) or repr(handler)
    hints = _hints(handler, name)
    positional: list[_Source] = []
    by_keyword: list[tuple[str, _Source]] = []
    arity, takes_rest = 0, False
    asks_by_name: set[str] = set()
    for parameter in inspect.signature(handler).parameters.values():
        if parameter.kind is _Parameter.VAR_POSITIONAL:
            takes_rest = True
        elif parameter.kind in _POSITIONAL or parameter.kind is _Parameter.KEYWORD_ONLY:
            annotation = hints.get(parameter.name, _ABSENT)
            source = _injected(parameter, annotation, provided, named, name)
            if parameter.name in named:
                asks_by_name.add(parameter.name)
            if parameter.kind in _POSITIONAL:
                arity += source is None
                positional.append(source or _argument(parameter, annotation, name))
            elif source is not None:
                by_keyword.append((parameter.name, source))
            elif parameter.default is _Parameter.empty:
                raise TypeError(
                    f"handler {name}: nothing can be passed to keyword-only parameter {parameter.name!r}"
                )
    return Invocation(
        handler=handler,
        name=name,
        positional=tuple(positional),
        by_keyword=tuple(by_keyword),
        arity=arity,
        takes_rest=takes_rest,
        asks_by_name=frozenset(asks_by_name),
        is_async=_is_async(handler),
    )


def _hints(handler: Callable[..., Any], name: str) -> dict[str, Any]:
    target: Any = handler
    while isinstance(target, partial):
        target = target.func
    if not inspect.isroutine(target):
        target = type(target).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as error:
        raise TypeError(f"handler {name}: its annotations cannot be read: {error}") from error


def _is_async(handler: Callable[..., Any]) -> bool:
    while isinstance(handler, partial):
        handler = handler.func
    call = handler if inspect.isroutine(handler) else type(handler).__call__
    return inspect.iscoroutinefunction(call)


def _injected(
    parameter: _Parameter, annotation: Any, provided: Mapping[type, Any], named: Sequence[str], handler: str
) -> _Source | None:
    """Where a parameter comes from, unless it takes an argument of the event."""
    name = parameter.name
    if name in named:
        return lambda event: event.named[name]
    if name == "sid":
        return lambda event: event.connection.sid
    annotated = get_origin(annotation) is Annotated
    kind, *metadata = get_args(annotation) if annotated else (annotation,)
    if any(isinstance(marker, Depends) for marker in (parameter.default, *metadata)):
        raise TypeError(
            f"handler {handler}: parameter {name!r} is a FastAPI dependency; socket handlers take none"
        )
    if kind is Connection:
        return lambda event: event.connection
    if kind is Identity:
        return _identity
    if get_origin(kind) in (Union, UnionType) and set(get_args(kind)) == {Identity, NoneType}:
        return lambda event: event.connection.identity
    if isinstance(kind, type) and kind in provided:
        value = provided[kind]
        return lambda _event: value
    return None


def _identity(event: _Event) -> Identity:
    if event.connection.identity is None:
        raise Denial("missing_token")
    return event.connection.identity


def _argument(parameter: _Parameter, annotation: Any, handler: str) -> _Source:
    """Take the next argument of the event, validated if the parameter is annotated."""
    name, default = parameter.name, parameter.default
    validate: Callable[[Any], Any] | None = None
    if annotation is not _ABSENT and annotation is not Any:
        try:
            validate = TypeAdapter(annotation).validate_python
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise TypeError(
                f"handler {handler}: parameter {name!r} is neither injected nor can be validated: {error}"
            ) from error

    def take(event: _Event) -> Any:
        if event.taken >= len(event.arguments):
            if default is _Parameter.empty:
                raise _invalid([{"type": "missing", "loc": (name,), "msg": "Field required"}])
            return default
        value = event.arguments[event.taken]
        event.taken += 1
        if validate is None:
            return value
        try:
            return validate(value)
        except ValidationError as error:
            # The input stays out: it is the client's own, and may be large or secret.
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise _invalid([{**item, "loc": (name, *item["loc"])} for item in found]) from None

    return take


def _invalid(details: list[dict[str, Any]]) -> Denial:
    # A client could ask for thousands with one event.
    return Denial("validation_error", details=details[:_MOST_DETAILS])
