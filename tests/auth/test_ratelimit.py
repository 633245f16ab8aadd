"""Rate limits, by a clock that the tests turn."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.exceptions import RateLimitExceeded
from authx.auth.ratelimit import InMemoryBackend, RateLimitBackend, check_rate
from tests.auth.forge import Clock


class Counting:
    """A backend as apps write them: it counts, and knows no time."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    async def increment(self, key: str, window: int) -> int:
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key]

    async def reset(self, key: str) -> None:
        self.counts.pop(key, None)


async def refusal(backend: RateLimitBackend, key: str = "k", max_requests: int = 2, window: int = 60) -> int:
    """The seconds to wait; 0 if the attempt is let through."""
    try:
        await check_rate(backend, key, max_requests=max_requests, window=window)
    except RateLimitExceeded as error:
        return error.retry_after
    return 0


async def test_a_window() -> None:
    """So many attempts pass, the next are told the seconds that are left, and then it starts anew."""
    clock = Clock(100)
    backend = InMemoryBackend(clock=clock)

    assert [await refusal(backend) for _ in range(4)] == [0, 0, 60, 60]
    clock.now += 0.5
    assert await refusal(backend) == 60
    clock.now += 20
    assert await refusal(backend) == 40
    clock.now += 39.4
    assert await refusal(backend) == 1
    clock.now += 0.1
    assert [await refusal(backend) for _ in range(3)] == [0, 0, 60]


async def test_keys_do_not_share() -> None:
    """Each key has a window of its own, from its own first attempt."""
    clock = Clock(0)
    backend = InMemoryBackend(clock=clock)
    await refusal(backend, "a", 1)
    clock.now = 30

    assert [await refusal(backend, "b", 1), await refusal(backend, "b", 1)] == [0, 60]
    assert await refusal(backend, "a", 1) == 30


async def test_reset() -> None:
    """A key that is forgotten starts anew, with a whole window."""
    clock = Clock(0)
    backend = InMemoryBackend(clock=clock)
    await refusal(backend, max_requests=1)
    clock.now = 59
    await backend.reset("k")
    await backend.reset("unknown")

    assert await refusal(backend, max_requests=1) == 0
    # The end of the window that was reset does not end the new one.
    clock.now = 60
    assert await refusal(backend, max_requests=1) == 59


async def test_no_window() -> None:
    """A window of no seconds holds one attempt at a time."""
    backend = InMemoryBackend(clock=Clock())

    assert [await refusal(backend, max_requests=1, window=0) for _ in range(3)] == [0, 0, 0]
    waits = await refusal(backend, max_requests=0, window=0)
    assert (type(waits), waits) == (int, 1)
    assert await backend.remaining("k") == 0


async def test_a_backend_that_knows_no_time() -> None:
    """Then the whole window is what can be said."""
    assert [await refusal(Counting(), max_requests=0, window=45), await refusal(Counting(), window=45)] == [
        45,
        0,
    ]


async def test_memory_is_freed() -> None:
    """However many come, those whose window has ended are forgotten, reset or not."""
    clock = Clock(0)
    backend = InMemoryBackend(clock=clock)
    for number in range(1000):
        clock.now = number / 100
        await backend.increment(f"client {number}", 1)
        await backend.increment("always the same", 1)
        await backend.reset("always the same")
        assert len(backend._windows) <= 101
        assert len(backend._ends) <= 202
    clock.now += 1
    await backend.increment("k", 1)

    assert list(backend._windows) == ["k"]
    assert len(backend._ends) == 1


async def test_the_machine_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default clock is one that nobody sets back, looked up at the time."""
    backend = InMemoryBackend()
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    await backend.increment("k", 60)
    monkeypatch.setattr(time, "monotonic", lambda: 15.0)

    assert await backend.remaining("k") == 50


Attempt = tuple[int, str, bool]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab"), st.booleans()), max_size=40),
    st.integers(1, 3),
    st.integers(1, 6),
)
def test_windows_agree_with_a_list_of_attempts(attempts: list[Attempt], most: int, window: int) -> None:
    """A reference that keeps every attempt, and reads the rule off them, says the same."""
    clock = Clock(0)
    backend = InMemoryBackend(clock=clock)
    seen: dict[str, list[float]] = {}

    async def play() -> None:
        for pause, key, forget in attempts:
            clock.now += pause
            if forget:
                await backend.reset(key)
                seen.pop(key, None)
            times = seen.setdefault(key, [])
            if times and clock.now - times[0] >= window:
                times.clear()
            times.append(clock.now)
            wait = times[0] + window - clock.now if len(times) > most else 0

            assert await refusal(backend, key, most, window) == wait

    asyncio.run(play())
