"""Sync code in a thread."""

import asyncio
import threading

import pytest

from authx.socket.thread import in_thread


async def test_it_runs_elsewhere_and_gives_the_result() -> None:
    def work(a: int, *, b: int) -> tuple[int, int, int]:
        return a, b, threading.get_ident()

    *given, thread = await in_thread(work, 1, b=2)

    assert given == [1, 2]
    assert thread != threading.get_ident()


async def test_an_exception_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 / 0)


@pytest.mark.parametrize("fails", [False, True])
async def test_being_cancelled_waits_for_the_thread(fails: bool) -> None:
    release, started = threading.Event(), threading.Event()

    def work() -> float:
        started.set()
        release.wait(10)
        return 1 / (0 if fails else 1)

    call = asyncio.ensure_future(in_thread(work))
    await in_thread(started.wait, 10)
    call.cancel()
    await in_thread(lambda: None)
    assert not call.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await call
