"""Sync code in a thread."""

import asyncio
import threading
from typing import Any

import pytest

from authx.socket.thread import FewThreads, in_loop, in_spare_thread, in_thread

everywhere = pytest.mark.parametrize("place", [in_thread, in_spare_thread])


@everywhere
async def test_it_runs_elsewhere_and_gives_the_result(place: Any) -> None:
    def work(a: int, *, b: int) -> tuple[int, int, int]:
        return a, b, threading.get_ident()

    *given, thread = await place(work, 1, b=2)

    assert given == [1, 2]
    assert thread != threading.get_ident()


@everywhere
async def test_an_exception_comes_back(place: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        await place(lambda: 1 / 0)


@everywhere
@pytest.mark.parametrize("fails", [False, True])
async def test_being_cancelled_waits_for_the_thread(fails: bool, place: Any) -> None:
    release, started = threading.Event(), threading.Event()

    def work() -> float:
        started.set()
        release.wait(10)
        return 1 / (0 if fails else 1)

    call = asyncio.ensure_future(place(work))
    await in_thread(started.wait, 10)
    call.cancel()
    await in_thread(lambda: None)
    assert not call.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_spare_threads_are_free_when_all_others_wait() -> None:
    release = threading.Event()
    waiting = [asyncio.ensure_future(in_thread(release.wait, 10)) for _ in range(60)]

    await in_spare_thread(release.set)

    assert await asyncio.gather(*waiting) == [True] * 60


# Few threads ---------------------------------------------------------------------------------------------


async def test_few_threads_are_no_more_than_that_and_are_left_when_nobody_waits() -> None:
    few, release = FewThreads(2), threading.Event()
    calls = [asyncio.ensure_future(few.run(release.wait, 10)) for _ in range(4)]
    await in_thread(lambda: None)
    assert len(few) == 2

    for call in calls[:3]:
        call.cancel()
    for call in calls[:3]:
        with pytest.raises(asyncio.CancelledError):
            await call
    # They still run.
    assert len(few) == 2
    assert not calls[3].done()
    release.set()
    assert await calls[3] is True
    assert await few.run(int, "3") == 3
    assert len(few) == 0


async def test_few_threads_give_back_what_is_raised_if_anybody_waits() -> None:
    few, release = FewThreads(1), threading.Event()

    def fails() -> None:
        release.wait(10)
        raise ZeroDivisionError

    left = asyncio.ensure_future(few.run(fails))
    await in_thread(lambda: None)
    left.cancel()
    release.set()
    with pytest.raises(ZeroDivisionError):
        await few.run(fails)
    assert len(few) == 0


# Another loop --------------------------------------------------------------------------------------------


async def test_work_is_done_in_the_loop_it_belongs_to() -> None:
    home = asyncio.get_running_loop()

    async def work() -> bool:
        await asyncio.sleep(0)
        return asyncio.get_running_loop() is home

    async def fails() -> None:
        raise ZeroDivisionError

    def elsewhere(work: Any) -> Any:
        return asyncio.run(in_loop(home, work, within=5))

    assert await in_thread(elsewhere, work) is True
    with pytest.raises(ZeroDivisionError):
        await in_thread(elsewhere, fails)


async def test_work_is_done_although_nobody_waits_any_longer() -> None:
    """A loop may be blocked by the very thread that wants something of it."""
    home, done = asyncio.get_running_loop(), asyncio.Event()
    failed: list[BaseException] = []

    async def work() -> None:
        done.set()

    def elsewhere() -> None:
        try:
            asyncio.run(in_loop(home, work, within=0.01))
        except TimeoutError as error:
            failed.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert len(failed) == 1
    async with asyncio.timeout(2):
        await done.wait()


async def test_a_loop_that_is_closed_does_nothing() -> None:
    closed = asyncio.new_event_loop()
    closed.close()

    async def work() -> None: ...

    with pytest.raises(RuntimeError, match="closed"):
        await in_loop(closed, work, within=1)
