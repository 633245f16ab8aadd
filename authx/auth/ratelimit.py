"""Rate limits: how often a key may come in a window of time, and where that is counted."""

from __future__ import annotations

import heapq
import math
import time
from typing import Protocol, runtime_checkable

from authx.auth.clock import Clock
from authx.auth.exceptions import RateLimitExceeded

__all__ = ("InMemoryBackend", "RateLimitBackend", "TimedBackend", "check_rate")


class RateLimitBackend(Protocol):
    """Where attempts are counted, in windows that start at a key's first attempt."""

    async def increment(self, key: str, window: int) -> int:
        """Count one more, and give the number so far in the key's window of so many seconds."""

    async def reset(self, key: str) -> None:
        """Forget what was counted for a key."""


@runtime_checkable
class TimedBackend(RateLimitBackend, Protocol):
    """A backend that also knows when a window ends. Those that do not are taken at their word, the window."""

    async def remaining(self, key: str) -> float:
        """Give the seconds until the key's window ends; 0 if there is none."""


class InMemoryBackend:
    """Counts in this process, and keeps nothing of windows that have ended.

    Args:
        clock: gives seconds from any start. Not the time of day, which can be set back.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or _monotonic
        self._windows: dict[str, tuple[float, int]] = {}
        """When a key's window ends, and what was counted in it."""
        self._ends: list[tuple[float, str]] = []
        """A heap of the windows' ends. Those of windows that were reset stay until they come up."""

    async def increment(self, key: str, window: int) -> int:
        """Count one more, and give the number so far."""
        now = self._clock()
        self._drop_ended(now)
        if key not in self._windows:
            end = now + window
            if end <= now:
                return 1
            self._windows[key] = (end, 0)
            heapq.heappush(self._ends, (end, key))
        end, count = self._windows[key]
        self._windows[key] = (end, count + 1)
        return count + 1

    async def reset(self, key: str) -> None:
        """Forget what was counted for a key."""
        self._windows.pop(key, None)

    async def remaining(self, key: str) -> float:
        """Give the seconds until the key's window ends; 0 if there is none."""
        now = self._clock()
        end, _ = self._windows.get(key, (now, 0))
        return max(0.0, end - now)

    def _drop_ended(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            end, key = heapq.heappop(self._ends)
            # A key that was reset may have a later window by now.
            if self._windows.get(key, (math.inf, 0))[0] <= end:
                del self._windows[key]


async def check_rate(backend: RateLimitBackend, key: str, *, max_requests: int, window: int) -> None:
    """Count an attempt, and refuse it if there were too many in its window. Refused ones count too.

    Args:
        backend: where to count.
        key: whose attempts.
        max_requests: how many of them a window takes.
        window: seconds.

    Raises:
        RateLimitExceeded: with the whole seconds, at least 1, until the window ends.
    """
    if await backend.increment(key, window) <= max_requests:
        return
    wait: float = window
    if isinstance(backend, TimedBackend):
        wait = await backend.remaining(key)
    raise RateLimitExceeded(retry_after=max(1, math.ceil(wait)))


def _monotonic() -> float:
    # Looked up when it is asked for, so that tests may replace it.
    return time.monotonic()
