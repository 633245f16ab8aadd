"""Cross-site request forgery: the double-submit comparison.

A browser sends cookies by itself, a value copied into a header or a payload it does not. So a
credential from a cookie counts only with the value of its own ``csrf`` claim beside it.
"""

from __future__ import annotations

import hmac

from authx.auth.exceptions import CSRFError

__all__ = ("check_csrf", "csrf_matches")


def csrf_matches(submitted: str | None, claim: str | None) -> bool:
    """Whether the value sent along is the token's own. Nothing, or an empty string, never is.

    The time taken does not depend on where two values of equal length differ.
    """
    if not submitted or not claim:
        return False
    # compare_digest refuses str beyond ASCII, and headers arrive as Latin-1.
    return hmac.compare_digest(submitted.encode(errors="surrogatepass"), claim.encode(errors="surrogatepass"))


def check_csrf(submitted: str | None, claim: str | None) -> None:
    """Raise :exc:`CSRFError` unless the value sent along is the token's own."""
    if not submitted:
        raise CSRFError("CSRF token is missing")
    if not csrf_matches(submitted, claim):
        raise CSRFError("CSRF double submit does not match")
