"""The rate limiter: a rate limit as a dependency."""

# No annotations as strings here: older FastAPI cannot read those of an object that is called.

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeAlias

from starlette.requests import Request

from authx.auth.exceptions import RateLimitExceeded
from authx.auth.ratelimit import InMemoryBackend, RateLimitBackend, check_rate
from authx.auth.responses import ensure_answers

__all__ = ("KeyFunc", "RateLimiter")

KeyFunc: TypeAlias = Callable[[Request], str | Awaitable[str]]
"""Says, now or when awaited, whose request it is."""


class RateLimiter:
    """Lets a client make so many requests in a window of time: ``Depends(RateLimiter(5, 60))``.

    A limiter is one bucket for each key, whatever the route. Two of them share their buckets if they
    have one backend.

    Args:
        max_requests: how many.
        window: seconds.
        backend: where to count; in this process if None.
        key_func: whose request it is, sync or async; by the client's address if None. Behind a proxy
            that is the proxy's, unless the server is told to believe its headers.
    """

    def __init__(
        self,
        max_requests: int = 10,
        window: int = 60,
        backend: RateLimitBackend | None = None,
        key_func: KeyFunc | None = None,
    ) -> None:
        self.max_requests = max_requests
        self.window = window
        self.backend = InMemoryBackend() if backend is None else backend
        self.key_func = _by_address if key_func is None else key_func

    async def __call__(self, request: Request) -> None:
        """Count a request.

        Raises:
            RateLimitExceeded: there were too many.
        """
        found = self.key_func(request)
        key = await found if isawaitable(found) else found
        try:
            await check_rate(self.backend, key, max_requests=self.max_requests, window=self.window)
        except RateLimitExceeded:
            # Routes with nothing but a limit know of no login that would answer.
            ensure_answers(request)
            raise


def _by_address(request: Request) -> str:
    return f"ratelimit:{request.client.host if request.client else 'unknown'}"
