"""What only the app knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from authx.auth.callbacks import Callbacks


async def test_nothing_set() -> None:
    """Without a function, and without a token, nothing is revoked, and nobody is known."""
    callbacks = Callbacks()

    assert callbacks.callback_is_token_in_blocklist is None
    assert callbacks.callback_get_model_instance is None
    assert (callbacks.is_token_callback_set, callbacks.is_model_callback_set) == (False, False)
    assert await callbacks.is_token_in_blocklist("x") is False
    with pytest.raises(AttributeError, match=r"^Model callback not set"):
        await callbacks.find_subject("ada")

    callbacks.set_token_blocklist(lambda token: True)
    assert await callbacks.is_token_in_blocklist(None) is False


async def test_blocklist() -> None:
    """Both setters work as decorators and leave the function as it was."""
    callbacks = Callbacks()

    @callbacks.set_token_blocklist
    def first(token: str, **_: Any) -> bool:
        return token == "revoked"

    assert first("revoked")
    assert callbacks.callback_is_token_in_blocklist is first
    assert callbacks.is_token_callback_set
    assert await callbacks.is_token_in_blocklist("revoked") is True
    assert await callbacks.is_token_in_blocklist("good") is False

    @callbacks.set_callback_token_blocklist
    async def second(token: str, *, tenant: str) -> bool:
        return token == tenant

    assert await second("t", tenant="t")
    assert await callbacks.is_token_in_blocklist("t", tenant="t") is True


async def test_subject() -> None:
    """The same for the subject getter, which is called with the user alone."""
    callbacks = Callbacks()

    @callbacks.set_subject_getter
    def first(uid: str) -> str:
        return uid.upper()

    assert first("ada") == await callbacks.find_subject("ada") == "ADA"
    assert callbacks.is_model_callback_set

    @callbacks.set_callback_get_model_instance
    async def second(uid: str) -> None: ...

    assert callbacks.callback_get_model_instance is second
    assert await callbacks.find_subject("ada") is None


class Asking:
    """An object called and awaited."""

    async def __call__(self, token: str) -> bool:
        return token == "revoked"


def promising(token: str) -> Awaitable[bool]:
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    answer.set_result(token == "revoked")
    return answer


def delegating(token: str) -> Awaitable[bool]:
    return Asking()(token)


@pytest.mark.parametrize("callback", [Asking(), promising, partial(promising), delegating])
async def test_whatever_can_be_awaited_is(callback: Any) -> None:
    """An answer that has to be awaited is never taken for a yes."""
    callbacks = Callbacks()
    callbacks.callback_is_token_in_blocklist = callback
    callbacks.callback_get_model_instance = callback

    assert await callbacks.is_token_in_blocklist("good") is False
    assert await callbacks.is_token_in_blocklist("revoked") is True
    assert await callbacks.find_subject("revoked") is True


async def test_the_functions_own_answers() -> None:
    """What a function gives comes back as it is; what it raises is not caught."""
    callbacks = Callbacks()
    callbacks.set_token_blocklist(lambda token: None)
    assert await callbacks.is_token_in_blocklist("x") is None

    def broken(token: str) -> bool:
        raise RuntimeError(token)

    callbacks.set_token_blocklist(broken)
    with pytest.raises(RuntimeError, match="x"):
        await callbacks.is_token_in_blocklist("x")


class Method:
    """Functions of an object."""

    def sync(self, token: str, **_: Any) -> bool:
        return token == "revoked"

    async def awaited(self, token: str, **_: Any) -> bool:
        return token == "revoked"


@pytest.mark.parametrize(
    ("callback", "runs"),
    [
        (lambda token, **_: token == "revoked", True),
        (Method().sync, True),
        (partial(Method().sync), True),
        (delegating, True),
        (Method().awaited, False),
        (partial(partial(Method().awaited)), False),
        (Asking(), False),
    ],
)
async def test_a_function_that_blocks_runs_where_it_may(callback: Any, runs: bool) -> None:
    """One that is async does not block, and stays in the loop."""
    callbacks = Callbacks()
    callbacks.set_token_blocklist(callback)
    ran: list[str] = []

    async def run_sync(function: Callable[..., Any], *arguments: Any) -> Any:
        ran.append("elsewhere")
        return function(*arguments)

    assert await callbacks.is_token_in_blocklist("revoked", run_sync=run_sync) is True
    assert await callbacks.is_token_in_blocklist("good", run_sync=run_sync) is False
    assert bool(ran) == runs
    assert await callbacks.is_token_in_blocklist(None, run_sync=run_sync) is False


async def test_more_arguments_go_along() -> None:
    """Also to where it may block."""
    callbacks = Callbacks()
    callbacks.set_token_blocklist(lambda token, tenant: token == tenant)

    async def run_sync(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    assert await callbacks.is_token_in_blocklist("t", run_sync=run_sync, tenant="t") is True
