"""Names apps import from here, under the import path they know."""

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import CSRFError, MissingCSRFTokenError, MissingTokenError
from authx.auth.schema import RequestToken

__all__ = (
    "AuthXConfig",
    "CSRFError",
    "MissingCSRFTokenError",
    "MissingTokenError",
    "RequestToken",
)
