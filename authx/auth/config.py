"""The settings of one AuthX."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from authx.auth.exceptions import BadConfigurationError
from authx.auth.types import (
    AlgorithmType,
    AsymmetricAlgorithmType,
    HTTPMethods,
    SameSitePolicy,
    StringOrSequence,
    SymmetricAlgorithmType,
    TokenLocations,
)

__all__ = ("AuthXConfig",)

_SYMMETRIC = frozenset(get_args(SymmetricAlgorithmType))
_ASYMMETRIC = frozenset(get_args(AsymmetricAlgorithmType))


class AuthXConfig(BaseSettings):
    """Settings, from arguments or else from environment variables of the same names.

    Durations given as numbers are seconds. Nothing is checked across fields, and attributes may be
    assigned later, unvalidated: what cannot work is a :exc:`BadConfigurationError` when it is used.
    """

    model_config = SettingsConfigDict(extra="forbid", arbitrary_types_allowed=True, validate_default=True)

    JWT_ALGORITHM: AlgorithmType = "HS256"
    JWT_SECRET_KEY: str | None = Field(default=None, repr=False)
    JWT_PRIVATE_KEY: str | None = Field(default=None, repr=False)
    JWT_PUBLIC_KEY: str | None = None
    JWT_PREVIOUS_SECRET_KEY: str | None = Field(default=None, repr=False)
    """The secret before the last rotation: tokens signed with it are still read."""
    JWT_PREVIOUS_PUBLIC_KEY: str | None = None
    """The public key before the last rotation: tokens signed with its partner are still read."""

    JWT_ACCESS_TOKEN_EXPIRES: timedelta | None = timedelta(minutes=15)
    """Lifetime of access tokens; None is for ever."""
    JWT_REFRESH_TOKEN_EXPIRES: timedelta | None = timedelta(days=20)
    """Lifetime of refresh tokens; None is for ever."""
    JWT_ENCODE_AUDIENCE: StringOrSequence | None = None
    JWT_ENCODE_ISSUER: str | None = None
    JWT_ENCODE_NBF: bool = True
    """Adds ``nbf`` to tokens, if set explicitly."""

    JWT_DECODE_ALGORITHMS: Sequence[AlgorithmType] = ["HS256"]
    """Further algorithms to accept, if set explicitly. See :attr:`accepted_algorithms`."""
    JWT_DECODE_AUDIENCE: StringOrSequence | None = None
    JWT_DECODE_ISSUER: str | None = None
    JWT_DECODE_LEEWAY: int | None = 0
    """Seconds by which clocks may differ."""
    JWT_IDENTITY_CLAIM: str = "sub"
    """The claim that names the user of an identity."""

    JWT_TOKEN_LOCATION: TokenLocations = ["headers"]
    JWT_HEADER_NAME: str = "Authorization"
    JWT_HEADER_TYPE: str = "Bearer"
    JWT_QUERY_STRING_NAME: str = "token"
    JWT_JSON_KEY: str = "access_token"
    JWT_REFRESH_JSON_KEY: str = "refresh_token"

    JWT_ACCESS_COOKIE_NAME: str = "access_token_cookie"
    JWT_ACCESS_COOKIE_PATH: str = "/"
    JWT_REFRESH_COOKIE_NAME: str = "refresh_token_cookie"
    JWT_REFRESH_COOKIE_PATH: str = "/"
    JWT_COOKIE_DOMAIN: str | None = None
    JWT_COOKIE_MAX_AGE: int | None = None
    JWT_COOKIE_SAMESITE: SameSitePolicy | None = "lax"
    JWT_COOKIE_SECURE: bool = True
    JWT_COOKIE_HTTP_ONLY: bool = True
    JWT_SESSION_COOKIE: bool = True
    """Accepted, without effect: ``JWT_COOKIE_MAX_AGE`` decides."""

    JWT_COOKIE_CSRF_PROTECT: bool = True
    JWT_CSRF_IN_COOKIES: bool = True
    JWT_CSRF_METHODS: HTTPMethods = ["POST", "PUT", "PATCH", "DELETE"]
    JWT_CSRF_CHECK_FORM: bool = False
    JWT_ACCESS_CSRF_COOKIE_NAME: str = "csrf_access_token"
    JWT_ACCESS_CSRF_COOKIE_PATH: str = "/"
    JWT_ACCESS_CSRF_FIELD_NAME: str = "csrf_token"
    JWT_ACCESS_CSRF_HEADER_NAME: str = "X-CSRF-TOKEN"
    JWT_REFRESH_CSRF_COOKIE_NAME: str = "csrf_refresh_token"
    JWT_REFRESH_CSRF_COOKIE_PATH: str = "/"
    JWT_REFRESH_CSRF_FIELD_NAME: str = "csrf_token"
    JWT_REFRESH_CSRF_HEADER_NAME: str = "X-CSRF-TOKEN"

    JWT_IMPLICIT_REFRESH_ROUTE_EXCLUDE: list[str] = []
    """Paths that take no part, whatever the other three say."""
    JWT_IMPLICIT_REFRESH_ROUTE_INCLUDE: list[str] = []
    """Paths that take part although their method does not."""
    JWT_IMPLICIT_REFRESH_METHOD_EXCLUDE: HTTPMethods = []
    """Methods that take no part."""
    JWT_IMPLICIT_REFRESH_METHOD_INCLUDE: HTTPMethods = []
    """Accepted, without effect: every method takes part that is not left out."""
    JWT_IMPLICIT_REFRESH_DELTATIME: timedelta = timedelta(minutes=10)
    """An access token that ends within this time is renewed."""

    JWT_SESSION_TRACKING: bool = False
    """Refuses tokens that name a session which has ended, where there is a session store."""
    JWT_SESSION_UPDATE_LAST_ACTIVE: bool = True
    """Writes down when a tracked session was last used."""
    JWT_ERROR_MESSAGE_KEY: str = "msg"
    """The name of the message in answers to refused requests, if set explicitly; else ``message``."""

    @property
    def is_algo_symmetric(self) -> bool:
        """Whether one secret both signs and verifies. False for an algorithm that is not known."""
        return self.JWT_ALGORITHM in _SYMMETRIC

    @property
    def is_algo_asymmetric(self) -> bool:
        """Whether a key pair signs and verifies. False for an algorithm that is not known."""
        return self.JWT_ALGORITHM in _ASYMMETRIC

    @property
    def accepted_algorithms(self) -> tuple[AlgorithmType, ...]:
        """The algorithms a token may be signed with.

        ``JWT_ALGORITHM``, and those of an explicitly set ``JWT_DECODE_ALGORITHMS`` that take the same
        kind of key. The others are left out, for a public key that serves as an HMAC secret is one
        that everybody knows (RFC 8725, section 2.1).
        """
        if "JWT_DECODE_ALGORITHMS" not in self.model_fields_set:
            return (self.JWT_ALGORITHM,)
        family = _SYMMETRIC if self.is_algo_symmetric else _ASYMMETRIC
        further = (name for name in self.JWT_DECODE_ALGORITHMS if name in family)
        return tuple(dict.fromkeys((self.JWT_ALGORITHM, *further)))

    @property
    def private_key(self) -> str:
        """The key that signs. :exc:`BadConfigurationError` if there is none."""
        return self._key_for("JWT_SECRET_KEY", self.JWT_SECRET_KEY, "JWT_PRIVATE_KEY", self.JWT_PRIVATE_KEY)

    @property
    def public_key(self) -> str:
        """The key that verifies. :exc:`BadConfigurationError` if there is none."""
        return self._key_for("JWT_SECRET_KEY", self.JWT_SECRET_KEY, "JWT_PUBLIC_KEY", self.JWT_PUBLIC_KEY)

    @property
    def previous_public_key(self) -> str | None:
        """The key that verified before the last rotation, if any."""
        if self.is_algo_symmetric:
            return self.JWT_PREVIOUS_SECRET_KEY
        return self.JWT_PREVIOUS_PUBLIC_KEY if self.is_algo_asymmetric else None

    def has_location(self, location: str) -> bool:
        """Whether tokens may be found in a place of requests."""
        return location in self.JWT_TOKEN_LOCATION

    def _key_for(
        self, secret_name: str, secret: str | None, asymmetric_name: str, asymmetric: str | None
    ) -> str:
        if self.is_algo_symmetric:
            name, key = secret_name, secret
        elif self.is_algo_asymmetric:
            name, key = asymmetric_name, asymmetric
        else:
            raise BadConfigurationError(f"JWT_ALGORITHM {self.JWT_ALGORITHM!r} is not supported")
        if not key:
            raise BadConfigurationError(f"{name} must be set to use {self.JWT_ALGORITHM}")
        return key
