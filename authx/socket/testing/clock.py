"""A clock that a test moves."""

from __future__ import annotations

import time

__all__ = ("ManualClock",)


class ManualClock:
    """Stands still until it is moved: ``AuthX(config, clock=clock)``.

    Args:
        now: Where it starts, in Unix seconds; the machine's time when left out, in whole ones, so that a
            token that lasts a minute is over a minute later, and not a rounding error after that.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = float(int(time.time())) if now is None else now

    def __call__(self) -> float:
        """The time in Unix seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds``."""
        self.now += seconds
