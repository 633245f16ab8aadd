"""Logins for tests: an AuthX with a key, and what a browser would show."""

from typing import Any

from authx import AuthX, AuthXConfig
from authx.auth.types import TokenLocation

KEY = "k" * 64


def login(*locations: TokenLocation, **settings: Any) -> AuthX:
    """Return an AuthX that takes tokens from `locations`, headers by default."""
    places = locations or ("headers",)
    return AuthX(AuthXConfig(JWT_SECRET_KEY=KEY, JWT_TOKEN_LOCATION=places, **settings))


def csrf_of(auth: AuthX, token: str) -> str:
    """Return the double-submit value of a token."""
    value: str = auth.verifier.claims(token)["csrf"]
    return value


def cookie_header(auth: AuthX, token: str) -> dict[str, str]:
    """Return the Cookie header of somebody logged in with `token`."""
    return {"Cookie": f"{auth.config.JWT_ACCESS_COOKIE_NAME}={token}"}
