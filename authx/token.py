"""Tokens from claims and claims from tokens, under the import path apps know."""

from authx.auth.exceptions import (
    AuthxArgumentDeprecationWarning,
    JWTDecodeError,
    TokenExpiredError,
    TokenInvalidAudienceError,
    TokenInvalidIssuerError,
    TokenInvalidSignatureError,
)
from authx.auth.token import create_token, decode_token

__all__ = (
    "AuthxArgumentDeprecationWarning",
    "JWTDecodeError",
    "TokenExpiredError",
    "TokenInvalidAudienceError",
    "TokenInvalidIssuerError",
    "TokenInvalidSignatureError",
    "create_token",
    "decode_token",
)
