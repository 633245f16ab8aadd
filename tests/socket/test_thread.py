"""Sync code in a thread."""

import asyncio
import threading
from typing import Any

import pytest

from authx.socket.thread import in_spare_thread, in_thread

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
