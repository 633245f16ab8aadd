"""The login of one request, under the import path apps know."""

from authx.auth.dependencies import AuthXDependency
from authx.auth.schema import TokenResponse

__all__ = (
    "AuthXDependency",
    "TokenResponse",
)
