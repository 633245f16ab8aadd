"""The door: a raw token and what is expected of it in, claims or an identity out, or one exception.

HTTP and sockets go through the same one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from authx.auth.claims import (
    check_fresh,
    check_registered,
    check_shape,
    check_type,
    session_of,
)
from authx.auth.clock import Clock, system_clock
from authx.auth.config import AuthXConfig
from authx.auth.csrf import check_csrf
from authx.auth.exceptions import (
    AuthXException,
    JWTDecodeError,
    LoginTypeMismatchError,
    TokenInvalidSignatureError,
)
from authx.auth.identity import Claims, Identity
from authx.auth.signature import signed_claims

__all__ = ("RolesClaim", "Verifier")

RolesClaim: TypeAlias = str | Callable[[Mapping[str, Any]], Iterable[str] | None]
"""Where the roles are: a claim, a dotted path through nested ones, or a callable of all claims."""


class Verifier:
    """Verifies the tokens of one AuthX. The settings are read when a token is verified.

    Args:
        config: the settings.
        login_type: whose tokens an identity may be made from; None takes any. Every exception carries it.
        roles_claim: where an identity's roles are, such as ``"realm_access.roles"``.
        clock: gives the current time in Unix seconds.
    """

    def __init__(
        self,
        config: AuthXConfig,
        *,
        login_type: str | None = None,
        roles_claim: RolesClaim = "roles",
        clock: Clock = system_clock,
    ) -> None:
        self.config = config
        self.login_type = login_type
        self._roles_claim = roles_claim
        self.now = clock
        """Gives the time of this login, in Unix seconds."""
        self._latest = -math.inf

    @property
    def latest_issue(self) -> float:
        """When the latest of the tokens accepted so far says that it was made, in Unix seconds.

        Our clock may be behind that: it was set back, or another one made the token and there is leeway.
        """
        return self._latest

    def claims(
        self,
        token: str,
        *,
        type: str | None = "access",  # noqa: A002 - the name of the claim
        fresh: bool = False,
        csrf: str | None = None,
        verify_csrf: bool = False,
    ) -> dict[str, Any]:
        """Verify a token, in the order of the arguments, and give its claims.

        Args:
            token: the compact serialisation, as it came in.
            type: what the token must be for; None takes any type.
            fresh: whether the token must come from an actual login.
            csrf: the CSRF value that came along.
            verify_csrf: whether it must be the token's own; for tokens from cookies. An empty value
                matches an empty claim: who hands one over has to have found it.

        Raises:
            BadConfigurationError: the settings hold no usable key.
            JWTDecodeError: or the subclass that says what is wrong with the token.
            TokenTypeError: the token is of another type.
            FreshTokenRequiredError: the token is not fresh.
            CSRFError: the CSRF value is missing or differs.
        """
        try:
            claims = self._verified(token, type, fresh)
            if verify_csrf:
                check_csrf(csrf, claims.get("csrf", ""), empty_counts=True)
        except AuthXException as error:
            self._attribute(error)
            raise
        return claims

    def identity(
        self, token: str, *, fresh: bool = False, csrf: str | None = None, verify_csrf: bool = False
    ) -> Identity:
        """Verify an access token, as :meth:`claims` does, and give whom it stands for.

        Unlike there, an empty CSRF value never matches.

        Raises:
            JWTDecodeError: also if the user is missing, or user, scopes, roles or session are of a
                wrong type.
            LoginTypeMismatchError: the token belongs to another login type.
        """
        try:
            claims = self._verified(token, "access", fresh)
            if verify_csrf:
                check_csrf(csrf, claims.get("csrf"))
            return self._identity(claims)
        except AuthXException as error:
            self._attribute(error)
            raise

    def with_rights(
        self,
        identity: Identity,
        *,
        scopes: frozenset[str] | None = None,
        roles: frozenset[str] | None = None,
    ) -> Identity:
        """An identity with other rights than those of its token, in its claims, too.

        Where a callable says where the roles are, nobody can say which claims to change.

        Args:
            identity: as this verifier made it.
            scopes: in place of its own; None leaves them.
            roles: in place of its own; None leaves them.
        """
        claims = dict(identity.claims)
        changed = set(identity.overridden)
        if scopes is not None:
            identity = replace(identity, scopes=scopes)
            rights: dict[str, Any] = {"scopes": sorted(scopes)}
            if "scope" in claims:
                rights["scope"] = " ".join(sorted(scopes))
            changed.update(rights)
            claims.update(rights)
        if roles is not None:
            identity = replace(identity, roles=roles)
            where = self._roles_claim
            if isinstance(where, str):
                path = [where] if where in claims else where.split(".")
                changed.add(path[0])
                _put(claims, path, sorted(roles))
            else:
                changed.add("roles")
        return replace(identity, overridden=frozenset(changed), claims=Claims(claims))

    def own_claims(self, token: str) -> dict[str, Any]:
        """Verify that a token is one of this login, and give its claims, be it over, early or for others.

        For those who end it: that it will not do here, or not now, is no reason to leave it alive.

        Raises:
            JWTDecodeError: it is not.
            LoginTypeMismatchError: it belongs to another login type.
        """
        try:
            claims = self._signed(token)
            check_shape(claims)
            check_registered(claims, now=self.now(), leeway=math.inf, audience=claims.get("aud") or None)
            self._check_login_type(claims)
        except AuthXException as error:
            self._attribute(error)
            raise
        return claims

    def _verified(self, token: str, kind: str | None, fresh: bool) -> dict[str, Any]:
        config = self.config
        claims = self._signed(token)
        check_registered(
            claims,
            now=self.now(),
            leeway=config.JWT_DECODE_LEEWAY or 0,
            audience=config.JWT_DECODE_AUDIENCE,
            issuer=config.JWT_DECODE_ISSUER,
        )
        check_shape(claims)
        if kind is not None:
            check_type(claims.get("type", "access"), kind)
        if fresh:
            check_fresh(claims.get("fresh", False))
        self._latest = max(self._latest, claims.get("iat", self._latest))
        return claims

    def _signed(self, token: str) -> dict[str, Any]:
        config = self.config
        algorithms = config.accepted_algorithms
        try:
            return signed_claims(token, config.public_key, algorithms)
        except TokenInvalidSignatureError:
            # The only error another key can mend: an expired token stays expired under any key.
            previous = config.previous_public_key
            if not previous:
                raise
        return signed_claims(token, previous, algorithms)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        config = self.config
        self._check_login_type(claims)
        user = claims.get(config.JWT_IDENTITY_CLAIM)
        if not isinstance(user, str) or not user:
            raise _malformed(config.JWT_IDENTITY_CLAIM, "must be a non-empty string")
        issued_at, expires_at = claims.get("iat"), claims.get("exp")
        return Identity(
            user=user,
            scopes=_scopes(claims),
            roles=self._roles(claims),
            session=session_of(claims),
            token_id=claims.get("jti"),
            issued_at=None if issued_at is None else float(issued_at),
            expires_at=None if expires_at is None else float(expires_at),
            login_type=claims.get("login_type"),
            fresh=claims.get("fresh", False),
            claims=Claims(claims),
        )

    def _check_login_type(self, claims: Mapping[str, Any]) -> None:
        login_type = claims.get("login_type")
        if self.login_type is not None and login_type != self.login_type:
            raise LoginTypeMismatchError(self.login_type, login_type)

    def _roles(self, claims: dict[str, Any]) -> frozenset[str]:
        where = self._roles_claim
        if isinstance(where, str):
            found = claims.get(where)
            # The whole name first: names with dots, such as URLs, are claims of some issuers.
            return _strings(where, _walk(claims, where) if found is None and "." in where else found)
        try:
            found = where(Claims(claims))
            return _strings("roles", found if found is None or isinstance(found, str) else list(found))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise _malformed("roles", f"cannot be read: {error!r}") from error

    def _attribute(self, error: AuthXException) -> None:
        error.login_type = error.login_type or self.login_type


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    listed = frozenset(claims.get("scopes") or ())
    spaced = claims.get("scope")
    if spaced is None:
        return listed
    if not isinstance(spaced, str):
        raise _malformed("scope", "must be a string")
    return listed.union(spaced.split())


def _walk(claims: Mapping[str, Any], path: str) -> Any:
    """What is at the end of a dotted path; None if it breaks off."""
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, Mapping):
            raise _malformed(path, "must lead through objects")
        found = found.get(name)
        if found is None:
            return None
    return found


def _put(claims: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value at the end of a path, into copies of the objects on the way."""
    name, *rest = path
    if rest:
        below = claims.get(name)
        inner = dict(below) if isinstance(below, Mapping) else {}
        _put(inner, rest, value)
        value = inner
    claims[name] = value


def _strings(name: str, value: Any) -> frozenset[str]:
    """A list of strings, one string or nothing, as a set."""
    if not value and (value is None or isinstance(value, str | list)):
        return frozenset()
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or not all(isinstance(item, str) for item in strings):
        raise _malformed(name, "must be a list of strings, or one string")
    return frozenset(strings)


def _malformed(name: str, reason: str) -> JWTDecodeError:
    return JWTDecodeError(f"Invalid token: {name} {reason}")
