"""The vocabulary of the login wing: aliases, literals and the shapes of callables and stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeAlias

from typing_extensions import TypeVar

__all__ = (
    "AlgorithmType",
    "AsymmetricAlgorithmType",
    "DateTimeExpression",
    "HTTPMethod",
    "HTTPMethods",
    "ModelCallback",
    "Numeric",
    "ObjectOrSequence",
    "RateLimitKeyFunc",
    "RunSync",
    "SameSitePolicy",
    "SessionStoreProtocol",
    "StringOrSequence",
    "SymmetricAlgorithmType",
    "T",
    "T_co",
    "TokenCallback",
    "TokenLocation",
    "TokenLocations",
    "TokenType",
)

# With a default, so that an app that sets no subject getter need not say what it would give.
T = TypeVar("T", default=Any)
T_co = TypeVar("T_co", covariant=True)

Numeric: TypeAlias = float | int
"""A point in time in Unix seconds, or a number of seconds."""

ObjectOrSequence: TypeAlias = T | Sequence[T]
"""One thing, or several of them."""

StringOrSequence: TypeAlias = str | Sequence[str]
"""One string, or several: the two shapes of the ``aud`` claim (RFC 7519, section 4.1.3)."""

DateTimeExpression: TypeAlias = datetime | timedelta
"""A point in time, or a distance from now."""

SymmetricAlgorithmType: TypeAlias = Literal["HS256", "HS384", "HS512"]
"""Algorithms where one secret both signs and verifies (RFC 7518, section 3.2)."""

AsymmetricAlgorithmType: TypeAlias = Literal[
    "ES256", "ES256K", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"
]
"""Algorithms where a private key signs and a public key verifies (RFC 7518, sections 3.3-3.5; RFC 8812)."""

AlgorithmType: TypeAlias = SymmetricAlgorithmType | AsymmetricAlgorithmType
"""Every signature algorithm that tokens may use."""

HTTPMethod: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
"""An HTTP method, in upper case."""

HTTPMethods: TypeAlias = Sequence[HTTPMethod]
"""Several HTTP methods."""

SameSitePolicy: TypeAlias = Literal["lax", "strict", "none"]
"""The value of a cookie's ``SameSite`` attribute."""

TokenType: TypeAlias = Literal["access", "refresh"]
"""What a token is for: access opens doors, refresh only gets new access tokens."""

TokenLocation: TypeAlias = Literal["headers", "cookies", "json", "query"]
"""A place in a request where a token may be."""

TokenLocations: TypeAlias = Sequence[TokenLocation]
"""Places in a request, in the order in which they are looked at."""


RunSync: TypeAlias = Callable[..., Awaitable[Any]]
"""Calls a function, with the arguments behind it, where it may block, and gives its answer when awaited."""


class TokenCallback(Protocol):
    """Says whether a token has been revoked."""

    def __call__(self, token: str, **kwargs: Any) -> bool | Awaitable[bool]:
        """Truthy, now or when awaited, if it has."""


class ModelCallback(Protocol[T_co]):
    """Finds the object that stands for a user."""

    def __call__(self, uid: str, **kwargs: Any) -> T_co | Awaitable[T_co | None] | None:
        """Give the object, now or when awaited; None if there is no such user."""


class RateLimitKeyFunc(Protocol):
    """Names the bucket that a request counts against."""

    def __call__(self, request: Any) -> str:
        """Give the name of the bucket."""


class SessionStoreProtocol(Protocol):
    """Where login sessions are kept."""

    async def create(self, session: Any) -> None:
        """Keep a session, in place of one with the same id."""

    async def get(self, session_id: str) -> Any:
        """Give a session; None if there is none."""

    async def update(self, session_id: str, **kwargs: Any) -> None:
        """Change fields of a session; unknown ids and fields are ignored."""

    async def delete(self, session_id: str) -> None:
        """Drop a session, if there is one."""

    async def list_by_user(self, uid: str) -> list[Any]:
        """Give the active sessions of a user."""

    async def delete_all_by_user(self, uid: str) -> None:
        """Drop all sessions of a user."""
