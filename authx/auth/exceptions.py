"""Everything the login wing raises.

* :exc:`AuthXException`
    * :exc:`BadConfigurationError`
    * :exc:`JWTDecodeError`
        * :exc:`TokenExpiredError`
        * :exc:`TokenInvalidAudienceError`
        * :exc:`TokenInvalidIssuerError`
        * :exc:`TokenInvalidSignatureError`
    * :exc:`NoAuthorizationError`
    * :exc:`CSRFError`
    * :exc:`TokenError`
        * :exc:`MissingTokenError`
            * :exc:`MissingCSRFTokenError`
        * :exc:`TokenTypeError`
            * :exc:`AccessTokenRequiredError`
            * :exc:`LoginTypeMismatchError`
            * :exc:`RefreshTokenRequiredError`
        * :exc:`FreshTokenRequiredError`
        * :exc:`InsufficientScopeError`
        * :exc:`PolicyDeniedError`
        * :exc:`RevokedTokenError`
        * :exc:`TokenRequiredError`
    * :exc:`PolicyEvaluationError`
    * :exc:`RateLimitExceeded`
    * :exc:`SessionRevoked`
* :exc:`InvalidToken`

and one warning, :exc:`AuthxArgumentDeprecationWarning`.
"""

from __future__ import annotations

from typing import Any

__all__ = (
    "AccessTokenRequiredError",
    "AuthXException",
    "AuthxArgumentDeprecationWarning",
    "BadConfigurationError",
    "CSRFError",
    "FreshTokenRequiredError",
    "InsufficientScopeError",
    "InvalidToken",
    "JWTDecodeError",
    "LoginTypeMismatchError",
    "MissingCSRFTokenError",
    "MissingTokenError",
    "NoAuthorizationError",
    "PolicyDeniedError",
    "PolicyEvaluationError",
    "RateLimitExceeded",
    "RefreshTokenRequiredError",
    "RevokedTokenError",
    "SessionRevoked",
    "TokenError",
    "TokenExpiredError",
    "TokenInvalidAudienceError",
    "TokenInvalidIssuerError",
    "TokenInvalidSignatureError",
    "TokenRequiredError",
    "TokenTypeError",
)


class AuthXException(Exception):
    """Base of all errors of the login wing.

    Keyword arguments other than ``login_type`` are accepted and dropped.
    """

    def __init__(self, *args: Any, login_type: str | None = None, **_kwargs: Any) -> None:
        super().__init__(*args)
        self.login_type = login_type
        """The login type of the AuthX that raised it, where it has one."""


class BadConfigurationError(AuthXException):
    """The settings do not allow what was asked for. The server's fault, never the client's."""


class JWTDecodeError(AuthXException):
    """The token cannot be believed; subclasses say why where there is more to say."""


class TokenExpiredError(JWTDecodeError):
    """The token's ``exp`` has passed."""


class TokenInvalidSignatureError(JWTDecodeError):
    """The signature was not made with the key."""


class TokenInvalidAudienceError(JWTDecodeError):
    """The token is meant for somebody else."""


class TokenInvalidIssuerError(JWTDecodeError):
    """The token comes from somebody else."""


class NoAuthorizationError(AuthXException):
    """The request carries no authorization."""


class CSRFError(AuthXException):
    """The CSRF value sent along is not the one in the token."""


class TokenError(AuthXException):
    """The token is missing, or is not one that will do here."""


class MissingTokenError(TokenError):
    """No token was found; one argument for each place that was looked at."""


class MissingCSRFTokenError(MissingTokenError):
    """A token was found in a cookie, without its CSRF value."""


class TokenTypeError(TokenError):
    """The token is good, but of another type."""


class LoginTypeMismatchError(TokenTypeError):
    """The token is good, but belongs to another login type."""

    def __init__(
        self,
        expected_type: str,
        actual_type: str | None = None,
        message: str | None = None,
        login_type: str | None = None,
    ) -> None:
        self.expected_type = expected_type
        """The login type asked for."""
        self.actual_type = actual_type
        """The login type found; None if the token names none."""
        found = actual_type or "unknown"
        super().__init__(
            message or f"Token type mismatch: expected '{expected_type}', got '{found}'",
            login_type=login_type,
        )


class RevokedTokenError(TokenError):
    """The token was ended before its time."""


class TokenRequiredError(TokenError):
    """A token is needed here."""


class FreshTokenRequiredError(TokenError):
    """A token made by an actual login is needed here, not one made by a refresh."""


class AccessTokenRequiredError(TokenTypeError):
    """An access token is needed here."""


class RefreshTokenRequiredError(TokenTypeError):
    """A refresh token is needed here."""


class InsufficientScopeError(TokenError):
    """The token does not hold the scopes that are needed here."""

    def __init__(
        self,
        required: list[str],
        provided: list[str] | None = None,
        message: str | None = None,
        login_type: str | None = None,
    ) -> None:
        self.required = required
        """The scopes asked for."""
        self.provided = provided or []
        """The scopes the token holds."""
        super().__init__(
            message or f"Missing required scopes: {self.required}. Provided: {self.provided}",
            login_type=login_type,
        )


class PolicyDeniedError(TokenError):
    """A policy says no."""

    def __init__(self, reason: str = "Policy denied access", login_type: str | None = None) -> None:
        self.reason = reason
        """What the deciding rule gave as its reason."""
        super().__init__(reason, login_type=login_type)


class PolicyEvaluationError(AuthXException):
    """A policy cannot be judged."""


class RateLimitExceeded(AuthXException):
    """Too many requests."""

    def __init__(self, retry_after: int = 60, message: str | None = None) -> None:
        self.retry_after = retry_after
        """Whole seconds until the next attempt makes sense."""
        super().__init__(message or f"Rate limit exceeded. Retry after {retry_after} seconds.")


class SessionRevoked(AuthXException):
    """The login session was ended before its time."""


class InvalidToken(Exception):
    """A token is invalid. Outside the tree, and raised by nothing here; apps may."""

    def __init__(self, errors: str) -> None:
        super().__init__(errors)
        self.errors = errors
        """What is wrong with it."""


class AuthxArgumentDeprecationWarning(DeprecationWarning):
    """An argument still accepted, and without effect."""
