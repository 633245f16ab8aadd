"""Which pages may read an answer (CORS): what the app's middleware says, and the headers that say so."""

from __future__ import annotations

import inspect
import re

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from authx.socket.handshake import Handshake
from authx.socket.origin import CORSRules, OriginPolicy

__all__ = ("cors_headers", "read_cors_rules")


def cors_headers(handshake: Handshake, method: str | None, origins: OriginPolicy) -> list[tuple[str, str]]:
    """The headers for the page that asks; none for a page that may not connect.

    Args:
        handshake: What the request shows.
        method: The request's; None for a websocket.
        origins: Which pages may connect.
    """
    origin = handshake.origin
    if origin is None or not origins.permits(origin, handshake.own_origins):
        return []
    headers = [("access-control-allow-origin", origin), ("vary", "Origin")]
    if origins.permits_cookies(origin, handshake.own_origins):
        headers.append(("access-control-allow-credentials", "true"))
    if method == "OPTIONS":
        headers.append(("access-control-allow-methods", "OPTIONS, GET, POST"))
        wanted = handshake.headers.get("access-control-request-headers")
        if wanted is not None:
            headers.append(("access-control-allow-headers", wanted))
    return headers


def read_cors_rules(app: Starlette) -> CORSRules:
    """What the ``CORSMiddleware`` of ``app`` allows; nothing if it has none."""
    for middleware in app.user_middleware:
        cls = middleware.cls
        if isinstance(cls, type) and issubclass(cls, CORSMiddleware):
            signature = inspect.signature(cls)
            given = signature.bind_partial(app, *middleware.args, **middleware.kwargs).arguments
            origins = frozenset(given.get("allow_origins", ()))
            pattern = given.get("allow_origin_regex")
            return CORSRules(
                origins=origins - {"*"},
                pattern=None if pattern is None else re.compile(pattern),
                any_origin="*" in origins,
                credentials=bool(given.get("allow_credentials", False)),
            )
    return CORSRules()
