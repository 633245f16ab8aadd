"""From what a client shows when it connects to who it is, or one refusal.

Plain values in, an entrant or an exception out: no sockets here, and the order of the checks is all
there is. Everything a stranger can send passes through this module first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import AuthXException, RevokedTokenError, SessionRevoked
from authx.auth.identity import Identity
from authx.auth.verifier import Verifier
from authx.socket.credential import Credential
from authx.socket.exceptions import Refusal, code_for
from authx.socket.origin import OriginPolicy

__all__ = ("Door", "Entrant", "Handshake", "Login", "find_credential")


class Login(Protocol):
    """What the door needs of ``AuthX``."""

    @property
    def config(self) -> AuthXConfig:
        """The settings: which places, and what they are called."""

    @property
    def verifier(self) -> Verifier:
        """Makes an identity of a token."""

    async def check_revocation(self, token: str, holder: Identity) -> None:
        """Raise RevokedTokenError or SessionRevoked if a verified token has been ended before its time."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client showed when it opened its transport. Secrets stay out of the repr."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By lower-case name."""
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    own_origins: frozenset[str] = frozenset()
    """The origins the app answers to, as this client reached it."""
    address: str | None = None

    @property
    def origin(self) -> str | None:
        """The page that asks, if a browser says so."""
        return self.headers.get("origin")


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who the door lets in, and by what; neither is there for an anonymous client."""

    identity: Identity | None = None
    credential: Credential | None = None


def find_credential(handshake: Handshake, payload: Any, config: AuthXConfig) -> Credential | None:
    """The credential in the first place that holds one, or None.

    The order is fixed: the ``auth`` payload, header, cookie, query; each only if ``JWT_TOKEN_LOCATION``
    allows it, where the payload counts as a header. Later places are not looked at, so a bad credential
    never gives way to a worse one.

    Raises:
        Refusal: ``invalid_token`` for a token in the payload that is no string.
    """
    fields = payload if isinstance(payload, Mapping) else {}
    if config.has_location("headers"):
        token = fields.get("token")
        if token is not None:
            if not isinstance(token, str):
                raise Refusal("invalid_token")
            return Credential(_without_scheme(token, config.JWT_HEADER_TYPE), "payload")
        header = handshake.headers.get(config.JWT_HEADER_NAME.lower())
        if header is not None:
            return Credential(_without_scheme(header, config.JWT_HEADER_TYPE), "header")
    if config.has_location("cookies"):
        cookie = handshake.cookies.get(config.JWT_ACCESS_COOKIE_NAME)
        if cookie:
            csrf = fields.get(config.JWT_ACCESS_CSRF_FIELD_NAME)
            if csrf is None:
                csrf = handshake.headers.get(config.JWT_ACCESS_CSRF_HEADER_NAME.lower())
            return Credential(cookie, "cookie", csrf if isinstance(csrf, str) else None)
    if config.has_location("query"):
        token = handshake.query.get(config.JWT_QUERY_STRING_NAME)
        if token is not None:
            return Credential(token, "query")
    return None


class Door:
    """Decides who comes in.

    Args:
        login: The app's ``AuthX``; None lets everybody in as nobody.
        origins: Which pages may connect.
        allow_anonymous: Whether a client that shows no credential may come in as nobody.
    """

    def __init__(self, login: Login | None, origins: OriginPolicy, *, allow_anonymous: bool = False) -> None:
        self._login = login
        self._origins = origins
        self._allow_anonymous = allow_anonymous or login is None

    async def identify(self, handshake: Handshake, payload: Any, *, allow_anonymous: bool = False) -> Entrant:
        """Who is asking, and by what credential.

        Args:
            handshake: What the transport showed.
            payload: The ``auth`` payload of the CONNECT packet, as decoded.
            allow_anonymous: Whether the namespace lets nobodies in, though the door as a whole may not.

        Raises:
            Refusal: with a code of the table; anything that goes wrong in here ends as one.
        """
        if payload is not None and not isinstance(payload, Mapping):
            raise Refusal("validation_error", "The auth payload must be an object")
        credential = None if self._login is None else find_credential(handshake, payload, self._login.config)
        self._check_origin(handshake, credential)
        if credential is None or self._login is None:
            if self._allow_anonymous or allow_anonymous:
                return Entrant()
            raise Refusal("missing_token")
        try:
            identity = self._login.verifier.identity(
                credential.token,
                csrf=credential.csrf,
                verify_csrf=credential.place == "cookie" and self._login.config.JWT_COOKIE_CSRF_PROTECT,
            )
        except AuthXException as error:
            code = code_for(error)
            # What is wrong with a token may quote the token, so it goes no further than the code.
            raise Refusal(code) from (error if code == "internal_error" else None)
        await self._check_revocation(self._login, credential.token, identity)
        return Entrant(identity, credential)

    def _check_origin(self, handshake: Handshake, credential: Credential | None) -> None:
        with_cookie = credential is not None and credential.place == "cookie"
        origin = handshake.origin
        if origin is None:
            # A browser leaves the Origin out of a plain GET, but says where it came from in its own way.
            fetched_by = handshake.headers.get("sec-fetch-site", "same-origin")
            if with_cookie and fetched_by not in ("same-origin", "none"):
                raise Refusal("origin_not_allowed")
            return
        permits = self._origins.permits_cookies if with_cookie else self._origins.permits
        if not permits(origin, handshake.own_origins):
            raise Refusal("origin_not_allowed")

    @staticmethod
    async def _check_revocation(login: Login, token: str, identity: Identity) -> None:
        try:
            await login.check_revocation(token, identity)
        except (RevokedTokenError, SessionRevoked):
            raise Refusal("token_revoked") from None
        except Exception as error:
            raise Refusal("store_unavailable") from error


def _without_scheme(value: str, scheme: str | None) -> str:
    """``value`` without a leading ``Bearer `` (in any case, RFC 7235); a bare token stays as it is."""
    if scheme and value[: len(scheme) + 1].lower() == f"{scheme} ".lower():
        return value[len(scheme) + 1 :].strip()
    return value
