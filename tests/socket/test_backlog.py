"""The bound on events of one connection, without a server."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from authx.socket.backlog import Backlog


class Work:
    """Events that say when they start, and end when they are let."""

    def __init__(self, most: int) -> None:
        self.started: list[int] = []
        self.ends: dict[int, asyncio.Event] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.backlog = Backlog(self._spawn, most=most)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        return task

    async def _run(self, number: int) -> None:
        self.started.append(number)
        self.ends[number] = asyncio.Event()
        await self.ends[number].wait()

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.backlog.add(partial(self._run, number))

    async def end(self, *numbers: int) -> None:
        for number in numbers:
            self.ends[number].set()
        await self.turn()

    async def turn(self) -> None:
        """Let every task get as far as it can."""
        for _ in range(10):
            await asyncio.sleep(0)


async def test_so_many_run_and_the_others_start_in_order() -> None:
    work = Work(2)
    work.add(0, 1, 2, 3, 4)
    await work.turn()
    assert work.started == [0, 1]

    await work.end(1)
    assert work.started == [0, 1, 2]
    await work.end(0, 2)

    assert work.started == [0, 1, 2, 3, 4]
    await work.end(3, 4)
    assert len(work.backlog) == 0


async def test_one_that_comes_later_does_not_overtake() -> None:
    work = Work(1)
    work.add(0, 1)
    await work.turn()
    work.ends[0].set()
    await asyncio.sleep(0)
    work.add(2)
    await work.turn()
    await work.end(1)
    await work.end(2)

    assert work.started == [0, 1, 2]


async def test_when_it_is_full_there_is_room_once_one_has_ended() -> None:
    work = Work(1)
    work.add(*range(5))
    await work.turn()
    assert work.backlog.is_full
    asked = asyncio.create_task(work.backlog.room())
    await work.turn()
    assert not asked.done()

    await work.end(0)

    still_full = work.backlog.is_full
    # Else each that ends with the loop would start the next.
    work.backlog.close()
    assert asked.done()
    assert not still_full


async def test_of_several_who_wait_for_room_as_many_get_it_as_there_is() -> None:
    work = Work(1)
    work.add(*range(5))

    async def add(number: int) -> None:
        await work.backlog.room()
        work.add(number)

    adding = [asyncio.create_task(add(number)) for number in (5, 6)]
    await work.turn()
    await work.end(0)

    assert [task.done() for task in adding] == [True, False]
    assert len(work.backlog) == 5
    adding[1].cancel()
    await asyncio.wait(adding)
    await work.end(1)
    assert len(work.backlog) == 4
    work.backlog.close()


async def test_closed_it_starts_nothing_more_and_keeps_nobody_waiting() -> None:
    work = Work(1)
    work.add(*range(5))
    asked = asyncio.create_task(work.backlog.room())
    await work.turn()

    work.backlog.close()
    await work.end(0)

    assert work.started == [0]
    assert asked.done()
    assert (work.backlog.closed, len(work.backlog)) == (True, 0)


async def test_an_event_that_fails_or_is_cancelled_makes_room_too() -> None:
    work = Work(1)

    async def fail() -> None:
        raise RuntimeError

    work.backlog.add(fail)
    work.add(1, 2)
    await work.turn()
    assert work.started == [1]
    for task in work.tasks:
        task.cancel()
    await work.turn()

    assert work.started == [1, 2]
    assert [task.exception() for task in work.tasks if task.done() and not task.cancelled()]
