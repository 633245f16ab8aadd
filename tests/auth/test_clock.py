"""What is taken for now."""

from __future__ import annotations

import time

import pytest

from authx.auth.clock import system_clock


def test_the_machine_s_time() -> None:
    """The system clock gives Unix seconds."""
    before = time.time()

    assert before <= system_clock() <= time.time()


def test_a_replaced_time_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that freeze time by replacing ``time.time`` reach us."""
    monkeypatch.setattr(time, "time", lambda: 42.0)

    assert system_clock() == 42.0
