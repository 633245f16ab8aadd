"""Requests to an app that runs in the test's own loop, and requests made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from starlette.requests import Request
from starlette.types import Message

from authx.auth.config import AuthXConfig
from authx.auth.facade import AuthX
from tests.auth.forge import SECRET, Clock


def auth_of(clock: Clock | None = None, login_type: str | None = None, **settings: Any) -> AuthX[Any]:
    """An AuthX with a secret, whose clock stands still."""
    config = AuthXConfig(**{"JWT_SECRET_KEY": SECRET, **settings})
    return AuthX(config, login_type=login_type, clock=clock or Clock())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def asking(app: Any, cookies: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A client of the app. What the app does not handle is answered with 500."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(
        transport=transport, base_url="https://app.test", cookies=None if cookies is None else dict(cookies)
    )


def request(
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    query: str = "",
    body: bytes = b"",
    **scope: Any,
) -> Request:
    """A request that no app has seen: it has no path, and nobody to handle what is raised."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return Request(
        {"type": "http", "method": method, "headers": raw, "query_string": query.encode(), **scope}, receive
    )
