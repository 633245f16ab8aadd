"""The events of one connection: so many run, so many wait their turn, and no more are taken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

__all__ = ("Backlog",)

_WAITING_PER_RUNNING = 4

_Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Backlog:
    """Starts events in the order they came, a bounded number at a time.

    What is over the bound waits, so that the transport can be read on: the acknowledgement that a running
    handler waits for may be behind it. The waiting ones are bounded too; who reads the transport asks for
    :meth:`room` first.

    Args:
        spawn: Starts a task.
        most: How many events may run at once; four times as many may wait.
    """

    def __init__(
        self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]], *, most: int
    ) -> None:
        self._spawn = spawn
        self._most = most
        self._running = 0
        self._waiting: deque[_Work] = deque()
        self._space = asyncio.Event()
        self.closed = False

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be added."""
        return len(self._waiting) >= self._most * _WAITING_PER_RUNNING

    async def room(self) -> None:
        """Wait until something may be added, or nothing ever will."""
        while self.is_full and not self.closed:
            self._space.clear()
            await self._space.wait()

    def add(self, work: _Work) -> None:
        """Run ``work`` as soon as it is its turn."""
        if self._running < self._most:
            self._start(work)
        else:
            self._waiting.append(work)

    def close(self) -> None:
        """Start nothing more: what waits is dropped, what runs goes on."""
        self.closed = True
        self._waiting.clear()
        self._space.set()

    def __len__(self) -> int:
        return self._running + len(self._waiting)

    def _start(self, work: _Work) -> None:
        self._running += 1
        self._spawn(self._run(work))

    async def _run(self, work: _Work) -> None:
        # Not a callback of the task: the loop would take a turn for each.
        try:
            await work()
        except GeneratorExit:
            # The loop is gone, and this is thrown away with it.
            self._waiting.clear()
            raise
        finally:
            self._running -= 1
            if self._waiting:
                self._start(self._waiting.popleft())
                self._space.set()
