"""Writing to many at once: what is begun is done or goes on elsewhere, and nobody holds up anybody."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from authx.socket.pump import Pump, begun


class Pen:
    """Writes down when it was asked to, and in which task."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.tasks: list[asyncio.Task[None] | None] = []
        self._then = then

    def flush(self) -> None:
        self.tasks.append(asyncio.current_task())
        self._then()


# --- the pump ---------------------------------------------------------------------------------------------


async def test_all_write_in_the_next_turn_in_one_task_of_its_own() -> None:
    pump, pens = Pump(), [Pen() for _ in range(3)]
    for pen in pens:
        pump.add(pen)
    assert [pen.tasks for pen in pens] == [[], [], []]
    await asyncio.sleep(0)

    [[first], [second], [third]] = [pen.tasks for pen in pens]
    assert first is second is third
    assert first is not None
    assert first is not asyncio.current_task()
    assert first.done()


async def test_who_is_added_meanwhile_writes_in_the_turn_after() -> None:
    pump, late = Pump(), Pen()
    pump.add(Pen(lambda: pump.add(late)))
    await asyncio.sleep(0)
    assert late.tasks == []
    await asyncio.sleep(0)
    assert len(late.tasks) == 1


async def test_nothing_is_left_of_it() -> None:
    pump = Pump()
    pump.add(Pen())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (pump._due, pump._tasks) == ([], set())


# --- what is begun ----------------------------------------------------------------------------------------


async def test_what_need_not_wait_is_done() -> None:
    done: list[str] = []

    async def send() -> None:
        done.append("sent")

    assert begun(send()) is None
    assert done == ["sent"]


async def test_what_has_to_wait_goes_on_elsewhere() -> None:
    gate, done = asyncio.Event(), list[str]()

    async def send() -> None:
        done.append("begun")
        await gate.wait()
        await asyncio.sleep(0)
        done.append("sent")

    rest = begun(send())
    assert rest is not None
    assert done == ["begun"]
    task = asyncio.ensure_future(rest)
    await asyncio.sleep(0)
    gate.set()
    await task
    assert done == ["begun", "sent"]


async def test_several_may_wait_for_the_same_future() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    heard: list[str] = []

    async def send() -> None:
        heard.append(await answer)

    rests = [rest for rest in (begun(send()), begun(send()), begun(send())) if rest is not None]
    tasks = [asyncio.ensure_future(rest) for rest in rests]
    await asyncio.sleep(0)
    answer.set_result("now")
    await asyncio.gather(*tasks)
    assert heard == ["now"] * 3


async def test_what_fails_at_once_fails_here_and_what_fails_later_there() -> None:
    gate = asyncio.Event()

    async def send(waits: bool) -> None:
        if waits:
            await gate.wait()
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        begun(send(waits=False))
    rest = begun(send(waits=True))
    assert rest is not None
    gate.set()
    with pytest.raises(OSError, match="gone"):
        await rest


async def test_what_it_waits_for_may_fail() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[BaseException] = []

    async def send() -> None:
        try:
            await future
        except OSError as error:
            seen.append(error)

    rest = begun(send())
    assert rest is not None
    future.set_exception(OSError("gone"))
    await rest
    assert len(seen) == 1


async def test_the_rest_can_be_cancelled() -> None:
    ended: list[str] = []

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    rest = begun(send())
    assert rest is not None
    task = asyncio.ensure_future(rest)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert ended == ["cleaned up"]


async def test_a_server_whose_send_is_no_coroutine_is_waited_for() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    rest: Awaitable[None] | None = begun(future)
    assert rest is future


async def test_a_time_limit_within_a_send_that_is_done_at_once_is_its_own() -> None:
    """Some middleware limits the time of each send; that needs a task, and must not reach this one later."""
    pump, problems = Pump(), list[BaseException]()

    async def quick() -> None:
        pass

    async def send() -> None:
        async with asyncio.timeout(0.001):
            await quick()

    class Limited:
        def flush(self) -> None:
            try:
                assert begun(send()) is None
            except BaseException as error:  # noqa: BLE001 - whatever it is
                problems.append(error)

    pump.add(Limited())
    await asyncio.sleep(0)
    assert problems == []
