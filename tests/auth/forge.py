"""Tokens made by hand: whatever header, whatever payload, whatever signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

NOW = 1_767_225_600
"""The first second of 2026, in Unix seconds."""

SECRET = "correct-horse-battery-staple-correct-horse-battery-staple-0123456789"
OTHER_SECRET = "incorrect-horse-battery-staple-incorrect-horse-battery-staple-012345"

HEADER = {"alg": "HS256", "typ": "JWT"}
CLAIMS = {"sub": "ada", "jti": "j1", "type": "access", "iat": NOW, "exp": NOW + 900}


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class KeyPair:
    private: str
    public: str


@cache
def rsa_pair(_name: str = "") -> KeyPair:
    """An RSA key pair in PEM, the same one each time for a name."""
    return _pair(rsa.generate_private_key(public_exponent=65537, key_size=2048))


@cache
def ec_pair(_name: str = "") -> KeyPair:
    """A P-256 key pair in PEM, the same one each time for a name."""
    return _pair(ec.generate_private_key(ec.SECP256R1()))


def _pair(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> KeyPair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(private.decode(), public.decode())


def b64(octets: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def forge(
    payload: Mapping[str, Any] | str | bytes,
    header: Mapping[str, Any] | str | bytes = HEADER,
    secret: str | bytes = SECRET,
    digest: str = "sha256",
) -> str:
    """A token of anything, signed with an HMAC whatever its header says."""
    signing_input = f"{b64(_octets(header))}.{b64(_octets(payload))}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signing_input}.{b64(hmac.digest(key, signing_input.encode(), getattr(hashlib, digest)))}"


def unsigned(payload: Mapping[str, Any]) -> str:
    """A token of the algorithm ``none`` (RFC 7518, section 3.6)."""
    return f"{b64(_octets({'alg': 'none'}))}.{b64(_octets(payload))}."


def _octets(part: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(part, bytes):
        return part
    return (part if isinstance(part, str) else json.dumps(part)).encode()
