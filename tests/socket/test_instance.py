"""Methods on the class; what they mean for ``AuthXSocket`` is in tests/socket/test_facade.py."""

import pytest

from authx.socket.instance import Shared, Waiting


class Thing:
    only: "Thing"

    def __init__(self, name: str) -> None:
        self.name = name

    @Shared
    def greet(self, whom: str, *, twice: bool = False) -> str:
        """Say hello."""
        return f"{self.name} greets {whom}{' twice' if twice else ''}"

    @classmethod
    def _only(cls, method: str) -> "Thing":
        if method != "greet":
            raise RuntimeError(method)
        return cls.only


def test_a_method_is_one_of_an_instance_and_on_the_class_of_the_only_one() -> None:
    first, Thing.only = Thing("first"), Thing("the only one")

    assert first.greet("bob") == "first greets bob"
    assert Thing.greet("bob", twice=True) == "the only one greets bob twice"
    assert Thing.greet.__doc__ == "Say hello."


def test_what_is_declared_early_waits() -> None:
    waiting = Waiting()
    waiting._register("event", print, "/chat")

    assert waiting.handlers == [("event", print, "/chat")]


def test_arguments_are_checked_as_those_of_the_method() -> None:
    with pytest.raises(TypeError):
        Thing("first").greet()  # type: ignore[call-arg]
