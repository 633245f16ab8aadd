"""Guards: the dependencies that let a request pass only with a token that will do.

They go through the public methods of the login they belong to, so that what an app overrides counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from authx.auth.config import AuthXConfig
from authx.auth.csrf import demands_csrf
from authx.auth.exceptions import InsufficientScopeError
from authx.auth.identity import Identity
from authx.auth.locations import find_websocket_token
from authx.auth.openapi import Guard, documented, security_schemes
from authx.auth.revocation import holder_of
from authx.auth.schema import RequestToken, TokenPayload
from authx.auth.types import TokenLocations

__all__ = (
    "Login",
    "Terms",
    "admit",
    "admit_websocket",
    "check_current",
    "find_current",
    "go_on",
    "rate_guard",
    "scopes_guard",
    "token_guard",
    "verify_on_terms",
)


class Login(Protocol):
    """What a guard needs of ``AuthX``."""

    @property
    def config(self) -> AuthXConfig:
        """The settings."""

    @property
    def login_type(self) -> str | None:
        """The name of the login, where an app has several."""

    async def get_access_token_from_request(
        self, request: Request, locations: TokenLocations | None = None, *, demand_csrf: bool | None = None
    ) -> RequestToken:
        """Find an access token."""

    async def get_refresh_token_from_request(
        self, request: Request, locations: TokenLocations | None = None, *, demand_csrf: bool | None = None
    ) -> RequestToken:
        """Find a refresh token."""

    async def check_blocklist(self, token: str) -> None:
        """Raise if a raw token has been revoked."""

    def verify_token(
        self,
        token: RequestToken,
        verify_type: bool = True,
        verify_fresh: bool = False,
        verify_csrf: bool = True,
    ) -> TokenPayload:
        """Verify a token."""

    async def check_ended(self, holder: Identity) -> None:
        """Raise if a verified token, its session or its user was ended."""

    async def check_session(self, holder: Identity | TokenPayload) -> None:
        """Raise if the session of a verified token has ended."""

    def ensure_request_exception_handlers(self, request: HTTPConnection) -> None:
        """See to it that refusals are answered."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a guard asks of a request."""

    type: str = "access"
    verify_type: bool = True
    verify_fresh: bool = False
    verify_csrf: bool | None = None
    """Whether the CSRF value of a token from a cookie is checked; None leaves that to the settings and
    the method."""
    locations: TokenLocations | None = None
    """The places to look at, instead of the settings'."""


def token_guard(auth: Login, terms: Terms) -> Guard:
    """Make a guard that asks for a token."""

    async def guard(request: Request, **_schemes: Any) -> TokenPayload:
        auth.ensure_request_exception_handlers(request)
        return await admit(auth, request, terms)

    return _documented(guard, auth, terms)


def scopes_guard(auth: Login, terms: Terms, scopes: Sequence[str], *, all_required: bool) -> Guard:
    """Make a guard that asks for a token that holds all, or any, of the scopes."""

    async def guard(request: Request, **_schemes: Any) -> TokenPayload:
        auth.ensure_request_exception_handlers(request)
        payload = await admit(auth, request, terms)
        if not payload.has_scopes(*scopes, all_required=all_required):
            raise InsufficientScopeError(
                required=list(scopes), provided=payload.scopes, login_type=auth.login_type
            )
        return payload

    return _documented(guard, auth, terms)


def rate_guard(auth: Login, limiter: Callable[[Request], Awaitable[None]]) -> Guard:
    """Make a guard that asks the limiter, which may raise, and then for an access token."""
    terms = Terms()

    async def guard(request: Request, **_schemes: Any) -> TokenPayload:
        auth.ensure_request_exception_handlers(request)
        await limiter(request)
        return await admit(auth, request, terms)

    return _documented(guard, auth, terms)


async def admit(auth: Login, request: Request, terms: Terms) -> TokenPayload:
    """Find the token of a request, see that it will do and goes on, and give its claims.

    Raises:
        MissingTokenError: there is none.
        RevokedTokenError: it was ended before its time, or its session or its user was.
        SessionRevoked: the session it belongs to does not go on.
        AuthXException: it will not do; see ``AuthX.verify_token``.
    """
    token = await find_current(auth, request, terms)
    payload = verify_on_terms(auth, request, token, terms)
    return await go_on(auth, request, payload)


async def find_current(auth: Login, request: Request, terms: Terms) -> RequestToken:
    """Find the token of a request, not verified and not in the blocklist.

    Raises:
        MissingTokenError: there is none.
        RevokedTokenError: it is in the blocklist.
    """
    find = auth.get_refresh_token_from_request
    if terms.type != "refresh":
        find = auth.get_access_token_from_request
    if terms.verify_csrf is False:
        token = await find(request, terms.locations, demand_csrf=False)
    else:
        token = await find(request, terms.locations)
    await auth.check_blocklist(token.token)
    return token


def verify_on_terms(auth: Login, request: Request, token: RequestToken, terms: Terms) -> TokenPayload:
    """Verify a token of a request, and give its claims.

    Raises:
        AuthXException: it will not do; see ``AuthX.verify_token``.
    """
    verify_csrf = terms.verify_csrf
    if verify_csrf is None:
        verify_csrf = demands_csrf(auth.config, request.method)
    return auth.verify_token(
        token, verify_type=terms.verify_type, verify_fresh=terms.verify_fresh, verify_csrf=verify_csrf
    )


async def admit_websocket(auth: Login, websocket: WebSocket) -> TokenPayload:
    """Find the access token a socket is opened with, see that it will do, and give its claims.

    Raises:
        AuthXException: as :func:`admit`.
    """
    token = find_websocket_token(websocket, auth.config, login_type=auth.login_type)
    await auth.check_blocklist(token.token)
    payload = auth.verify_token(token, verify_csrf=False)
    return await go_on(auth, websocket, payload)


async def go_on(auth: Login, connection: HTTPConnection, payload: TokenPayload) -> TokenPayload:
    """See that a verified token goes on, and give its claims with the rights of today.

    Raises:
        RevokedTokenError: it was ended before its time, or its session or its user was.
        SessionRevoked: the session it belongs to does not go on.
    """
    await check_current(auth, payload)
    # Whoever serves a request writes its scope; what a client sends ends up in other keys of it.
    identity = connection.scope.get("authx.identity")
    if not isinstance(identity, Identity) or not identity.overridden:
        return payload
    if not _is_of_token(identity, payload, auth.config.JWT_IDENTITY_CLAIM):
        return payload
    rights = {name: identity.claims[name] for name in identity.overridden if name in identity.claims}
    return payload.model_copy(update=deepcopy(rights))


def _is_of_token(identity: Identity, payload: TokenPayload, user_claim: str) -> bool:
    """Whether an identity was made of the token with a payload; a scope may hold those of several logins."""
    holder = holder_of(payload, user_claim)
    if (holder.user, payload.login_type) != (identity.user, identity.login_type):
        return False
    if holder.token_id is not None or identity.token_id is not None:
        return holder.token_id == identity.token_id
    # Without an id it is known by all else that it says.
    known = TokenPayload.from_claims(identity.claims).model_dump(exclude_unset=True)
    shown = payload.model_dump(exclude_unset=True)
    return all(
        name in identity.overridden or (name in known and name in shown and known[name] == shown[name])
        for name in known.keys() | shown.keys()
    )


async def check_current(auth: Login, payload: TokenPayload) -> None:
    """Check that a verified token goes on. Whether it is in the blocklist has been asked before.

    Raises:
        RevokedTokenError: it was ended before its time, or its session or its user was.
        SessionRevoked: the session it belongs to does not go on.
    """
    await auth.check_ended(holder_of(payload, auth.config.JWT_IDENTITY_CLAIM))
    await auth.check_session(payload)


def _documented(guard: Guard, auth: Login, terms: Terms) -> Guard:
    return documented(guard, security_schemes(auth.config, type=terms.type, locations=terms.locations))
