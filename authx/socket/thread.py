"""Sync code of the app, in a thread that is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

__all__ = ("in_spare_thread", "in_thread")

_P = ParamSpec("_P")
_R = TypeVar("_R")


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
