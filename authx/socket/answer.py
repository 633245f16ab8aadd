"""From what a handler returns to the values of the acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from types import NoneType
from typing import Any, Never, NoReturn, TypeAlias

from pydantic import BaseModel, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter

from authx.socket.signature import ABSENT, is_a
from authx.socket.wire import to_wire

__all__ = ("Answer", "compile_answer", "untyped")

Answer: TypeAlias = Callable[[Any], tuple[Any, ...]]
"""Makes the values of the acknowledgement from what a handler returned."""

_SAYS_NOTHING = (ABSENT, Any, None, NoneType, object, Never, NoReturn)


def untyped(result: Any) -> tuple[Any, ...]:
    """The values of the acknowledgement: none for None, and as in python-socketio several for a tuple."""
    if result is None:
        return ()
    return tuple(map(to_wire, result)) if isinstance(result, tuple) else (to_wire(result),)


def compile_answer(annotation: Any, handler: str) -> Answer:
    """Read the return type of a handler.

    What it returns is validated by that type, as FastAPI does with a response model: what the type does not
    name stays here. Bytes are sent as bytes, those in a model as base64.

    Raises:
        TypeError: for a type that pydantic can't validate by, with the name of the handler.
    """
    if any(annotation is kind for kind in _SAYS_NOTHING):
        return untyped
    try:
        validate = TypeAdapter(annotation).validate_python
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise TypeError(f"handler {handler}: what it returns can't be validated: {error}") from error
    if not is_a(annotation, BaseModel):
        return lambda result: untyped(validate(_plain(result), from_attributes=True))

    def answer(result: Any) -> tuple[Any, ...]:
        if type(result) is annotation:
            return (to_wire(result),)
        return untyped(validate(_plain(result), from_attributes=True))

    return answer


def _plain(value: Any) -> Any:
    """``value`` without its models: an object of a class below the declared one would pass as it is."""
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value)) if type(value) in (list, tuple) else tuple(map(_plain, value))
    return value
