"""AuthX and what it works with, under the import path apps know."""

from authx.auth.config import AuthXConfig
from authx.auth.dependencies import AuthXDependency
from authx.auth.exceptions import (
    AuthXException,
    InsufficientScopeError,
    JWTDecodeError,
    MissingTokenError,
    RevokedTokenError,
)
from authx.auth.facade import AuthX
from authx.auth.limiter import RateLimiter
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse
from authx.auth.sessions import SessionInfo

__all__ = (
    "AuthX",
    "AuthXConfig",
    "AuthXDependency",
    "AuthXException",
    "InsufficientScopeError",
    "JWTDecodeError",
    "MissingTokenError",
    "RateLimiter",
    "RequestToken",
    "RevokedTokenError",
    "SessionInfo",
    "TokenPayload",
    "TokenResponse",
)
