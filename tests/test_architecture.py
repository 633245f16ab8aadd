"""What holds for the whole repository; the direction of imports is checked by import-linter."""

import importlib
import inspect
import pkgutil
import sys
import tomllib
from types import ModuleType
from typing import Any

import pytest

import authx
import authx.socket
from tests.support.server import ROOT

SOURCES = sorted(path.relative_to(ROOT) for path in (ROOT / "authx").rglob("*.py"))
MODULES = sorted(module.name for module in pkgutil.walk_packages(authx.__path__, "authx."))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


# The corridor's modules have nothing of their own: tests/auth/contract walks every name through all of them.
OF_THE_WINGS = [
    path for path in SOURCES if path.parts[1] in {"auth", "socket"} and path.name != "__init__.py"
]


@pytest.mark.parametrize("source", OF_THE_WINGS, ids=str)
def test_every_source_file_has_a_test_file_of_its_name(source: Any) -> None:
    wing = source.relative_to("authx").parent
    partner = ROOT / "tests" / wing / f"test_{source.stem.strip('_')}.py"

    assert partner.is_file()


def public_names(module: ModuleType) -> set[str]:
    """Return the classes and functions a module defines under a public name."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_offers(name: str) -> None:
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", ())

    assert isinstance(offered, tuple)
    assert len(offered) == len(set(offered))
    assert set(offered) <= set(dir(module))
    assert public_names(module) <= set(offered)


@pytest.mark.parametrize("package", [authx, authx.socket], ids=lambda package: str(package.__name__))
def test_a_package_offers_all_that_it_puts_together(package: ModuleType) -> None:
    gathered = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert set(package.__all__) - {"__version__"} == gathered


def test_no_script_hides_a_module_of_the_standard_library() -> None:
    """An example is run with its own folder first on the path."""
    scripts = {path.stem for path in (ROOT / "examples").rglob("*.py")}

    assert not scripts & sys.stdlib_module_names


def test_the_floors_are_the_versions_that_the_oldest_run_proves() -> None:
    project = PYPROJECT["project"]
    floors = project["dependencies"] + project["optional-dependencies"]["redis"]
    proved = set(PYPROJECT["dependency-groups"]["lowest"])

    assert {floor.replace(">=", "==") for floor in floors} <= proved
