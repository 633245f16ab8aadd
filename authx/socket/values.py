"""Values that are validated: the event's arguments, and headers, cookies and query of the handshake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, is_typeddict

from fastapi import params
from pydantic import BaseModel, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from starlette.requests import Request

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.material import Material, Source
from authx.socket.signature import ABSENT, Parameter, types_within

__all__ = ("from_arguments", "from_handshake", "is_of_handshake")

_MANY = (list, set, frozenset, tuple)
_MOST_DETAILS = 20


def from_arguments(parameter: Parameter, index: int, where: str) -> Source:
    """Take the argument of an event at ``index``, validated if the parameter is annotated.

    Raises:
        TypeError: for an annotation that pydantic can't validate by, with where it stands.
    """
    _check_not_ours(parameter, where)
    name, default = parameter.name, parameter.default
    validate = _validator(parameter.annotation, where)

    def take(material: Material) -> Any:
        arguments = material.arguments
        if index >= len(arguments):
            if default is ABSENT:
                raise _invalid([{"type": "missing", "loc": (name,), "msg": "Field required"}])
            return default
        if validate is None:
            return arguments[index]
        try:
            return validate(arguments[index])
        except ValidationError as error:
            raise _denial(error, name) from None

    return take


def _check_not_ours(parameter: Parameter, where: str) -> None:
    # They are dataclasses: pydantic would make whatever identity a client writes down.
    if any(issubclass(kind, (Identity, Connection)) for kind in types_within(parameter.annotation)):
        raise TypeError(
            f"{where} would be taken from the client: ask for the identity or connection itself, or None"
        )


def is_of_handshake(parameter: Parameter) -> bool:
    """Whether a parameter is marked as a value of the request: ``Header()``, ``Query()``, ``Body()``..."""
    return parameter.marker(params.Param) is not None or parameter.marker(params.Body) is not None


def from_handshake(parameter: Parameter, where: str) -> Source:
    """Take a value of the handshake, validated by annotation and marker as FastAPI does.

    A parameter without a marker is one of the query.

    Raises:
        TypeError: for what a handshake does not have, a body before all.
    """
    _check_not_ours(parameter, where)
    marker = parameter.marker(params.Param)
    if marker is None and (parameter.marker(params.Body) is not None or not _is_of_query(parameter.kind)):
        raise TypeError(f"{where} would be taken from a body, and a handshake has none")
    if any(_is_a_model(option) for option in _options(parameter.kind)):
        raise TypeError(f"{where} is a model of several values, and only single ones can be taken")
    place, read = _place(marker, where)
    name = _name(parameter, marker)
    many = any(get_origin(option) in _MANY or option in _MANY for option in _options(parameter.kind))
    default = _default(parameter, marker)
    validate = _validator(_constrained(parameter, marker), where)

    def take(material: Material) -> Any:
        found = read(material.request, name)
        if not found:
            if default is None:
                raise _invalid([{"type": "missing", "loc": (place, name), "msg": "Field required"}])
            return default()
        value = found if many else found[-1]
        try:
            return value if validate is None else validate(value)
        except ValidationError as error:
            raise _denial(error, place, name) from None

    return take


def _validator(annotation: Any, where: str) -> Callable[[Any], Any] | None:
    if annotation is ABSENT or annotation is Any:
        return None
    try:
        return TypeAdapter(annotation).validate_python
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise TypeError(f"{where} is neither injected nor can be validated: {error}") from error


def _constrained(parameter: Parameter, marker: params.Param | None) -> Any:
    # The marker itself would tell pydantic of aliases and defaults, which are seen to here.
    metadata = [item for item in parameter.metadata if not isinstance(item, FieldInfo)]
    annotation = parameter.kind
    for item in (*metadata, *(() if marker is None else marker.metadata)):
        annotation = Annotated[annotation, item]
    return annotation


def _denial(error: ValidationError, *where: str) -> Denial:
    # The input stays out: it is the client's own, and may be large or secret.
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return _invalid([{**item, "loc": (*where, *item["loc"])} for item in found])


def _invalid(details: list[dict[str, Any]]) -> Denial:
    # A client could ask for thousands with one event.
    return Denial("validation_error", details=details[:_MOST_DETAILS])


def _options(annotation: Any) -> tuple[Any, ...]:
    """What an annotation may be, without metadata: the members of a union, or itself."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(option for member in get_args(annotation) for option in _options(member))
    return (annotation,)


def _is_a_model(annotation: Any) -> bool:
    if is_typeddict(annotation) or is_dataclass(annotation):
        return True
    return isinstance(annotation, type) and issubclass(annotation, (BaseModel, Mapping))


def _is_of_query(annotation: Any) -> bool:
    """Whether FastAPI would take an unmarked parameter from the query, and not from the body."""
    return not any(
        _is_a_model(option) or option in _MANY or get_origin(option) in (*_MANY, dict)
        for option in _options(annotation)
    )


def _name(parameter: Parameter, marker: params.Param | None) -> str:
    if marker is None:
        return parameter.name
    # The one that validates wins, as in FastAPI.
    alias = marker.validation_alias or marker.alias
    if isinstance(alias, str):
        return alias
    if isinstance(marker, params.Header) and marker.convert_underscores:
        return parameter.name.replace("_", "-")
    return parameter.name


def _default(parameter: Parameter, marker: params.Param | None) -> Callable[[], Any] | None:
    """Makes the value in place of one that is not there; None if it has to be there."""
    if parameter.default is not ABSENT and not isinstance(parameter.default, FieldInfo):
        return lambda: parameter.default
    if marker is None or marker.is_required():
        return None
    return lambda: marker.get_default(call_default_factory=True)


def _place(marker: params.Param | None, where: str) -> tuple[str, Callable[[Request, str], list[str]]]:
    if marker is None or isinstance(marker, params.Query):
        return "query", lambda request, name: request.query_params.getlist(name)
    if isinstance(marker, params.Header):
        return "header", lambda request, name: request.headers.getlist(name)
    if isinstance(marker, params.Cookie):
        return "cookie", lambda request, name: [request.cookies[name]] if name in request.cookies else []
    raise TypeError(f"{where} would be taken from the path, and a handshake's has no parameters")
