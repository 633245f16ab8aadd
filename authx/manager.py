"""Several logins of one app, under the import path apps know."""

from authx.auth.exceptions import (
    BadConfigurationError,
    JWTDecodeError,
    LoginTypeMismatchError,
    PolicyDeniedError,
    RevokedTokenError,
)
from authx.auth.facade import AuthX
from authx.auth.manager import AuthManager
from authx.auth.policy import (
    PolicyContext,
    PolicyEngine,
    PolicyEvaluator,
    PolicyRule,
)
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse

__all__ = (
    "AuthManager",
    "AuthX",
    "BadConfigurationError",
    "JWTDecodeError",
    "LoginTypeMismatchError",
    "PolicyContext",
    "PolicyDeniedError",
    "PolicyEngine",
    "PolicyEvaluator",
    "PolicyRule",
    "RequestToken",
    "RevokedTokenError",
    "TokenPayload",
    "TokenResponse",
)
