"""The tree of exceptions, their attributes and their sentences."""

from __future__ import annotations

import inspect

import pytest

from authx.auth import exceptions
from authx.auth.exceptions import (
    AuthxArgumentDeprecationWarning,
    AuthXException,
    InsufficientScopeError,
    InvalidToken,
    JWTDecodeError,
    LoginTypeMismatchError,
    PolicyDeniedError,
    RateLimitExceeded,
)

PARENTS = {
    "AccessTokenRequiredError": "TokenTypeError",
    "AuthXException": "Exception",
    "AuthxArgumentDeprecationWarning": "DeprecationWarning",
    "BadConfigurationError": "AuthXException",
    "CSRFError": "AuthXException",
    "FreshTokenRequiredError": "TokenError",
    "InsufficientScopeError": "TokenError",
    "InvalidToken": "Exception",
    "JWTDecodeError": "AuthXException",
    "LoginTypeMismatchError": "TokenTypeError",
    "MissingCSRFTokenError": "MissingTokenError",
    "MissingTokenError": "TokenError",
    "NoAuthorizationError": "AuthXException",
    "PolicyDeniedError": "TokenError",
    "PolicyEvaluationError": "AuthXException",
    "RateLimitExceeded": "AuthXException",
    "RefreshTokenRequiredError": "TokenTypeError",
    "RevokedTokenError": "TokenError",
    "SessionRevoked": "AuthXException",
    "TokenError": "AuthXException",
    "TokenExpiredError": "JWTDecodeError",
    "TokenInvalidAudienceError": "JWTDecodeError",
    "TokenInvalidIssuerError": "JWTDecodeError",
    "TokenInvalidSignatureError": "JWTDecodeError",
    "TokenRequiredError": "TokenError",
    "TokenTypeError": "TokenError",
}


def test_the_tree() -> None:
    """Every exception hangs where apps expect it, and is exported."""
    parents = {name: getattr(exceptions, name).__base__.__name__ for name in exceptions.__all__}

    assert parents == PARENTS


def test_the_drawing() -> None:
    """The tree drawn at the top of the module is the tree."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (inspect.getdoc(exceptions) or "").splitlines():
        if line.lstrip().startswith("* "):
            name = line.split("`")[1]
            path = [*path[: line.index("*") // 4], name]
            drawn[name] = path[-2] if len(path) > 1 else "Exception"

    assert drawn == {name: PARENTS[name] for name in PARENTS if "Warning" not in name}


def test_arguments() -> None:
    """Arguments are the text; the login type is kept, other keywords are dropped."""
    error = AuthXException("one", "two", login_type="admin", colour="red")

    assert error.args == ("one", "two")
    assert error.login_type == "admin"
    assert AuthXException().login_type is None
    assert str(JWTDecodeError("text")) == "text"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (LoginTypeMismatchError("admin"), "Token type mismatch: expected 'admin', got 'unknown'"),
        (LoginTypeMismatchError("admin", "user"), "Token type mismatch: expected 'admin', got 'user'"),
        (LoginTypeMismatchError("admin", message="own"), "own"),
        (InsufficientScopeError(["a:read"]), "Missing required scopes: ['a:read']. Provided: []"),
        (
            InsufficientScopeError(["a:read", "b"], ["c"]),
            "Missing required scopes: ['a:read', 'b']. Provided: ['c']",
        ),
        (InsufficientScopeError(["a"], message="own"), "own"),
        (PolicyDeniedError(), "Policy denied access"),
        (PolicyDeniedError("why"), "why"),
        (RateLimitExceeded(), "Rate limit exceeded. Retry after 60 seconds."),
        (RateLimitExceeded(7), "Rate limit exceeded. Retry after 7 seconds."),
        (RateLimitExceeded(7, message="own"), "own"),
        (InvalidToken("x"), "x"),
    ],
)
def test_sentences(error: Exception, sentence: str) -> None:
    """Exceptions that carry data make their own sentence of it, unless they are given one."""
    assert str(error) == sentence


def test_attributes() -> None:
    """The data stays on the exception."""
    mismatch = LoginTypeMismatchError("admin", "user", login_type="admin")
    missing = InsufficientScopeError(["a"], login_type="admin")

    assert (mismatch.expected_type, mismatch.actual_type, mismatch.login_type) == ("admin", "user", "admin")
    assert (missing.required, missing.provided, missing.login_type) == (["a"], [], "admin")
    assert PolicyDeniedError("why", login_type="admin").reason == "why"
    assert PolicyDeniedError("why", login_type="admin").login_type == "admin"
    assert RateLimitExceeded(7).retry_after == 7
    assert RateLimitExceeded(7).login_type is None
    assert InvalidToken("x").errors == "x"
    assert issubclass(AuthxArgumentDeprecationWarning, DeprecationWarning)
