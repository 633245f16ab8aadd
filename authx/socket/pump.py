"""Writing to many websockets in one go, without waiting for any of them.

A task for each websocket, woken for each frame, takes longer than everything else there is to do for it. Here
one task writes for all that have something to say in a turn of the loop: it begins each ``send`` of the
server, which as a rule is done at once. Only what has to wait gets a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine
from typing import Any, Protocol

__all__ = ("Pump", "Writer", "begun")


class Writer(Protocol):
    """Has something to write."""

    def flush(self) -> None:
        """Write as much as goes without waiting. Raises nothing."""


class Pump:
    """Has writers write in the next turn of the loop, all of them in one task.

    What a server's ``send`` does before it waits is done in that task, never in one of the app's. It is done
    before anything of ``send`` could have it cancelled.
    """

    def __init__(self) -> None:
        self._due: list[Writer] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, writer: Writer) -> None:
        """Have ``writer`` write; the caller sees to it that it is added once."""
        self._due.append(writer)
        if len(self._due) == 1:
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        due, self._due = self._due, []
        for writer in due:
            writer.flush()


def begun(sending: Awaitable[None]) -> Awaitable[None] | None:
    """Begin what ``sending`` does; None if that was all, else the rest, to be awaited by a task.

    Has to be called in a task, for that is where it is begun. What is no coroutine is not begun.

    Raises:
        BaseException: whatever it raises.
    """
    if not isinstance(sending, Coroutine):
        return sending
    try:
        waits_for = sending.send(None)
    except StopIteration:
        return None
    _mark(waits_for, awaited=False)
    return _rest(sending, waits_for)


@coroutine
def _rest(begun: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with what was begun elsewhere."""
    while True:
        _mark(waits_for, awaited=True)
        failure: BaseException | None = None
        answer = None
        try:
            answer = yield waits_for
        except BaseException as error:  # noqa: BLE001 - it is for what was begun
            failure = error
        try:
            waits_for = begun.send(answer) if failure is None else begun.throw(failure)
        except StopIteration:
            return


def _mark(waits_for: Any, *, awaited: bool) -> None:
    """Say of a future whether somebody has just begun to await it, which a task asks of what it is given.

    Until then it is nobody's: others may begin to await the same one.
    """
    if hasattr(waits_for, "_asyncio_future_blocking"):
        waits_for._asyncio_future_blocking = awaited  # noqa: SLF001 - how futures and tasks speak to each other
