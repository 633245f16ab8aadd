"""One login for HTTP and for Socket.IO in FastAPI.

`AuthX` logs people in; `AuthXSocket` knows, from the same tokens, who is on the other end of a socket.
Only names are put together here: a plain `import types` would be overwritten by the module of that name.
"""

from authx.auth.config import AuthXConfig
from authx.auth.dependencies import AuthXDependency
from authx.auth.exceptions import (
    InsufficientScopeError,
    JWTDecodeError,
    LoginTypeMismatchError,
    PolicyDeniedError,
    PolicyEvaluationError,
    RateLimitExceeded,
    TokenExpiredError,
    TokenInvalidAudienceError,
    TokenInvalidIssuerError,
    TokenInvalidSignatureError,
)
from authx.auth.facade import AuthX
from authx.auth.limiter import RateLimiter
from authx.auth.manager import AuthManager
from authx.auth.policy import PolicyCondition, PolicyContext, PolicyDecision, PolicyEngine, PolicyRule
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse
from authx.auth.sessions import SessionInfo
from authx.socket.facade import AuthXSocket

__all__ = (
    "AuthManager",
    "AuthX",
    "AuthXConfig",
    "AuthXDependency",
    "AuthXSocket",
    "InsufficientScopeError",
    "JWTDecodeError",
    "LoginTypeMismatchError",
    "PolicyCondition",
    "PolicyContext",
    "PolicyDecision",
    "PolicyDeniedError",
    "PolicyEngine",
    "PolicyEvaluationError",
    "PolicyRule",
    "RateLimitExceeded",
    "RateLimiter",
    "RequestToken",
    "SessionInfo",
    "TokenExpiredError",
    "TokenInvalidAudienceError",
    "TokenInvalidIssuerError",
    "TokenInvalidSignatureError",
    "TokenPayload",
    "TokenResponse",
    "__version__",
)

__version__ = "2.0.0.dev0"
