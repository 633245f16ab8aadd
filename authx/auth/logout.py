"""Logging out: what a request shows of its login is ended, and its cookies are removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from authx.auth.csrf import check_csrf, demands_csrf
from authx.auth.exceptions import (
    CSRFError,
    JWTDecodeError,
    MissingTokenError,
    TokenTypeError,
)
from authx.auth.guards import Login
from authx.auth.locations import find_token
from authx.auth.revocation import holder_of
from authx.auth.revoker import take_all
from authx.auth.schema import RequestToken, TokenPayload
from authx.auth.types import TokenLocation, TokenType
from authx.auth.verifier import Verifier

__all__ = ("LeavingLogin", "log_out")

_TYPES: tuple[TokenType, ...] = ("access", "refresh")


class LeavingLogin(Login, Protocol):
    """What logging out needs of ``AuthX``."""

    @property
    def verifier(self) -> Verifier:
        """Knows the login's own tokens, over or not."""

    async def revoke_session(self, session_id: str) -> None:
        """End a session."""

    async def revoke_token(self, token: str) -> None:
        """End a token."""

    def unset_cookies(self, response: Response) -> None:
        """Remove the cookies of both tokens."""


async def log_out(auth: LeavingLogin, request: Request, response: Response) -> None:
    """End the sessions that the tokens of a request name, or else the tokens, and remove the cookies.

    Every place of the settings is looked at. No token, or one that will not do, is nothing to end.

    Raises:
        CSRFError: a token came in a cookie without a CSRF value of the same user, where the settings demand
            it for the method. Then nothing is ended, and the cookies stay.
        ValueError: a token names neither a session nor, by a ``jti``, itself. Then the cookies stay.
    """
    auth.ensure_request_exception_handlers(request)
    found = await _find_all(auth, request)
    good = [(token, payload) for token in found if (payload := _payload(auth, token)) is not None]
    from_cookies = {_user(auth, payload) for token, payload in good if token.location == "cookies"}
    if from_cookies and demands_csrf(auth.config, request.method):
        _check_csrf(auth, found, from_cookies)
    # By what is ended: both tokens often name one session.
    steps: dict[str, Callable[[], Awaitable[None]]] = {}
    for token, payload in good:
        session = holder_of(payload).session
        if session is None:
            steps.setdefault(token.token, partial(auth.revoke_token, token.token))
        else:
            steps.setdefault(session, partial(auth.revoke_session, session))
    await take_all(*(step() for step in steps.values()))
    auth.unset_cookies(response)


async def _find_all(auth: LeavingLogin, request: Request) -> list[RequestToken]:
    places = [(type_, location) for type_ in _TYPES for location in auth.config.JWT_TOKEN_LOCATION]
    found = [await _find(auth, request, type_, location) for type_, location in places]
    return [token for token in found if token is not None]


async def _find(
    auth: LeavingLogin, request: Request, type_: TokenType, location: TokenLocation
) -> RequestToken | None:
    find = auth.get_access_token_from_request if type_ == "access" else auth.get_refresh_token_from_request
    try:
        return await find(request, [location])
    except MissingTokenError:
        pass
    try:
        # A cookie without its CSRF value is not seen above.
        return await find_token(request, auth.config, type=type_, locations=[location], demand_csrf=False)
    except MissingTokenError:
        return None


def _payload(auth: LeavingLogin, token: RequestToken) -> TokenPayload | None:
    """The claims of a token of this login that would do; None of another."""
    try:
        payload = auth.verify_token(token, verify_csrf=False)
    except (JWTDecodeError, TokenTypeError):
        return None
    return payload if auth.login_type in {None, payload.login_type} else None


def _user(auth: LeavingLogin, payload: TokenPayload) -> str:
    return holder_of(payload, auth.config.JWT_IDENTITY_CLAIM).user


def _check_csrf(auth: LeavingLogin, found: list[RequestToken], users: set[str]) -> None:
    """Check that the page that asks can read the CSRF value of a cookie of each user, over or not.

    One is enough for all tokens of a user: by default both values travel in the same header, which has room
    for one. It says nothing of others: a neighbour may have set a cookie of its own beside somebody's.
    Tokens from elsewhere come without a value.
    """
    vouched: set[str] = set()
    for token in found:
        try:
            claims = auth.verifier.own_claims(token.token)
            check_csrf(token.csrf, claims.get("csrf"))
            vouched.add(_user(auth, TokenPayload.from_claims(claims)))
        except (CSRFError, JWTDecodeError, TokenTypeError):
            continue
    if not users <= vouched:
        raise CSRFError("CSRF token is missing, or does not match", login_type=auth.login_type)
