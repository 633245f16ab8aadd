"""Dependencies with ``yield``: entered, and cleaned up whatever happens."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from authx.socket.cleanup import enter, leave
from authx.socket.exceptions import Denial


class Recorder:
    """Makes dependencies that write down what becomes of them."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.entered: list[AbstractAsyncContextManager[Any]] = []

    async def enter(self, name: str, ending: Callable[[BaseException], None], *, is_async: bool) -> None:
        async def asynchronous() -> AsyncIterator[str]:
            try:
                yield name
            except BaseException as error:  # noqa: BLE001 - of every kind
                self.steps.append(f"{name} {type(error).__name__}")
                ending(error)
            else:
                self.steps.append(f"{name} well")

        def synchronous() -> Iterator[str]:
            try:
                yield name
            except BaseException as error:  # noqa: BLE001 - of every kind
                self.steps.append(f"{name} {type(error).__name__}")
                ending(error)
            else:
                self.steps.append(f"{name} well")

        call = asynchronous if is_async else synchronous
        assert await enter(call, {}, is_async=is_async, entered=self.entered) == name


def passes_on(error: BaseException) -> None:
    raise error


def swallows(error: BaseException) -> None: ...


def replaces(error: BaseException) -> None:
    raise Denial("replaced")


kinds = pytest.mark.parametrize("is_async", [True, False])


@kinds
async def test_when_all_goes_well_nothing_is_raised(is_async: bool) -> None:
    recorder = Recorder()
    for name in "ab":
        await recorder.enter(name, passes_on, is_async=is_async)

    await leave(recorder.entered, None)

    assert recorder.steps == ["b well", "a well"]
    assert recorder.entered == []


@kinds
@pytest.mark.parametrize("ending", [passes_on, swallows])
async def test_a_failure_is_shown_to_all_and_none_can_make_it_undone(
    is_async: bool, ending: Callable[[BaseException], None]
) -> None:
    recorder = Recorder()
    for name in "abc":
        await recorder.enter(name, ending, is_async=is_async)

    await leave(recorder.entered, ValueError("of the handler"))

    assert recorder.steps == ["c ValueError", "b ValueError", "a ValueError"]


@kinds
async def test_a_failure_can_be_replaced_by_another(is_async: bool) -> None:
    recorder = Recorder()
    await recorder.enter("a", swallows, is_async=is_async)
    await recorder.enter("b", replaces, is_async=is_async)

    with pytest.raises(Denial, match="replaced"):
        await leave(recorder.entered, ValueError("of the handler"))

    assert recorder.steps == ["b ValueError", "a Denial"]


@kinds
async def test_a_clean_up_that_fails_is_a_failure_and_the_others_are_cleaned_up(is_async: bool) -> None:
    recorder = Recorder()
    await recorder.enter("a", passes_on, is_async=is_async)

    async def breaks() -> AsyncIterator[None]:
        yield
        raise RuntimeError("on the way out")

    await enter(breaks, {}, is_async=True, entered=recorder.entered)

    with pytest.raises(RuntimeError, match="on the way out"):
        await leave(recorder.entered, None)
    assert recorder.steps == ["a RuntimeError"]


@kinds
async def test_being_cancelled_cleans_up(is_async: bool) -> None:
    recorder = Recorder()
    await recorder.enter("a", passes_on, is_async=is_async)

    await leave(recorder.entered, asyncio.CancelledError())

    assert recorder.steps == ["a CancelledError"]


async def test_a_thread_that_is_entered_while_nobody_waits_any_more_is_cleaned_up() -> None:
    entering, go_on = threading.Event(), threading.Event()
    steps: list[str] = []
    entered: list[AbstractAsyncContextManager[Any]] = []

    def slow() -> Iterator[None]:
        entering.set()
        go_on.wait()
        try:
            yield
        finally:
            steps.append("out")

    task = asyncio.ensure_future(enter(slow, {}, is_async=False, entered=entered))
    await asyncio.to_thread(entering.wait)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    await leave(entered, asyncio.CancelledError())

    assert steps == ["out"]


async def test_what_fails_on_the_way_in_is_not_left() -> None:
    entered: list[AbstractAsyncContextManager[Any]] = []

    def breaks() -> Iterator[int]:
        yield int("on the way in")

    async def breaks_too() -> AsyncIterator[int]:
        yield int("on the way in")

    for call, is_async in ((breaks, False), (breaks_too, True)):
        with pytest.raises(ValueError, match="on the way in"):
            await enter(call, {}, is_async=is_async, entered=entered)
    assert entered == []


async def test_a_clean_up_never_waits_for_the_threads_that_wait_for_it() -> None:
    """Forty threads wait for the one thing that the clean-up gives back."""
    free = threading.Semaphore(1)
    out: list[int] = []

    def pooled() -> Iterator[None]:
        free.acquire()
        try:
            yield
        finally:
            free.release()

    async def use(number: int) -> None:
        entered: list[AbstractAsyncContextManager[Any]] = []
        await enter(pooled, {}, is_async=False, entered=entered)
        await leave(entered, None)
        out.append(number)

    await asyncio.wait_for(asyncio.gather(*map(use, range(60))), 20)

    assert len(out) == 60
