"""The app's ``CORSMiddleware``, which says which pages may read from it."""

from __future__ import annotations

import inspect
import re

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from authx.socket.origin import CORSRules

__all__ = ("read_cors_rules",)


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
