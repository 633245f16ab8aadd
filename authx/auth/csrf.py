"""Cross-site request forgery: the double-submit comparison.

A browser sends cookies by itself, a value copied into a header or a payload it does not. So a
credential from a cookie counts only with the value of its own ``csrf`` claim beside it.
"""

from __future__ import annotations

import hmac

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import CSRFError

__all__ = ("check_csrf", "demands_csrf")


def demands_csrf(config: AuthXConfig, method: str) -> bool:
    """Whether a cookie counts only with its CSRF value, in a request of a method."""
    return config.JWT_COOKIE_CSRF_PROTECT and method in config.JWT_CSRF_METHODS


def check_csrf(submitted: str | None, claim: str | None, *, empty_counts: bool = False) -> None:
    """Check that the value sent along is the token's own.

    The time taken does not depend on where two values of equal length differ.

    Args:
        submitted: what came along, if anything did.
        claim: what the token holds, if anything.
        empty_counts: whether an empty value is one, and matches an empty claim. Such a token cannot be
            protected, so this is only for values that are known to have been asked for.

    Raises:
        CSRFError: it is missing, or another one.
    """
    if submitted is None or not (submitted or empty_counts):
        raise CSRFError("CSRF token is missing")
    # compare_digest refuses str beyond ASCII, and headers arrive as Latin-1.
    if claim is None or not hmac.compare_digest(_octets(submitted), _octets(claim)):
        raise CSRFError("CSRF double submit does not match")


def _octets(value: str) -> bytes:
    return value.encode(errors="surrogatepass")
