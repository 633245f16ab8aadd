"""Rate limits as guards: how often a user may send what is guarded."""

from __future__ import annotations

import logging
import re
from itertools import count

from authx.auth.exceptions import RateLimitExceeded
from authx.auth.ratelimit import InMemoryBackend, RateLimitBackend, check_rate
from authx.socket.attachment import Attachable
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.guards import Guard

__all__ = ("rate_limit",)

logger = logging.getLogger(__name__)

_RATE = re.compile(r"\s*(\d+)\s*/\s*(second|minute|hour)\s*")
_WINDOWS = {"second": 1, "minute": 60, "hour": 3600}
_ordinals = count(1)


class _RateLimit(Attachable):
    authorizes = False

    def __init__(self, rate: str, backend: RateLimitBackend, name: str) -> None:
        found = _RATE.fullmatch(rate)
        if found is None or int(found[1]) < 1:
            raise ValueError(f"a rate is written like '10/second', '5/minute' or '100/hour', not {rate!r}")
        self._rate = rate
        self._most = int(found[1])
        self._window = _WINDOWS[found[2]]
        self._backend = backend
        self._name = name

    async def judge(self, connection: Connection) -> None:
        user = connection.user
        who = f"sid:{connection.sid}" if user is None else f"user:{user}"
        try:
            await check_rate(
                self._backend,
                f"authx:rate:{self._name}:{who}",
                max_requests=self._most,
                window=self._window,
            )
        except RateLimitExceeded as error:
            raise Denial("rate_limited", details={"retry_after": error.retry_after}) from None
        except Exception as error:
            logger.exception("%r can't count", self)
            raise Denial("store_unavailable") from error

    def __repr__(self) -> str:
        return f"rate_limit({self._rate!r})"


def rate_limit(rate: str, *, backend: RateLimitBackend | None = None, name: str | None = None) -> Guard:
    """Only so many events in a window of time: ``"10/second"``, ``"5/minute"`` or ``"100/hour"``.

    Counted for each user over all their connections, and for each connection of the anonymous, whom it lets
    through: it says how often, not who, and a handler with nothing else is unguarded. All that one guard is
    put on counts together. Who is denied reads ``{"retry_after": seconds}`` in the details.

    Args:
        rate: How many, in which window.
        backend: Where to count; in this process when left out.
        name: What the count is called in a backend that several programs share; by default the number of
            the limit in the order in which the program makes them.

    Raises:
        ValueError: for what is no rate.
    """
    return _RateLimit(rate, InMemoryBackend() if backend is None else backend, name or str(next(_ordinals)))
