"""What must hold of a token's claims once its signature has been believed, and what they say.

The sentences are those of the JWT library, which apps may know; the clock is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authx.auth.exceptions import (
    AccessTokenRequiredError,
    FreshTokenRequiredError,
    JWTDecodeError,
    RefreshTokenRequiredError,
    TokenExpiredError,
    TokenInvalidAudienceError,
    TokenInvalidIssuerError,
    TokenTypeError,
)
from authx.auth.types import StringOrSequence

__all__ = ("check_fresh", "check_registered", "check_shape", "check_type", "session_of")

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799
"""Unix seconds: the years 1 to 9999, beyond which ``datetime`` cannot follow."""

_OPTIONAL_STRINGS = ("type", "csrf", "iss", "login_type")


def check_registered(
    claims: Mapping[str, Any],
    *,
    now: float,
    leeway: float = 0,
    audience: StringOrSequence | None = None,
    issuer: str | None = None,
) -> None:
    """Check the registered claims (RFC 7519, section 4.1), each only if it is there or asked for.

    Args:
        claims: of a token whose signature has been verified.
        now: Unix seconds.
        leeway: seconds by which the clock that wrote the claims may differ.
        audience: who we are, by any of these names. None accepts only tokens meant for nobody in particular.
        issuer: who must have made the token. None accepts anybody who has the key.

    Raises:
        JWTDecodeError: or the subclass that says which.
    """
    _check_times(claims, now, leeway)
    _check_issuer(claims, issuer)
    _check_audience(claims, audience)
    if not isinstance(claims.get("sub", ""), str):
        raise _invalid("Subject must be a string")
    if not isinstance(claims.get("jti", ""), str):
        raise _invalid("JWT ID must be a string")


def check_shape(claims: Mapping[str, Any]) -> None:
    """Check that there is a ``sub``, and that our own claims are of the types we write.

    The same shape as :class:`~authx.auth.schema.TokenPayload`, without building one.

    Raises:
        JWTDecodeError: naming the first claim that is not.
    """
    if "sub" not in claims:
        raise _invalid('Token is missing the "sub" claim')
    for name in _OPTIONAL_STRINGS:
        value = claims.get(name)
        if value is not None and not isinstance(value, str):
            raise _invalid(f"{name} must be a string")
    if not isinstance(claims.get("fresh", False), bool):
        raise _invalid("fresh must be true or false")
    if not _is_strings(claims.get("scopes")):
        raise _invalid("scopes must be a list of strings")
    audience = claims.get("aud")
    if not isinstance(audience, str) and not _is_strings(audience):
        raise _invalid("aud must be a string or a list of strings")


def check_type(actual: str | None, wanted: str) -> None:
    """Raise the :exc:`TokenTypeError` that fits unless the token is of the type wanted."""
    if actual == wanted:
        return
    error = {"access": AccessTokenRequiredError, "refresh": RefreshTokenRequiredError}.get(
        wanted, TokenTypeError
    )
    raise error(f"{wanted!r} token required, {actual!r} token received")


def check_fresh(fresh: bool) -> None:
    """Raise :exc:`FreshTokenRequiredError` unless the token was made by an actual login."""
    if not fresh:
        raise FreshTokenRequiredError("Fresh token required")


def session_of(claims: Mapping[str, Any]) -> str | None:
    """The login session a token belongs to: claim ``session_id``, else ``sid`` (OpenID Connect).

    Raises:
        JWTDecodeError: the claim is no string.
    """
    for name in ("session_id", "sid"):
        session = claims.get(name)
        if session is not None and not isinstance(session, str):
            raise _invalid(f"{name} must be a string")
        if session:
            return session
    return None


def _check_times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    issued = _time(claims, "iat", "Issued At claim (iat) must be an integer.")
    starts = _time(claims, "nbf", "Not Before claim (nbf) must be an integer.")
    expires = _time(claims, "exp", "Expiration Time claim (exp) must be an integer.")
    # Fractions of the first two are dropped, so a token is good in the very second it was made in,
    # also by a clock that runs a little behind.
    if issued is not None and int(issued) > now + leeway:
        raise _invalid("The token is not yet valid (iat)")
    if starts is not None and int(starts) > now + leeway:
        raise _invalid("The token is not yet valid (nbf)")
    if expires is not None and expires <= now - leeway:
        raise TokenExpiredError("Token has expired")


def _time(claims: Mapping[str, Any], name: str, sentence: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _invalid(sentence)
    # Also false for what is not a number, infinite, or too large for a float.
    if not _EARLIEST <= value <= _LATEST:
        raise _invalid(sentence)
    return value


def _check_issuer(claims: Mapping[str, Any], issuer: str | None) -> None:
    if issuer is None:
        return
    if "iss" not in claims:
        raise _invalid('Token is missing the "iss" claim')
    if claims["iss"] != issuer:
        raise TokenInvalidIssuerError("Invalid issuer")


def _check_audience(claims: Mapping[str, Any], audience: StringOrSequence | None) -> None:
    meant = claims.get("aud")
    if audience is None:
        if meant:
            raise TokenInvalidAudienceError("Invalid audience")
        return
    if not meant:
        raise _invalid('Token is missing the "aud" claim')
    ours = (audience,) if isinstance(audience, str) else audience
    theirs = (meant,) if isinstance(meant, str) else meant
    if not _is_strings(theirs) or not any(name in theirs for name in ours):
        raise TokenInvalidAudienceError("Invalid audience")


def _is_strings(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value))


def _invalid(reason: str) -> JWTDecodeError:
    return JWTDecodeError(f"Invalid token: {reason}")
