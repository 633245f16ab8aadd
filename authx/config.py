"""The settings, under the import path apps know."""

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import BadConfigurationError

__all__ = (
    "AuthXConfig",
    "BadConfigurationError",
)
