"""Sync code of the app, in a thread that is waited for; and the way back to the loop from another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

__all__ = ("HAND_OVER", "FewThreads", "in_loop", "in_spare_thread", "in_thread")

_P = ParamSpec("_P")
_R = TypeVar("_R")

HAND_OVER = 5.0
"""Seconds in which another loop is expected to get to something."""


async def in_thread(function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Call ``function`` in a thread; being cancelled waits for its end.

    A thread can't be cancelled. If the waiting could, its place among the few threads there are would be
    given away while it still runs, and a client that comes and goes could start any number of them.
    """
    return await _to_the_end(run_in_threadpool(function, *args, **kwargs))


async def in_spare_thread(function: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Call ``function`` in a thread of those that :func:`in_thread` does not use.

    For what gives back what others wait for: if the threads are all taken by those, it must not wait, too.
    """
    return await _to_the_end(asyncio.to_thread(function, *args, **kwargs))


async def in_loop(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, _R]], *, within: float
) -> _R:
    """Have a coroutine run in another event loop, of another thread, and give what it gives.

    Args:
        loop: Where.
        work: Makes the coroutine.
        within: Seconds that it is waited for. It is done all the same, as soon as the loop gets to it: a loop
            that is blocked may be waiting for whoever calls this.

    Raises:
        TimeoutError: it took longer.
        RuntimeError: the loop is closed.
        Exception: what the coroutine raises.
    """
    coroutine = work()
    here, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        # Nobody waits any more if that loop is closed.
        with suppress(RuntimeError):
            here.call_soon_threadsafe(ended.set)

    try:
        call = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        raise
    call.add_done_callback(tell)
    # Only the waiting has an end: a future that is awaited would take the coroutine with it.
    async with asyncio.timeout(within):
        await ended.wait()
    return call.result()


class FewThreads:
    """A few of the threads that :func:`in_thread` uses; being cancelled does not wait for them.

    For what nobody depends on. A thread that hangs is left to itself, and counts until it ends: when all of
    them hang, further calls wait for a place, and take no more of the threads that others need.

    Args:
        most: How many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: set[asyncio.Future[Any]] = set()

    async def run(self, function: Callable[..., _R], /, *args: object) -> _R:
        """Call ``function`` in one of them."""
        while len(self._calls) >= self._most:
            await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
        call = asyncio.ensure_future(run_in_threadpool(function, *args))
        self._calls.add(call)
        call.add_done_callback(self._end)
        return await asyncio.shield(call)

    def _end(self, call: asyncio.Future[Any]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            # Nobody may be left to hear of it.
            call.exception()

    def __len__(self) -> int:
        return len(self._calls)


async def _to_the_end(work: Awaitable[_R]) -> _R:
    call = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait({call})
        if not call.cancelled():
            # Nobody is left to hear of it.
            call.exception()
        raise
