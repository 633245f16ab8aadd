"""What tokens look like to an app, under the import path apps know."""

from authx.auth.exceptions import (
    AccessTokenRequiredError,
    CSRFError,
    FreshTokenRequiredError,
    JWTDecodeError,
    RefreshTokenRequiredError,
    TokenTypeError,
)
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse

__all__ = (
    "AccessTokenRequiredError",
    "CSRFError",
    "FreshTokenRequiredError",
    "JWTDecodeError",
    "RefreshTokenRequiredError",
    "RequestToken",
    "TokenPayload",
    "TokenResponse",
    "TokenTypeError",
)
