"""What a callable asks for: its parameters with evaluated annotations, and how it is to be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = (
    "ABSENT",
    "Parameter",
    "Signature",
    "is_a",
    "is_async",
    "is_optional",
    "read_signature",
    "types_within",
)

_T = TypeVar("_T")

ABSENT: Any = inspect.Parameter.empty
"""In place of a default or an annotation that is not there."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; ``*args`` and ``**kwargs`` are told by :class:`Signature`."""

    name: str
    default: Any
    annotation: Any
    """As written, with its metadata; ABSENT if there is none."""
    kind: Any
    """The annotation without the metadata."""
    metadata: tuple[Any, ...]
    by_keyword: bool
    """Whether it can be passed by keyword only."""

    def marker(self, kind: type[_T]) -> _T | None:
        """The marker of a kind: as the default, else the last one in the annotation."""
        found = [item for item in (*self.metadata, self.default) if isinstance(item, kind)]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Signature:
    """A callable that has been read."""

    name: str
    parameters: tuple[Parameter, ...]
    takes_rest: bool
    returns: Any
    """The annotation of what it gives; ABSENT if there is none."""
    is_async: bool
    is_generator: bool
    """Whether it yields what it gives: a dependency with something to clean up."""


def read_signature(function: Callable[..., Any], role: str = "handler") -> Signature:
    """Read a function, method, partial, class or callable object.

    Args:
        function: What will be called.
        role: What it is, for the text of an error.

    Raises:
        TypeError: if the annotations can't be evaluated, with the name of the function.
    """
    name = getattr(function, "__qualname__", None) or repr(function)
    target = _called(function)
    try:
        hints = get_type_hints(target, include_extras=True)
        signature = inspect.signature(function)
    except (NameError, TypeError, ValueError) as error:
        raise TypeError(f"{role} {name}: its annotations can't be read: {error}") from error
    found = signature.parameters.values()
    return Signature(
        name=name,
        parameters=tuple(
            # A signature that was put in place by hand has annotations of its own.
            _parameter(parameter, hints.get(parameter.name, parameter.annotation))
            for parameter in found
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ),
        takes_rest=any(parameter.kind is parameter.VAR_POSITIONAL for parameter in found),
        returns=ABSENT if isinstance(function, type) else hints.get("return", ABSENT),
        is_async=is_async(function),
        is_generator=inspect.isgeneratorfunction(_plain(target))
        or inspect.isasyncgenfunction(_plain(target)),
    )


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling ``function`` gives a coroutine or an async generator."""
    target = _called(function)
    return inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(_plain(target))


def is_a(annotation: Any, kind: type) -> bool:
    """Whether an annotation is a class of a kind."""
    return isinstance(annotation, type) and issubclass(annotation, kind)


def is_optional(annotation: Any, kind: type) -> bool:
    """Whether an annotation is ``kind | None``, however ``kind`` is written."""
    if get_origin(annotation) not in (Union, UnionType):
        return False
    return {_bare(option)[0] for option in get_args(annotation)} == {kind, NoneType}


def types_within(annotation: Any) -> set[Any]:
    """Every type that an annotation is made of: through unions, aliases, new types and type arguments."""
    bare, _ = _bare(annotation)
    found = {bare} if isinstance(bare, type) else set()
    for part in get_args(bare):
        found |= types_within(part)
    return found


def _bare(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """What an annotation means, without aliases and metadata; and the metadata."""
    metadata: tuple[Any, ...] = ()
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            metadata = (*more, *metadata)
        elif hasattr(annotation, "__value__"):
            # `type Name = ...`, and typing_extensions.TypeAliasType.
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        else:
            return annotation, metadata


def _called(function: Callable[..., Any]) -> Any:
    """The function whose code runs when ``function`` is called."""
    target: Any = function
    while isinstance(target, partial):
        target = target.func
    if isinstance(target, type):
        return target.__init__  # type: ignore[misc]  # of this very class
    return target if inspect.isroutine(target) else type(target).__call__


def _plain(target: Any) -> Any:
    return inspect.unwrap(target)


def _parameter(found: inspect.Parameter, annotation: Any) -> Parameter:
    kind, metadata = _bare(annotation)
    return Parameter(
        name=found.name,
        default=found.default,
        annotation=annotation,
        kind=kind,
        metadata=metadata,
        by_keyword=found.kind is found.KEYWORD_ONLY,
    )
