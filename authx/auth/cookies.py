"""The cookies that carry tokens, and the readable ones beside them that carry the CSRF value.

A cookie is unset with the attributes it was set with; browsers may ignore anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.signature import unsigned_claims
from authx.auth.types import TokenType

__all__ = ("set_token_cookies", "unset_token_cookies")


def set_token_cookies(
    response: Response,
    config: AuthXConfig,
    token: str,
    *,
    type: TokenType,  # noqa: A002 - the name of the claim
    max_age: int | None = None,
) -> None:
    """Put a token into its cookie, and its CSRF value into the cookie beside it.

    The token is not verified: whoever sets it has just made it, perhaps for another audience.

    Args:
        response: what carries the cookies.
        config: names, paths and attributes of the cookies.
        token: the token.
        type: which pair of cookies.
        max_age: seconds the cookies are kept for, instead of the settings'; 0 drops them at once.

    Raises:
        JWTDecodeError: it is no token. Then no cookie is set.
    """
    age = config.JWT_COOKIE_MAX_AGE if max_age is None else max_age
    cookies = _cookies(config, type)
    values = [token]
    if len(cookies) > 1:
        claim = unsigned_claims(token).get("csrf")
        values.append(claim if isinstance(claim, str) else "")
    for cookie, value in zip(cookies, values, strict=True):
        response.set_cookie(
            cookie.name,
            value,
            max_age=age,
            path=cookie.path,
            domain=config.JWT_COOKIE_DOMAIN,
            secure=config.JWT_COOKIE_SECURE,
            httponly=cookie.http_only,
            samesite=config.JWT_COOKIE_SAMESITE,
        )


def unset_token_cookies(
    response: Response,
    config: AuthXConfig,
    *,
    type: TokenType,  # noqa: A002 - the name of the claim
) -> None:
    """Remove a token's cookie, and the CSRF cookie beside it."""
    for cookie in _cookies(config, type):
        response.delete_cookie(
            cookie.name,
            path=cookie.path,
            domain=config.JWT_COOKIE_DOMAIN,
            secure=config.JWT_COOKIE_SECURE,
            httponly=cookie.http_only,
            samesite=config.JWT_COOKIE_SAMESITE,
        )


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    path: str
    http_only: bool


def _cookies(config: AuthXConfig, kind: TokenType) -> list[_Cookie]:
    """The token's cookie, and the CSRF cookie where the settings ask for one."""
    if kind == "access":
        token = config.JWT_ACCESS_COOKIE_NAME, config.JWT_ACCESS_COOKIE_PATH
        csrf = config.JWT_ACCESS_CSRF_COOKIE_NAME, config.JWT_ACCESS_CSRF_COOKIE_PATH
    else:
        token = config.JWT_REFRESH_COOKIE_NAME, config.JWT_REFRESH_COOKIE_PATH
        csrf = config.JWT_REFRESH_CSRF_COOKIE_NAME, config.JWT_REFRESH_CSRF_COOKIE_PATH
    cookies = [_Cookie(*token, http_only=config.JWT_COOKIE_HTTP_ONLY)]
    if config.JWT_COOKIE_CSRF_PROTECT and config.JWT_CSRF_IN_COOKIES:
        # Never HttpOnly: the page has to read the value to send it back.
        cookies.append(_Cookie(*csrf, http_only=False))
    return cookies
