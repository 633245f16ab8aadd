"""A transport: what waits to be sent, who takes it, a heartbeat, and an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from starlette.types import Message

from authx.socket.pump import Pump
from authx.socket.transport import Pace, Transport
from tests.support.settling import until

LIMIT = 10_000


class Judge:
    """Remembers who could not go on."""

    def __init__(self) -> None:
        self.silent: list[Transport] = []
        self.behind: list[Transport] = []

    def went_silent(self, transport: Transport) -> None:
        self.silent.append(transport)

    def fell_behind(self, transport: Transport) -> None:
        self.behind.append(transport)
        transport.cut()


class Wire:
    """The ``send`` of a server, which may be held up."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.broken = False

    async def __call__(self, message: Message) -> None:
        await self.writable.wait()
        if self.broken:
            raise OSError("gone")
        self.sent.append(message)

    @property
    def frames(self) -> list[str | bytes]:
        return [
            message.get("text", message.get("bytes"))
            for message in self.sent
            if message["type"] == "websocket.send"
        ]


def transport(judge: Judge, *, interval: float = 60, timeout: float = 60) -> Transport:
    return Transport("sid", host=judge, pace=Pace(interval, timeout, LIMIT), pump=Pump())


@asynccontextmanager
async def carried(judge: Judge) -> AsyncIterator[tuple[Transport, Wire]]:
    one, wire = transport(judge), Wire()
    one.write_to(wire)
    yield one, wire
    one.cut()
    await one.written()


async def test_frames_are_written_as_they_are_in_the_order_of_their_putting() -> None:
    async with carried(Judge()) as (one, wire):
        for frame in ("40", b"\x00", "3"):
            one.put(frame)
        await until(lambda: len(wire.sent) == 3)
        one.put("1")
        one.finish()
        await one.written()

    assert wire.frames == ["40", b"\x00", "3", "1"]
    assert wire.sent[1] == {"type": "websocket.send", "bytes": b"\x00"}
    assert wire.sent[-1] == {"type": "websocket.close", "code": 1000}


async def test_nobody_waits_for_who_does_not_read() -> None:
    async with carried(Judge()) as (slow, wire), carried(Judge()) as (quick, other):
        wire.writable.clear()
        for number in range(10):
            slow.put(str(number))
            quick.put(str(number))
        await until(lambda: len(other.sent) == 10)
        assert wire.sent == []
        wire.writable.set()
        await until(lambda: len(wire.sent) == 10)

    assert wire.frames == other.frames == list("0123456789")


async def test_what_is_put_in_one_go_for_a_quick_client_may_be_more_than_may_wait() -> None:
    judge = Judge()
    async with carried(judge) as (one, wire):
        for _ in range(10):
            one.put("4" * LIMIT)
        await until(lambda: len(wire.sent) == 10)
        assert one.waiting == 0
    assert judge.behind == []


@pytest.mark.parametrize(
    "frame", ["4" * 900, "4" + "é" * 450, b"4" * 900], ids=["text", "characters", "bytes"]
)
async def test_a_client_that_does_not_read_is_cut_off_and_its_memory_given_back(frame: str | bytes) -> None:
    judge = Judge()
    async with carried(judge) as (one, wire):
        wire.writable.clear()
        one.put("first")
        await asyncio.sleep(0)
        for _ in range(10):
            one.put(frame)
            await asyncio.sleep(0)
        assert judge.behind == []
        one.put(frame)
        await asyncio.sleep(0)
        assert judge.behind == [one]
        assert one.waiting == 0
        assert one.drain() == []
        one.put(frame)
        assert one.waiting == 0
        await one.written()
    assert wire.sent == []


async def test_a_client_that_does_not_poll_is_cut_off() -> None:
    judge = Judge()
    one = transport(judge)
    # The first, which came when nothing else waited, does not count.
    for _ in range(11):
        one.put("4" * 900)
    await asyncio.sleep(0)
    assert judge.behind == []
    one.put("4" * 900)
    await asyncio.sleep(0)
    assert judge.behind == [one]


async def test_a_packet_for_who_has_taken_all_before_it_may_be_of_any_size() -> None:
    judge = Judge()
    async with carried(judge) as (one, wire):
        wire.writable.clear()
        one.put("4" * LIMIT, b"x" * LIMIT, b"y" * LIMIT)
        for _ in range(5):
            await asyncio.sleep(0)
        assert judge.behind == []
        one.put("4" * LIMIT)
        await asyncio.sleep(0)
        assert judge.behind == [one]


async def test_what_was_let_through_once_does_not_count_for_what_comes_after() -> None:
    judge = Judge()
    async with carried(judge) as (one, wire):
        one.put("4" * LIMIT * 3)
        await until(lambda: len(wire.sent) == 1)
        wire.writable.clear()
        one.put("4")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        one.put("4" * (LIMIT // 2))
        await asyncio.sleep(0)
        assert judge.behind == []
        one.put("4" * LIMIT)
        await asyncio.sleep(0)
        assert judge.behind == [one]


async def test_what_is_put_while_something_is_written_comes_after_it() -> None:
    one = transport(Judge())
    sent: list[Any] = []

    async def send(message: Message) -> None:
        if message.get("text") == "40":
            one.put("4 from within")
            await asyncio.sleep(0)
        sent.append(message.get("text"))

    one.write_to(send)
    one.put("40")
    one.put("41")
    await until(lambda: len(sent) == 3)
    assert sent == ["40", "41", "4 from within"]
    one.cut()


async def test_who_is_cancelled_while_it_is_written_to_is_lost() -> None:
    one = transport(Judge())

    async def send(_: Message) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    one.write_to(send)
    one.put("40")
    one.put("41")
    await one.written()
    assert (one.finished, one.waiting) == (True, 0)


async def test_many_small_frames_count_for_what_they_take() -> None:
    judge = Judge()
    one = transport(judge)
    for _ in range(LIMIT // 64):
        one.put("3")
    await asyncio.sleep(0)
    assert judge.behind == [one]


async def test_a_server_that_fails_ends_the_writing_and_the_reading() -> None:
    async with carried(Judge()) as (one, wire):
        wire.broken = True
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as leash:
                one.hold(leash)
                one.put("40")
                await asyncio.Event().wait()
        assert leash.expired()
        await one.written()
        one.put("40")
        assert (one.waiting, one.finished) == (0, True)


async def test_a_poll_gets_all_that_waits_at_once() -> None:
    one = transport(Judge())
    waiting = asyncio.create_task(one.something())
    await asyncio.sleep(0)
    assert not waiting.done()
    one.put("40")
    one.put("41")
    await waiting
    assert one.drain() == ["40", "41"]
    assert one.waiting == 0


async def test_a_poll_that_was_given_up_leaves_nothing() -> None:
    one = transport(Judge())
    waiting = asyncio.create_task(one.something())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    one.put("40")
    assert one.drain() == ["40"]


async def test_who_waits_hears_of_the_end() -> None:
    one = transport(Judge())
    waiting = asyncio.create_task(one.something())
    await asyncio.sleep(0)
    one.finish()
    await waiting
    assert one.drain() == []


# Time -------------------------------------------------------------------------------------------------


async def pinged(one: Transport, times: int) -> None:
    for _ in range(times):
        await asyncio.wait_for(one.something(), 5)
        assert one.drain() == ["2"]


async def test_who_answers_is_pinged_again_after_the_interval() -> None:
    judge = Judge()
    one = transport(judge, interval=0.01, timeout=30)
    one.start()
    for _ in range(3):
        await pinged(one, 1)
        one.heard = True
        one.pong()
        timer = one._timer
        one.pong()
        assert one._timer is timer
    one.stop()
    assert judge.silent == []


async def test_who_sends_something_else_is_there_too() -> None:
    judge = Judge()
    one = transport(judge, interval=0.01, timeout=0.01)
    one.start()
    for _ in range(3):
        await pinged(one, 1)
        one.heard = True
    one.stop()
    assert judge.silent == []


async def test_who_did_not_answer_but_is_there_is_pinged_at_once() -> None:
    """A client that hears no ping for longer than interval and time-out gives up."""
    one = transport(Judge(), interval=30, timeout=0.01)
    one._ping()
    for _ in range(3):
        await pinged(one, 1)
        one.heard = True
    one.stop()


async def test_who_says_nothing_is_gone() -> None:
    judge = Judge()
    one = transport(judge, interval=0.01, timeout=0.01)
    one.heard = True
    one.start()
    await until(lambda: judge.silent)
    assert one.drain() == ["2"]
    assert judge.silent == [one]


async def test_pongs_to_nothing_move_no_timer() -> None:
    one = transport(Judge())
    one.start()
    timer = one._timer
    for _ in range(3):
        one.pong()
    assert one._timer is timer
    one.stop()
    assert timer is not None
    assert timer.cancelled()


async def test_lingering_takes_the_place_of_the_heartbeat() -> None:
    judge, over = Judge(), asyncio.Event()
    one = transport(judge, interval=0.001, timeout=0.001)
    one.start()
    one.linger(0.01, over.set)
    await asyncio.wait_for(over.wait(), 5)
    assert one.drain() == []
    assert judge.silent == []


async def test_many_transports_take_one_task_each_and_no_more() -> None:
    before = len(asyncio.all_tasks())
    wires: list[Any] = []
    transports = []
    for _ in range(100):
        one, wire = transport(Judge()), Wire()
        one.write_to(wire)
        transports.append(one)
        wires.append(wire)
    await asyncio.sleep(0)
    for _ in range(3):
        for one in transports:
            one.put("42")
        assert len(asyncio.all_tasks()) == before + 100
        await asyncio.sleep(0)
    assert all(wire.frames == ["42", "42", "42"] for wire in wires)
    for one in transports:
        one.cut()
        await one.written()
    assert len(asyncio.all_tasks()) == before
