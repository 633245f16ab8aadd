"""Writing to many at once: nobody holds up anybody, and whoever has begun in a task ends in it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

import anyio
import pytest

from authx.socket.pump import Pump
from tests.support.settling import until

Work = Callable[[], Awaitable[None]]


class Pen:
    """Writes once, and remembers by which tasks it was run."""

    def __init__(self, work: Work | None = None) -> None:
        self.context: Context = copy_context()
        self.begun: list[asyncio.Task[Any] | None] = []
        self.ended: list[asyncio.Task[Any] | None] = []
        self.problems: list[BaseException] = []
        self._work = work

    async def write(self) -> None:
        self.begun.append(asyncio.current_task())
        try:
            if self._work is not None:
                await self._work()
        except (Exception, asyncio.CancelledError) as problem:  # noqa: BLE001 - kept for the test
            self.problems.append(problem)
        self.ended.append(asyncio.current_task())


async def test_all_write_in_the_next_turn_in_one_task() -> None:
    pump, pens = Pump(), [Pen() for _ in range(3)]
    for pen in pens:
        pump.add(pen)
    assert [pen.begun for pen in pens] == [[], [], []]
    await asyncio.sleep(0)

    [[first], [second], [third]] = [pen.ended for pen in pens]
    assert first is second is third
    assert first is not None
    assert first is not asyncio.current_task()


async def test_who_has_to_wait_keeps_the_task_and_the_others_get_another() -> None:
    gate = asyncio.Event()
    pump, slow, after = Pump(), Pen(lambda: wait(gate)), Pen()
    before = Pen()
    for pen in (before, slow, after):
        pump.add(pen)
    await until(lambda: bool(after.ended))
    assert slow.ended == []
    assert before.begun == slow.begun
    assert after.begun != slow.begun
    gate.set()
    await until(lambda: bool(slow.ended))
    assert slow.begun == slow.ended


async def wait(gate: asyncio.Event) -> None:
    await gate.wait()


async def test_who_is_added_meanwhile_writes_soon() -> None:
    pump, late = Pump(), Pen()

    async def add() -> None:
        pump.add(late)

    pump.add(Pen(add))
    await until(lambda: bool(late.ended))


async def test_several_may_wait_for_the_same_future() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pump = Pump()

    async def wait_for_it() -> None:
        await answer

    pens = [Pen(wait_for_it) for _ in range(3)]
    for pen in pens:
        pump.add(pen)
    await until(lambda: all(pen.begun for pen in pens))
    answer.set_result(None)
    await until(lambda: all(pen.ended for pen in pens))
    assert [pen.problems for pen in pens] == [[], [], []]


async def test_what_it_waits_for_may_fail() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pump = Pump()

    async def wait_for_it() -> None:
        await answer

    pen = Pen(wait_for_it)
    pump.add(pen)
    await until(lambda: bool(pen.begun))
    answer.set_exception(OSError("gone"))
    await until(lambda: bool(pen.ended))
    assert [type(problem) for problem in pen.problems] == [OSError]


VARIABLE: ContextVar[int] = ContextVar("VARIABLE", default=0)


async def in_a_lock() -> None:
    async with anyio.Lock():
        await asyncio.sleep(0)


async def in_a_scope() -> None:
    with anyio.fail_after(5):
        await asyncio.sleep(0)


async def in_a_task_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(asyncio.sleep, 0)


async def with_a_variable() -> None:
    token = VARIABLE.set(1)
    try:
        await asyncio.sleep(0)
        assert VARIABLE.get() == 1
    finally:
        VARIABLE.reset(token)


@pytest.mark.parametrize("work", [in_a_lock, in_a_scope, in_a_task_group, with_a_variable])
async def test_whatever_stands_around_a_send_begins_and_ends_alike(work: Work) -> None:
    pump, pens = Pump(), [Pen(work) for _ in range(3)]
    for pen in pens:
        pump.add(pen)
    await until(lambda: all(pen.ended for pen in pens))
    assert [pen.problems for pen in pens] == [[], [], []]
    assert [pen.begun == pen.ended for pen in pens] == [True] * 3


async def test_a_time_limit_ends_what_it_is_around_and_nothing_else() -> None:
    pump, after = Pump(), Pen()

    async def limited() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    pen = Pen(limited)
    pump.add(pen)
    pump.add(after)
    await until(lambda: bool(pen.ended))
    assert [type(problem) for problem in pen.problems] == [TimeoutError]
    assert after.ended


async def test_each_writes_in_a_context_of_its_own() -> None:
    pump, seen = Pump(), list[int]()

    async def look() -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set(VARIABLE.get() + 1)
        await asyncio.sleep(0)
        seen.append(VARIABLE.get())

    VARIABLE.set(10)
    pen = Pen(look)
    VARIABLE.set(20)
    pump.add(pen)
    await until(lambda: bool(pen.ended))
    assert seen == [10, 11]
    assert VARIABLE.get() == 20


async def test_who_is_due_is_not_forgotten_if_the_task_is_cancelled_before_it_begins() -> None:
    pump, pen = Pump(), Pen()
    pump.add(pen)
    [task] = pump._tasks
    task.cancel()
    await until(lambda: bool(pen.ended))


def test_another_loop_begins_anew() -> None:
    pump, pens = Pump(), [Pen(), Pen()]

    async def add_and_end(pen: Pen) -> None:
        pump.add(pen)
        await until(lambda: bool(pen.ended))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    asyncio.run(add_and_end(pens[0]))
    asyncio.run(add_and_end(pens[1]))
    loop.close()
    assert all(pen.ended for pen in pens)


async def test_nothing_is_left_of_it() -> None:
    pump = Pump()
    pump.add(Pen())
    await until(lambda: not pump._tasks)
    assert (pump._due, pump._next) == ([], None)
