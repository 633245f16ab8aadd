"""Walks the public surface of AuthX 1.7.1: every name, where it is imported from, and its shape.

A signature may have grown: by parameters that are keyword-only and have a default, or by ``**kwargs``.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import inspect
import json
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import authx
from authx.auth.types import T

DOCUMENT: dict[str, Any] = json.loads(Path(__file__).with_name("api.json").read_text())

Parameter = inspect.Parameter
VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)

NAMESPACE = {
    **vars(typing),
    "collections": collections,
    "datetime": datetime,
    "NoneType": type(None),
    "T": T,
}
"""What the recorded types are spelled with."""

OTHERWISE = {"authx.main.AuthX.__init__(config)": "None"}
"""Defaults that differ: the settings are read when an AuthX is made, not when this is imported."""

MODEL_SETTINGS = ("arbitrary_types_allowed", "extra", "from_attributes", "validate_default")


def facts(*kinds: str) -> list[Any]:
    return [
        pytest.param(module, name, fact, id=f"{module}.{name}")
        for module, names in DOCUMENT["modules"].items()
        for name, fact in names.items()
        if fact["kind"] in kinds
    ]


def members(*kinds: str) -> list[Any]:
    return [
        pytest.param(getattr(import_module(module), name), member, fact, id=f"{module}.{name}.{member}")
        for module, names in DOCUMENT["modules"].items()
        for name, owner in names.items()
        for member, fact in owner.get("members", {}).items()
        # What a Protocol is made with, nobody ever sees.
        if fact["kind"] in kinds and not (owner.get("protocol") and member == "__init__")
    ]


def named(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def recorded_type(text: str) -> Any:
    return eval(text.replace("~T", "T"), NAMESPACE)


def test_all() -> None:
    """The package offers the same names, and the socket."""
    assert set(authx.__all__) == {*DOCUMENT["all"], "AuthXSocket", "__version__"}
    assert isinstance(authx.__version__, str)


@pytest.mark.parametrize(("module", "name", "fact"), facts("re-export"))
def test_one_object_by_every_path(module: str, name: str, fact: dict[str, Any]) -> None:
    """A name means one object, wherever it is imported from."""
    origin, _, original = fact["of"].rpartition(".")

    assert named(module, name) is named(origin, original)


@pytest.mark.parametrize(("module", "name", "fact"), facts("class"))
def test_class(module: str, name: str, fact: dict[str, Any]) -> None:
    """A class derives from the same, and is the same kind of class."""
    cls = named(module, name)

    assert isinstance(cls, type)
    assert set(fact["bases"]) <= {base.__name__ for base in cls.__mro__}
    assert getattr(cls, "_is_protocol", False) == fact.get("protocol", False)
    if "dataclass" in fact:
        assert cls.__dataclass_params__.frozen == fact["dataclass"]["frozen"]  # type: ignore[attr-defined]
        assert [field.name for field in dataclasses.fields(cls)] == list(fact["dataclass"]["fields"])


@pytest.mark.parametrize(
    ("model", "field", "fact"),
    [
        pytest.param(named(module, name), field, fact, id=f"{module}.{name}.{field}")
        for module, names in DOCUMENT["modules"].items()
        for name, owner in names.items()
        for field, fact in owner.get("fields", {}).items()
    ],
)
def test_field(model: type[BaseModel], field: str, fact: dict[str, Any]) -> None:
    """A field of a model has the same type and the same default."""
    info = model.model_fields[field]
    made = info.default_factory is not None or info.default is not PydanticUndefined

    assert info.annotation == recorded_type(fact["type"])
    assert info.is_required() == fact["required"]
    if made and not fact.get("default", "<").startswith("<"):
        assert repr(info.get_default(call_default_factory=True)) == fact["default"]


@pytest.mark.parametrize(
    ("module", "name", "fact"), [case for case in facts("class") if "fields" in case.values[2]]
)
def test_model(module: str, name: str, fact: dict[str, Any]) -> None:
    """A model has the same fields, and is as strict."""
    model = named(module, name)
    wanted = fact["model_config"]

    assert set(model.model_fields) == set(fact["fields"])
    assert {key: repr(model.model_config[key]) for key in MODEL_SETTINGS if key in wanted} == {
        key: wanted[key] for key in MODEL_SETTINGS if key in wanted
    }


@pytest.mark.parametrize(("module", "name", "fact"), facts("exception"))
def test_exception(module: str, name: str, fact: dict[str, Any]) -> None:
    """An exception is caught by the same classes, says the same and knows the same."""
    error = named(module, name)

    assert [base.__name__ for base in error.__mro__ if base is not object] == fact["mro"]
    if error.__init__ is not Exception.__init__ and issubclass(error, Exception):
        assert_signature(f"{module}.{name}", error.__init__, fact["init"])
    for example in fact["examples"]:
        raised = error(*eval(example["args"]))
        assert str(raised) == example["str"]
        attributes = example["attributes"]
        assert {key: repr(getattr(raised, key)) for key in attributes} == attributes


@pytest.mark.parametrize(("module", "name", "fact"), facts("function"))
def test_function(module: str, name: str, fact: dict[str, Any]) -> None:
    """A function is called in the same way."""
    assert_signature(f"{module}.{name}", named(module, name), fact["signature"])


@pytest.mark.parametrize(("module", "name", "fact"), facts("literal"))
def test_literal(module: str, name: str, fact: dict[str, Any]) -> None:
    """A literal has the same values."""
    assert set(typing.get_args(named(module, name))) == set(fact["values"])


@pytest.mark.parametrize(("module", "name", "fact"), facts("alias"))
def test_alias(module: str, name: str, fact: dict[str, Any]) -> None:
    """An alias stands for the same type."""
    assert named(module, name) == recorded_type(fact["of"])


@pytest.mark.parametrize(("module", "name", "fact"), facts("typevar"))
def test_typevar(module: str, name: str, fact: dict[str, Any]) -> None:
    """A type variable varies in the same way."""
    assert named(module, name).__covariant__ == fact["covariant"]


@pytest.mark.parametrize(("owner", "name", "fact"), members("method", "classmethod"))
def test_method(owner: type, name: str, fact: dict[str, Any]) -> None:
    """A method is called in the same way, and is awaited if it was."""
    is_classmethod = isinstance(inspect.getattr_static(owner, name), classmethod)

    assert is_classmethod == (fact["kind"] == "classmethod")
    module = "authx.main" if owner is authx.AuthX else owner.__module__
    assert_signature(f"{module}.{owner.__name__}.{name}", getattr(owner, name), fact["signature"])


@pytest.mark.parametrize(("owner", "name", "fact"), members("property"))
def test_property(owner: type, name: str, fact: dict[str, Any]) -> None:
    """A property is one, and can be set if it could."""
    found = inspect.getattr_static(owner, name)

    assert isinstance(found, property)
    assert (found.fset is not None) == fact["settable"]


@pytest.mark.parametrize(("owner", "name", "fact"), members("attribute"))
def test_attribute(owner: type, name: str, fact: dict[str, Any]) -> None:
    """An attribute of a class has the same value."""
    assert repr(getattr(owner, name)) == fact["value"]


def assert_signature(where: str, function: Any, fact: dict[str, Any]) -> None:
    signature = inspect.signature(function)
    theirs = [shape(where, **recorded) for recorded in fact["parameters"]]
    ours = list(grown(signature, {name for name, *_ in theirs}))

    assert [
        (parameter.name.lstrip("_"), parameter.kind.name, default_of(parameter)) for parameter in ours
    ] == theirs
    assert inspect.iscoroutinefunction(function) == fact["async"]


def shape(where: str, *, name: str, kind: str, default: str | None = None, **_: Any) -> tuple[Any, ...]:
    return name.lstrip("_"), kind, OTHERWISE.get(f"{where}({name})", default)


def grown(signature: inspect.Signature, known: set[str]) -> Iterator[inspect.Parameter]:
    """The parameters but those that nobody needs to know of."""
    for parameter in signature.parameters.values():
        is_new = parameter.name.lstrip("_") not in known
        if is_new and parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is not Parameter.empty:
            continue
        if is_new and parameter.kind is Parameter.VAR_KEYWORD:
            continue
        yield parameter


def default_of(parameter: inspect.Parameter) -> str | None:
    return None if parameter.default is Parameter.empty else repr(parameter.default)
