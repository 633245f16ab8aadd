"""The issuer: tokens made as the settings say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from authx.auth.clock import Clock, system_clock
from authx.auth.config import AuthXConfig
from authx.auth.schema import TokenPayload
from authx.auth.types import DateTimeExpression, StringOrSequence, TokenType

__all__ = ("Issuer",)

_RESERVED = frozenset({"aud", "csrf", "exp", "fresh", "iss", "nbf", "scopes", "sub", "type"})


class Issuer:
    """Makes the tokens of one AuthX. The settings are read when a token is made."""

    def __init__(
        self, config: AuthXConfig, *, login_type: str | None = None, clock: Clock = system_clock
    ) -> None:
        self.config = config
        self.login_type = login_type
        """Written into every token, so that several AuthX may share a key."""
        self._clock = clock
        self._latest = -math.inf
        self._longest = 0.0
        """Seconds: the longest that a token made so far can last."""

    @property
    def longest_lifetime(self) -> float:
        """Seconds: the longest that a token can last, of the settings' and of any made so far."""
        settings = (self._lifetime("access"), self._lifetime("refresh"))
        return max(self._longest, *(_seconds(lifetime) for lifetime in settings))

    @property
    def latest_issue(self) -> float:
        """When the latest token so far was made, in Unix seconds. The clock may have been set back since."""
        return self._latest

    def token(
        self,
        uid: str,
        *,
        type: TokenType,  # noqa: A002 - the name of the claim
        expiry: DateTimeExpression | None = None,
        fresh: bool = False,
        headers: dict[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        scopes: list[str] | None = None,
        session: str | None = None,
    ) -> str:
        """Make a token.

        Args:
            uid: the user.
            type: what the token is for.
            expiry: when the token ends, or after how long; None is the settings' lifetime for the type.
            fresh: whether an actual login is the reason, and not a refresh; of access tokens only.
            headers: more of the JOSE header (RFC 7515, section 4.1), but not ``alg``.
            data: more claims. Of those with a meaning here, only ``jti``, ``iat`` and, where the issuer
                has none of its own, ``login_type``.
            audience: instead of the settings'.
            scopes: what the token permits; None writes no claim.
            session: the login session the token ends with; None writes no claim.

        Raises:
            BadConfigurationError: the settings hold no key to sign with.
            ValueError: ``data`` or ``headers`` set what they must not.
            pydantic.ValidationError: ``uid`` is no string.
        """
        config = self.config
        claims = dict(data or {})
        if clashes := sorted(_RESERVED & claims.keys()):
            raise ValueError(f"data must not set {', '.join(clashes)}")
        if self.login_type is not None:
            claims["login_type"] = self.login_type
        if session is not None:
            claims["session_id"] = session

        now = self._clock()
        self._latest = max(self._latest, now)
        payload = TokenPayload(
            sub=uid,
            jti=claims.pop("jti", None) or str(uuid4()),
            type=type,
            fresh=fresh,
            csrf=str(uuid4()) if self._protects_cookies() else "",
            iat=claims.pop("iat", int(now)),
            exp=_moment(self._lifetime(type) if expiry is None else expiry, now),
            nbf=int(now) if self._writes_nbf() else None,
            iss=config.JWT_ENCODE_ISSUER,
            aud=config.JWT_ENCODE_AUDIENCE if audience is None else audience,
            scopes=scopes,
        )
        lasts = math.inf if payload.exp is None else payload.expiry_datetime.timestamp() - now
        self._longest = max(self._longest, lasts)
        return payload.encode(config.private_key, config.JWT_ALGORITHM, headers=headers, data=claims)

    def _lifetime(self, kind: TokenType) -> timedelta | None:
        if kind == "access":
            return self.config.JWT_ACCESS_TOKEN_EXPIRES
        return self.config.JWT_REFRESH_TOKEN_EXPIRES

    def _protects_cookies(self) -> bool:
        return self.config.has_location("cookies") and self.config.JWT_COOKIE_CSRF_PROTECT

    def _writes_nbf(self) -> bool:
        # On by default and without effect until now: only those who ask for it get another claim.
        return "JWT_ENCODE_NBF" in self.config.model_fields_set and self.config.JWT_ENCODE_NBF


def _moment(expiry: DateTimeExpression | None, now: float) -> datetime | None:
    if isinstance(expiry, timedelta):
        return datetime.fromtimestamp(now, UTC) + expiry
    return expiry


def _seconds(lifetime: timedelta | None) -> float:
    return math.inf if lifetime is None else lifetime.total_seconds()
