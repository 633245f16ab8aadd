"""Writing to many websockets in one go, without waiting for any of them.

A task for each websocket, woken for each frame, takes longer than everything else there is to do for it. Here
one task has all write that have something to say in a turn of the loop, one after the other, since as a rule
a server's ``send`` is done at once. The first that has to wait keeps the task, from then on its own, and
another one goes on with the rest. So whatever stands around ``send`` begins and ends in the same task and the
same context, as if there were a task for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any, Protocol

__all__ = ("Pump", "Writer")


class Writer(Protocol):
    """Has something to write."""

    @property
    def context(self) -> Context:
        """What it writes in; no other code runs in it."""

    def write(self) -> Coroutine[Any, Any, None]:
        """Write all there is. Raises nothing."""


class Pump:
    """Has writers write in the next turn of the loop."""

    def __init__(self) -> None:
        self._due: list[Writer] = []
        self._next: asyncio.Task[None] | None = None
        """Has not begun, and will have all write that are due."""
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, writer: Writer) -> None:
        """Have ``writer`` write; the caller sees to it that it is added once."""
        self._due.append(writer)
        if self._next is None or self._next.get_loop() is not asyncio.get_running_loop():
            self._start()

    def _start(self) -> None:
        self._next = task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._has_ended)

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._next is task:
            # It was cancelled before it began. Those who are due have been told that they are.
            self._next = None
            if self._due:
                self._start()

    async def _run(self) -> None:
        self._next = None
        due, self._due = self._due, []
        await self._have_written(due)

    @coroutine
    def _have_written(self, due: list[Writer]) -> Generator[Any, Any, None]:
        for number, writer in enumerate(due, 1):
            writing, run = writer.write(), writer.context.run
            try:
                waits_for = run(writing.send, None)
            except StopIteration:
                continue
            self._due[:0] = due[number:]
            if self._due and self._next is None:
                self._start()
            while True:
                try:
                    answer = yield waits_for
                except BaseException as error:  # noqa: BLE001 - it is for who writes
                    step: Callable[[Any], Any] = writing.throw
                    value: Any = error
                else:
                    step, value = writing.send, answer
                try:
                    waits_for = run(step, value)
                except StopIteration:
                    return
