"""What tokens look like to an app: payload, request token, response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from authx.auth.claims import check_fresh, check_type
from authx.auth.clock import system_clock
from authx.auth.csrf import check_csrf
from authx.auth.exceptions import JWTDecodeError
from authx.auth.scopes import has_scopes
from authx.auth.token import create_token, decode_token
from authx.auth.types import (
    AlgorithmType,
    DateTimeExpression,
    Numeric,
    StringOrSequence,
    TokenLocation,
    TokenType,
)

__all__ = ("RequestToken", "TokenPayload", "TokenResponse")


class TokenPayload(BaseModel):
    """The claims of a token, as attributes; unknown claims too."""

    model_config = ConfigDict(extra="allow", from_attributes=True)

    jti: str | None = Field(default_factory=lambda: str(uuid4()))
    iss: str | None = None
    sub: str = Field(strict=True)
    aud: StringOrSequence | None = None
    exp: DateTimeExpression | None = None
    """Numbers (Unix seconds) and distances from now become a point in time, in UTC."""
    nbf: Numeric | DateTimeExpression | None = None
    iat: Numeric | DateTimeExpression | None = Field(default_factory=lambda: int(system_clock()))
    type: str | None = "access"
    csrf: str | None = ""
    scopes: list[str] | None = None
    fresh: bool = False
    login_type: str | None = None

    @field_validator("exp", mode="before")
    @classmethod
    def _exp_in_utc(cls, value: Any) -> Any:
        # Before pydantic, which takes large numbers for milliseconds.
        if isinstance(value, timedelta):
            value = system_clock() + value.total_seconds()
        return _utc(value)

    @field_validator("nbf", mode="before")
    @classmethod
    def _nbf_in_seconds(cls, value: Any) -> Any:
        if isinstance(value, timedelta):
            return system_clock() + value.total_seconds()
        return value.timestamp() if isinstance(value, datetime) else value

    @property
    def extra_dict(self) -> dict[str, Any]:
        """Always empty, as apps have come to know it; see :attr:`custom_claims`."""
        return {}

    @property
    def custom_claims(self) -> dict[str, Any]:
        """The claims that are not fields of this class."""
        return dict(self.model_extra or {})

    @property
    def issued_at(self) -> datetime:
        """When the token was made, in UTC. ``TypeError`` if ``iat`` is no point in time."""
        return _point("iat", _utc(self.iat))

    @property
    def expiry_datetime(self) -> datetime:
        """When the token ends, in UTC. ``TypeError`` if ``exp`` is no point in time; None is none."""
        if isinstance(self.exp, timedelta):
            return self.issued_at + self.exp
        return _point("exp", _utc(self.exp))

    @property
    def time_until_expiry(self) -> timedelta:
        """From now until the token ends; negative once it has."""
        return self.expiry_datetime - _now()

    @property
    def time_since_issued(self) -> timedelta:
        """From when the token was made until now."""
        return _now() - self.issued_at

    def has_scopes(self, *scopes: str, all_required: bool = True) -> bool:
        """Whether the token's scopes satisfy all (or any) of these, wildcards included."""
        return has_scopes(self.scopes, *scopes, all_required=all_required)

    def encode(
        self,
        key: str,
        algorithm: AlgorithmType = "HS256",
        ignore_errors: bool = True,
        headers: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
    ) -> str:
        """Make a token of the fields above and of ``data``, which wins.

        Left out unless they are in ``data``: ``login_type`` and the :attr:`custom_claims`. ``scopes``
        are written if not None, and win.
        """
        claims = dict(data or {})
        if self.scopes is not None:
            claims["scopes"] = self.scopes
        return create_token(
            uid=self.sub,
            key=key,
            type=self.type or "access",
            jti=self.jti,
            expiry=self.exp,
            issued=self.iat,
            fresh=self.fresh,
            csrf=self.csrf,
            algorithm=algorithm,
            headers=headers,
            audience=self.aud,
            issuer=self.iss,
            not_before=self.nbf,
            data=claims,
            ignore_errors=ignore_errors,
        )

    @classmethod
    def decode(  # noqa: PLR0917 - the order apps know
        cls,
        token: str,
        key: str,
        algorithms: Sequence[AlgorithmType] | None = None,
        audience: StringOrSequence | None = None,
        issuer: str | None = None,
        verify: bool = True,
    ) -> Self:
        """Read a token, as :func:`~authx.auth.token.decode_token` does.

        Raises:
            BadConfigurationError: the key is no key for the algorithm.
            JWTDecodeError: or the subclass that says what is wrong with the token.
        """
        return cls.from_claims(decode_token(token, key, algorithms, audience, issuer, verify))

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any]) -> Self:
        """Make a payload of claims that have been verified.

        Raises:
            JWTDecodeError: a claim is of the wrong type, or there is no ``sub``.
        """
        try:
            return cls.model_validate(claims)
        except ValidationError as error:
            reasons = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
            raise JWTDecodeError(f"Invalid token: {reasons}") from error


class RequestToken(BaseModel):
    """A credential: the raw token, and where in the request it was found."""

    token: str
    csrf: str | None = None
    """The CSRF value that came along with a token from a cookie."""
    type: TokenType = "access"
    """What the token is wanted for."""
    location: TokenLocation

    def verify(  # noqa: PLR0917 - the order apps know
        self,
        key: str,
        algorithms: Sequence[AlgorithmType] | None = None,
        audience: StringOrSequence | None = None,
        issuer: str | None = None,
        verify_jwt: bool = True,
        verify_type: bool = True,
        verify_csrf: bool = True,
        verify_fresh: bool = False,
    ) -> TokenPayload:
        """Check the token, in the order below, and give its claims.

        Only tokens from cookies have their CSRF value checked: browsers send no others by themselves.

        Raises:
            BadConfigurationError: the key is no key for the algorithm.
            JWTDecodeError: or the subclass that says what is wrong with the token.
            TokenTypeError: the token is of another type than wanted.
            FreshTokenRequiredError: the token is not fresh.
            CSRFError: the CSRF value is missing or differs.
        """
        payload = TokenPayload.decode(self.token, key, algorithms, audience, issuer, verify_jwt)
        if verify_type:
            check_type(payload.type, self.type)
        if verify_fresh:
            check_fresh(payload.fresh)
        if verify_csrf and self.location == "cookies":
            check_csrf(self.csrf, payload.csrf, empty_counts=True)
        return payload


class TokenResponse(BaseModel):
    """A pair of tokens, as a login answers with (RFC 6749, section 5.1)."""

    access_token: str
    refresh_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme


def _now() -> datetime:
    return datetime.fromtimestamp(system_clock(), UTC)


def _utc(moment: Any) -> Any:
    """A number or a point in time as a point in time in UTC; the rest as it is."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return moment
    try:
        return datetime.fromtimestamp(moment, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a point in time") from error


def _point(name: str, moment: Any) -> datetime:
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is no point in time: {moment!r}")
    return moment
