"""The clock: what the login wing takes for now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

__all__ = ("Clock", "system_clock")

Clock: TypeAlias = Callable[[], float]
"""Gives the current time in Unix seconds."""


def system_clock() -> float:
    """The time of the machine, in Unix seconds.

    ``time.time`` itself as a default argument would be bound once, at import; test tools that replace
    it, and the apps that use them, would then be ignored.
    """
    return time.time()
