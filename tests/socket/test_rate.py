"""Rate limits as guards."""

from typing import Any

import pytest

from authx.auth.identity import Identity
from authx.auth.ratelimit import InMemoryBackend
from authx.socket.exceptions import Denial
from authx.socket.guards import Guard
from authx.socket.rate import rate_limit
from tests.support.connections import connected


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def judged(limit: Guard, user: str | None = "alice", sid: str = "s1") -> Any:
    """None if it lets through, else the details of the denial."""
    verdict = limit.judge(connected(None if user is None else Identity(user=user), sid=sid))
    assert verdict is not None
    try:
        await verdict
    except Denial as denial:
        return denial.details if denial.code == "rate_limited" else denial.code
    return None


@pytest.mark.parametrize(("rate", "window"), [("2/second", 1), ("2/minute", 60), (" 2 / hour ", 3600)])
async def test_so_many_pass_in_a_window_and_the_others_are_told_when_to_come_back(
    rate: str, window: int
) -> None:
    clock = Clock()
    limit = rate_limit(rate, backend=InMemoryBackend(clock=clock))

    assert await judged(limit) is None
    assert await judged(limit) is None
    assert await judged(limit) == {"retry_after": window}
    clock.now += window
    assert await judged(limit) is None


async def test_a_user_is_counted_over_all_connections_and_nobody_else_with_them() -> None:
    limit = rate_limit("1/hour")

    assert await judged(limit, "alice", "s1") is None
    assert await judged(limit, "alice", "s2") is not None
    assert await judged(limit, "bob", "s1") is None


async def test_the_anonymous_are_counted_by_connection_and_never_with_a_user() -> None:
    limit = rate_limit("1/hour")

    assert await judged(limit, None, "s1") is None
    assert await judged(limit, None, "s1") is not None
    assert await judged(limit, None, "s2") is None
    assert await judged(limit, "s2") is None
    assert await judged(limit, "sid:s2") is None


async def test_each_limit_counts_for_itself_also_in_a_shared_backend() -> None:
    backend = InMemoryBackend()
    one, other = rate_limit("1/hour", backend=backend), rate_limit("1/hour", backend=backend)
    named, same = (rate_limit("1/hour", backend=backend, name="posts") for _ in range(2))

    assert await judged(one) is None
    assert await judged(other) is None
    assert await judged(named) is None
    assert await judged(same) is not None


@pytest.mark.parametrize("rate", ["", "10", "0/second", "-1/second", "1/day", "ten/second", "1/second/2"])
def test_what_is_no_rate_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="10/second"):
        rate_limit(rate)


async def test_what_cannot_be_counted_is_denied(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def increment(self, key: str, window: int) -> int:
            raise ConnectionError("down")

        async def reset(self, key: str) -> None: ...

    verdict = rate_limit("1/hour", backend=Broken()).judge(connected())
    assert verdict is not None
    with pytest.raises(Denial, match="store_unavailable"):
        await verdict
    assert "down" in caplog.text


def test_it_tells_what_it_is() -> None:
    assert repr(rate_limit("1/hour")) == "rate_limit('1/hour')"
