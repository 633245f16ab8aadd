"""The vocabulary."""

from __future__ import annotations

from typing import get_args

from authx.auth import types
from authx.auth.types import (
    AsymmetricAlgorithmType,
    HTTPMethod,
    SameSitePolicy,
    SymmetricAlgorithmType,
    TokenLocation,
    TokenType,
)


def test_literals() -> None:
    """The literals allow what they always allowed."""
    assert get_args(SymmetricAlgorithmType) == ("HS256", "HS384", "HS512")
    assert get_args(AsymmetricAlgorithmType) == (
        *("ES256", "ES256K", "ES384", "ES512"),
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    )
    assert get_args(HTTPMethod) == ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
    assert get_args(SameSitePolicy) == ("lax", "strict", "none")
    assert get_args(TokenType) == ("access", "refresh")
    assert get_args(TokenLocation) == ("headers", "cookies", "json", "query")


def test_every_name_is_there() -> None:
    """What the module promises, it holds."""
    assert [name for name in types.__all__ if not hasattr(types, name)] == []
