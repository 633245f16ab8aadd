"""Signed claims: a compact JWS (RFC 7515, section 7.1) in, its claims out, or one error.

The only module that hands bytes from outside to the JWT library.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, get_args

from jwt import InvalidKeyError, InvalidSignatureError, PyJWS
from jwt.algorithms import HMACAlgorithm

from authx.auth.exceptions import (
    BadConfigurationError,
    JWTDecodeError,
    TokenInvalidSignatureError,
)
from authx.auth.types import AsymmetricAlgorithmType, SymmetricAlgorithmType

__all__ = ("MAX_TOKEN_LENGTH", "prepared_key", "signed_claims", "unsigned_claims")

MAX_TOKEN_LENGTH = 65_536
"""Characters. No server takes longer headers; in a body, a longer one would only buy the sender our time."""

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class _Secret(bytes):
    """An HMAC secret that the library has examined."""

    __slots__ = ()


class _HMAC(HMACAlgorithm):
    """HMAC that takes a prepared key back as it is, as the library's RSA and EC algorithms do.

    Examining a secret (is it a PEM, a JWK, a certificate?) takes longer than the HMAC itself.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        if isinstance(key, _Secret):
            return key
        if not key:
            # Older releases of the library sign and verify with it.
            raise InvalidKeyError("HMAC key must not be empty.")
        return _Secret(super().prepare_key(key))


def _library() -> PyJWS:
    """The library, without the algorithm ``none``."""
    library = PyJWS(algorithms=[*get_args(SymmetricAlgorithmType), *get_args(AsymmetricAlgorithmType)])
    for name, digest in (
        ("HS256", HMACAlgorithm.SHA256),
        ("HS384", HMACAlgorithm.SHA384),
        ("HS512", HMACAlgorithm.SHA512),
    ):
        library.unregister_algorithm(name)
        library.register_algorithm(name, _HMAC(digest))
    return library


_jws = _library()


@lru_cache(maxsize=32)
def prepared_key(algorithm: str, key: str) -> Any:
    """The key in the form the algorithm works with, examined once per text.

    Raises:
        BadConfigurationError: the algorithm is not known, or the text is no key for it.
    """
    try:
        return _jws.get_algorithm_by_name(algorithm).prepare_key(key)
    except Exception as error:
        # Parsers of keys raise many things, and each of them means that the key is no good.
        raise BadConfigurationError(f"The key cannot be used with {algorithm}: {error}") from error


def signed_claims(token: str, key: str, algorithms: Sequence[str]) -> dict[str, Any]:
    """The claims of a token whose signature was made with the key. The claims are not looked at.

    Args:
        token: the compact serialisation.
        key: a secret, or a public key in PEM.
        algorithms: those allowed. The token's header picks among them, never beyond.

    Raises:
        BadConfigurationError: the key is no key for the algorithm.
        TokenInvalidSignatureError: the signature was made with another key.
        JWTDecodeError: anything else is wrong with the token.
    """
    # Several algorithms may want the key in different forms: then it is prepared for each token.
    prepared = prepared_key(algorithms[0], key) if len(algorithms) == 1 else key
    return _opened(token, key=prepared, algorithms=algorithms)


def unsigned_claims(token: str) -> dict[str, Any]:
    """The claims of a token, whoever signed it, if anybody did.

    Raises:
        JWTDecodeError: it is no token.
    """
    return _opened(token, options={"verify_signature": False})


def _opened(token: str, **how: Any) -> dict[str, Any]:
    try:
        octets = _octets(token)
        opened = _jws.decode_complete(octets, **how)
        _check_spelling(octets, opened["signature"])
        return _claims(opened["payload"])
    except InvalidSignatureError:
        raise TokenInvalidSignatureError("Signature verification failed") from None
    except JWTDecodeError:
        raise
    except Exception as error:
        # Bytes from outside: whatever they provoke is their fault, and a refusal.
        raise JWTDecodeError(f"Invalid token: {error}") from error


def _check_spelling(octets: bytes, signature: bytes) -> None:
    # The signature covers the rest of the token, but not its own spelling: the library takes padding there,
    # and older releases take stray bits. A revoked token must not come back spelled another way.
    if not octets.endswith(b"." + urlsafe_b64encode(signature).rstrip(b"=")):
        raise JWTDecodeError("Invalid token: the signature is not in canonical base64url")


def _octets(token: str) -> bytes:
    if not isinstance(token, str):
        raise JWTDecodeError("Invalid token: not a string")
    if not token:
        raise JWTDecodeError("Token must not be empty")
    if len(token) > MAX_TOKEN_LENGTH:
        raise JWTDecodeError(f"Invalid token: longer than {MAX_TOKEN_LENGTH} characters")
    return token.encode("ascii")


def _claims(payload: bytes) -> dict[str, Any]:
    text = payload.decode("utf-8")
    claims = _json.decode(text)
    if not isinstance(claims, dict):
        raise JWTDecodeError("Invalid token: Invalid payload string: must be a json object")
    if _SURROGATE_ESCAPE.search(text):
        # A lone surrogate is a str that no database, log or wire takes. This raises if there is one.
        json.dumps(claims, ensure_ascii=False).encode()
    return claims


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7519, section 4: claim names must be unique, and parsers may reject those that are not.
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise ValueError("duplicate claim")
    return claims


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_json = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
