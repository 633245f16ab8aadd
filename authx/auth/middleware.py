"""Implicit refresh: an access token in a cookie that ends soon is renewed along with the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.csrf import demands_csrf
from authx.auth.exceptions import AuthXException
from authx.auth.guards import Login, check_current
from authx.auth.locations import find_token
from authx.auth.schema import TokenPayload

__all__ = ("RenewingLogin", "answer_and_renew")


class RenewingLogin(Login, Protocol):
    """What renewing needs of ``AuthX``."""

    def create_access_token(self, uid: str, *args: Any, **kwargs: Any) -> str:
        """Make an access token."""

    def set_access_cookies(self, token: str, response: Response) -> None:
        """Put an access token into cookies."""


async def answer_and_renew(
    auth: RenewingLogin,
    request: Request,
    call_next: Callable[[Request], Awaitable[Response]],
    *,
    now: Callable[[], float],
) -> Response:
    """Let the app answer, and renew the access token in the request's cookie if it ends soon.

    The new token is as the old one, but not fresh: a refresh is no login. It goes along with answers that
    are no errors, and leaves a cookie alone that the app sets or removes itself. What was revoked is not
    renewed, nor is what never ends. Which paths and methods take part is up to the settings.

    Args:
        auth: whose token.
        request: the request.
        call_next: gets the answer.
        now: gives the current time in Unix seconds.
    """
    response = await call_next(request)
    config = auth.config
    if (
        response.status_code < 400
        and config.has_location("cookies")
        and _takes_part(request, config)
        and not _sets_cookie(response, config.JWT_ACCESS_COOKIE_NAME)
    ):
        try:
            await _renew(auth, request, response, now)
        except AuthXException:
            # Whether the token will do was for the route's guard to say. The answer stays as it is.
            return response
    return response


async def _renew(auth: RenewingLogin, request: Request, response: Response, now: Callable[[], float]) -> None:
    config = auth.config
    # A CSRF value in a form has been read by the app, and is gone: only one in the header can be seen.
    token = await find_token(request, config, locations=["cookies"], demand_csrf=False)
    if demands_csrf(config, request.method) and token.csrf is None:
        return
    payload = auth.verify_token(token, verify_csrf=False)
    if payload.exp is None:
        return
    # Read before it is asked what was ended: what ends meanwhile ends the new token, too, as made before.
    made_at = now()
    left = payload.expiry_datetime.timestamp() - made_at
    if left >= config.JWT_IMPLICIT_REFRESH_DELTATIME.total_seconds():
        return
    await auth.check_blocklist(token.token)
    await check_current(auth, payload)
    renewed = auth.create_access_token(
        payload.sub,
        data={**_carried_over(auth, payload), "iat": int(made_at)},
        audience=payload.aud,
        scopes=payload.scopes,
    )
    auth.set_access_cookies(renewed, response)


def _carried_over(auth: RenewingLogin, payload: TokenPayload) -> dict[str, Any]:
    """The claims of the app's own, the session among them."""
    claims = payload.custom_claims
    if payload.login_type is not None and auth.login_type is None:
        claims["login_type"] = payload.login_type
    return claims


def _takes_part(request: Request, config: AuthXConfig) -> bool:
    path = request.url.path
    if path in config.JWT_IMPLICIT_REFRESH_ROUTE_EXCLUDE:
        return False
    if path in config.JWT_IMPLICIT_REFRESH_ROUTE_INCLUDE:
        return True
    return request.method not in config.JWT_IMPLICIT_REFRESH_METHOD_EXCLUDE


def _sets_cookie(response: Response, name: str) -> bool:
    return any(cookie.startswith(f"{name}=") for cookie in response.headers.getlist("set-cookie"))
