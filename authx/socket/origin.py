"""Which web pages may use a socket, and which of them may use it with the browser's cookies (RFC 6454).

A browser sends cookies along with whatever page asks, so a cookie alone proves nothing about the page.
The ``Origin`` header does: a browser writes it, and a page cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

__all__ = ("AllowedOrigins", "CORSRules", "OriginPolicy", "own_origins")

AllowedOrigins: TypeAlias = str | Collection[str] | Callable[[str], bool] | None
"""``cors_allowed_origins``: one origin, several, ``"*"``, or a function of the origin."""

_SCHEMES = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_STRANGER = "https://stranger.invalid"


@dataclass(frozen=True, slots=True)
class CORSRules:
    """What the app's ``CORSMiddleware`` allows."""

    origins: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    any_origin: bool = False
    credentials: bool = False

    def names(self, origin: str) -> bool:
        """Whether ``origin`` is allowed by name. A pattern that takes every origin names none."""
        if origin in self.origins:
            return True
        pattern = self.pattern
        return bool(pattern and pattern.fullmatch(origin) and not pattern.fullmatch(_STRANGER))

    def permits(self, origin: str) -> bool:
        """Whether ``origin`` is allowed at all."""
        return (
            self.any_origin or origin in self.origins or bool(self.pattern and self.pattern.fullmatch(origin))
        )


class OriginPolicy:
    """The origins of one app: its own, those of its ``CORSMiddleware``, and ``cors_allowed_origins``.

    Args:
        allowed: ``cors_allowed_origins``.
        cors: Gives the rules of the app's middleware; asked each time, since apps add it late.
    """

    def __init__(self, allowed: AllowedOrigins = None, cors: Callable[[], CORSRules] = CORSRules) -> None:
        self._any = False
        self._named: Callable[[str], bool]
        if callable(allowed):
            self._named = allowed
        else:
            listed = {allowed} if isinstance(allowed, str) else set(allowed or ())
            self._any = "*" in listed
            self._named = {_normal(origin) for origin in listed if origin != "*"}.__contains__
        self._cors = cors

    def permits(self, origin: str, own: Collection[str]) -> bool:
        """Whether a page of ``origin`` may connect with a token that it holds itself."""
        return self._any or self.permits_cookies(origin, own) or self._cors().permits(origin)

    def permits_cookies(self, origin: str, own: Collection[str]) -> bool:
        """Whether a page of ``origin`` may connect with the browser's cookies.

        Only an origin that somebody named may; a wildcard names none.
        """
        if _normal(origin) in own or self._named(_normal(origin)):
            return True
        cors = self._cors()
        return cors.credentials and cors.names(origin)


def own_origins(scheme: str, headers: Mapping[str, str]) -> frozenset[str]:
    """The origins that the app itself answers to, from the request's scheme and ``Host``.

    A proxy that ends TLS may say so in ``X-Forwarded-Proto``: that is believed, since it can only make the
    app's own origin a safer one. ``X-Forwarded-Host`` is not: where CORS lets a page choose its headers, the
    page could make itself the app's own. A proxy passes ``Host`` on, or the origin is given by name.
    """
    host = headers.get("host", "")
    if not host:
        return frozenset()
    found = {f"{_SCHEMES.get(scheme, scheme)}://{host}"}
    if headers.get("x-forwarded-proto", "").split(",")[0].strip().lower() in ("https", "wss"):
        found.add(f"https://{host}")
    return frozenset(map(_normal, found))


def _normal(origin: str) -> str:
    """``origin`` in lower case and without the scheme's own port, as browsers write it."""
    try:
        parts = urlsplit(origin.lower())
        port = parts.port
    except ValueError:
        return origin
    bare = f"{parts.scheme}://{parts.netloc}"
    if bare != origin.lower() or port is None or port != _DEFAULT_PORTS.get(parts.scheme):
        return origin.lower()
    return bare.rpartition(":")[0]
