"""From what a client shows when it connects to who it is, or one refusal.

Plain values in, an entrant or an exception out: no sockets here, and the order of the checks is all
there is. Everything a stranger can send passes through this module first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import AuthXException, RevokedTokenError, SessionRevoked
from authx.auth.identity import Identity
from authx.auth.revocation import Revocation
from authx.auth.types import RunSync
from authx.auth.verifier import Verifier
from authx.socket.credential import Credential
from authx.socket.exceptions import Refusal, code_for
from authx.socket.origin import OriginPolicy
from authx.socket.thread import in_thread

__all__ = ("Door", "Entrant", "Handshake", "Login", "Proof", "find_credential")


class Login(Protocol):
    """What sockets need of ``AuthX``. Sync callbacks of the app are called through ``run_sync``."""

    @property
    def config(self) -> AuthXConfig:
        """The settings: which places, and what they are called."""

    @property
    def verifier(self) -> Verifier:
        """Makes an identity of a token, and has the clock."""

    async def check_revocation(
        self, token: str, holder: Identity, *, run_sync: RunSync | None = None
    ) -> None:
        """Raise RevokedTokenError or SessionRevoked if a verified token has been ended before its time."""

    async def find_revoked(
        self,
        holders: Sequence[tuple[str, Identity]],
        *,
        run_sync: RunSync | None = None,
        within: float | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> list[bool | None]:
        """The same of many, each with its token; True is revoked, None not known.

        ``failed`` is told why not, and ``within`` are the seconds after which that is so. Raises what the
        store of revocations raises.
        """

    def watch_revocations(self, listener: Callable[[Revocation], Awaitable[None]]) -> Callable[[], None]:
        """Call ``listener`` with every revocation from now on, until what this gives is called."""


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


@dataclass(frozen=True, slots=True)
class Proof:
    """A credential that is good, and whom it stands for."""

    identity: Identity
    credential: Credential


def find_credential(handshake: Handshake, payload: Any, config: AuthXConfig) -> Credential | None:
    """The credential in the first place that holds one, or None.

    The order is fixed: the ``auth`` payload, header, cookie, query; each only if ``JWT_TOKEN_LOCATION``
    allows it, where the payload counts as a header. Later places are not looked at, so a bad credential
    never gives way to a worse one.

    Raises:
        Refusal: ``invalid_token`` for a token in the payload that is no string.
    """
    fields = payload if isinstance(payload, Mapping) else {}
    found = _in_payload(fields, config)
    if found is None and config.has_location("headers"):
        header = handshake.headers.get(config.JWT_HEADER_NAME.lower())
        if header is not None:
            return Credential(_without_scheme(header, config.JWT_HEADER_TYPE), "header")
    found = found or _in_cookie(handshake, fields, config)
    if found is not None:
        return found
    if config.has_location("query"):
        token = handshake.query.get(config.JWT_QUERY_STRING_NAME)
        if token is not None:
            return Credential(token, "query")
    return None


def _in_payload(fields: Mapping[str, Any], config: AuthXConfig) -> Credential | None:
    token = fields.get("token") if config.has_location("headers") else None
    if token is None:
        return None
    if not isinstance(token, str):
        raise Refusal("invalid_token")
    return Credential(_without_scheme(token, config.JWT_HEADER_TYPE), "payload")


def _in_cookie(handshake: Handshake, fields: Mapping[str, Any], config: AuthXConfig) -> Credential | None:
    cookie = handshake.cookies.get(config.JWT_ACCESS_COOKIE_NAME) if config.has_location("cookies") else None
    if not cookie:
        return None
    csrf = fields.get(config.JWT_ACCESS_CSRF_FIELD_NAME)
    if csrf is None:
        csrf = handshake.headers.get(config.JWT_ACCESS_CSRF_HEADER_NAME.lower())
    return Credential(cookie, "cookie", csrf if isinstance(csrf, str) else None)


class Door:
    """Decides who comes in.

    Args:
        login: The app's ``AuthX``; None lets everybody in as nobody.
        origins: Which pages may connect.
        allow_anonymous: Whether a client that shows no credential may come in as nobody.
    """

    def __init__(self, login: Login | None, origins: OriginPolicy, *, allow_anonymous: bool = False) -> None:
        self.login = login
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
        try:
            config = None if self.login is None else self.login.config
            credential = None if config is None else find_credential(handshake, payload, config)
        except Refusal:
            # The page comes first: what a strange one shows is not held against its visitor.
            self._check_origin(handshake, None)
            raise
        self._check_origin(handshake, credential)
        if credential is None or self.login is None:
            if self._allow_anonymous or allow_anonymous:
                return Entrant()
            raise Refusal("missing_token")
        return Entrant(await _verified(self.login, credential), credential)

    async def renew_by_event(self, payload: Any) -> Proof:
        """Who shows a newer token on a connection that is open: ``{"token": ...}``.

        Raises:
            Refusal: as :meth:`identify` does; nobody is never let in.
        """
        if not isinstance(payload, Mapping):
            raise Refusal("validation_error")
        credential = None if self.login is None else _in_payload(payload, self.login.config)
        if self.login is None or credential is None:
            raise Refusal("missing_token")
        return Proof(await _verified(self.login, credential), credential)

    async def renew_by_cookie(self, handshake: Handshake, fields: Mapping[str, Any]) -> Proof:
        """Who sends a request with a newer token in the cookie.

        Raises:
            Refusal: as :meth:`identify` does; nobody is never let in.
        """
        credential = None if self.login is None else _in_cookie(handshake, fields, self.login.config)
        self._check_origin(handshake, credential)
        if self.login is None or credential is None:
            raise Refusal("missing_token")
        return Proof(await _verified(self.login, credential), credential)

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


async def _verified(login: Login, credential: Credential) -> Identity:
    """Whom a credential stands for, by the rules that hold for all of them.

    Raises:
        Refusal: if it stands for nobody, or that can't be told.
    """
    try:
        identity = login.verifier.identity(
            credential.token,
            csrf=credential.csrf,
            verify_csrf=credential.place == "cookie" and login.config.JWT_COOKIE_CSRF_PROTECT,
        )
    except AuthXException as error:
        code = code_for(error)
        # What is wrong with a token may quote the token, so it goes no further than the code.
        raise Refusal(code) from (error if code == "internal_error" else None)
    try:
        await login.check_revocation(credential.token, identity, run_sync=in_thread)
    except (RevokedTokenError, SessionRevoked):
        raise Refusal("token_revoked") from None
    except Exception as error:
        raise Refusal("store_unavailable") from error
    return identity


def _without_scheme(value: str, scheme: str | None) -> str:
    """``value`` without a leading ``Bearer `` (in any case, RFC 7235); a bare token stays as it is."""
    if scheme and value[: len(scheme) + 1].lower() == f"{scheme} ".lower():
        return value[len(scheme) + 1 :].strip()
    return value
