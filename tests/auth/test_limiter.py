"""The rate limiter, as a dependency of real routes."""

from __future__ import annotations

from functools import partial

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from authx.auth.exceptions import AuthXException, RateLimitExceeded
from authx.auth.limiter import KeyFunc, RateLimiter
from authx.auth.ratelimit import InMemoryBackend
from tests.auth.forge import Clock


def request(host: str | None = "192.0.2.1", **headers: str) -> Request:
    return Request(
        {
            "type": "http",
            "client": (host, 5000) if host else None,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )


async def passes(limiter: RateLimiter, caller: Request | None = None) -> bool:
    try:
        await limiter(caller or request())
    except RateLimitExceeded:
        return False
    return True


def test_defaults() -> None:
    """Ten in a minute, counted apart from everybody else's."""
    first, second = RateLimiter(), RateLimiter()

    assert (first.max_requests, first.window) == (10, 60)
    assert isinstance(first.backend, InMemoryBackend)
    assert first.backend is not second.backend


async def test_by_address() -> None:
    """Clients are told apart by their address; those without one are one client."""
    limiter = RateLimiter(1)

    assert [await passes(limiter), await passes(limiter)] == [True, False]
    assert await passes(limiter, request("192.0.2.2"))
    assert [await passes(limiter, request(None)) for _ in range(2)] == [True, False]


async def test_the_backend_sees_the_key() -> None:
    """The names of the buckets are those that apps reset."""
    limiter = RateLimiter(1)
    await passes(limiter)
    await limiter.backend.reset("ratelimit:192.0.2.1")
    await passes(limiter, request(None))
    await limiter.backend.reset("ratelimit:unknown")

    assert await passes(limiter)
    assert await passes(limiter, request(None))


def by_header(caller: Request) -> str:
    return caller.headers["user"]


async def by_header_later(caller: Request) -> str:
    return caller.headers["user"]


class ByHeader:
    async def __call__(self, caller: Request) -> str:
        return caller.headers["user"]


@pytest.mark.parametrize("key_func", [by_header, by_header_later, ByHeader(), partial(by_header_later)])
async def test_a_key_of_the_app(key_func: KeyFunc) -> None:
    """The app may say whose request it is, at once or later."""
    limiter = RateLimiter(1, key_func=key_func)

    assert limiter.key_func is key_func
    assert [await passes(limiter, request(user=name)) for name in ("ada", "bob", "ada")] == [
        True,
        True,
        False,
    ]


async def test_shared_and_apart() -> None:
    """Two limiters share buckets if they share a backend, and not otherwise."""
    clock = Clock()
    backend = InMemoryBackend(clock=clock)
    first, second, apart = RateLimiter(2, 60, backend), RateLimiter(2, 60, backend), RateLimiter(2)

    assert [await passes(limiter) for limiter in (first, second, first)] == [True, True, False]
    assert await passes(apart)
    clock.now += 60
    assert await passes(second)


async def test_as_a_dependency() -> None:
    """FastAPI gives it the request, and a refusal is answered without anything else being set up."""
    app = FastAPI()
    limiter = RateLimiter(1)

    @app.get("/", dependencies=[Depends(limiter)])
    async def root() -> None: ...

    @app.get("/other")
    async def other(passed: None = Depends(limiter)) -> None: ...

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/")).status_code == 200
        answer = await client.get("/other")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert answer.json() == {
        "message": "Rate limit exceeded. Retry after 60 seconds.",
        "error_type": "RateLimitExceeded",
        "retry_after": 60,
    }
    assert "parameters" not in app.openapi()["paths"]["/other"]["get"]


async def test_an_app_s_own_answer() -> None:
    """An app that handles the error by itself is left to it."""
    app = FastAPI()
    app.get("/", dependencies=[Depends(RateLimiter(0))])(lambda: None)

    @app.exception_handler(AuthXException)
    async def handle(_: Request, error: AuthXException) -> Response:
        return Response(type(error).__name__, 503)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.text) == (503, "RateLimitExceeded")
