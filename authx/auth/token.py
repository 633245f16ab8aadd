"""Tokens from claims and claims from tokens, with every choice an argument."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt

from authx.auth.claims import check_registered
from authx.auth.clock import system_clock
from authx.auth.exceptions import AuthxArgumentDeprecationWarning
from authx.auth.signature import prepared_key, signed_claims, unsigned_claims
from authx.auth.types import AlgorithmType, DateTimeExpression, Numeric, StringOrSequence

__all__ = ("create_token", "decode_token")

_RESERVED = frozenset({"aud", "csrf", "exp", "fresh", "iat", "iss", "jti", "nbf", "sub", "type"})


def create_token(  # noqa: PLR0917 - the order apps know
    uid: str,
    key: str,
    type: str = "access",  # noqa: A002 - the name apps know
    jti: str | None = None,
    expiry: DateTimeExpression | Numeric | None = None,
    issued: DateTimeExpression | Numeric | None = None,
    fresh: bool = False,
    csrf: str | bool | None = None,
    algorithm: AlgorithmType = "HS256",
    headers: dict[str, Any] | None = None,
    audience: StringOrSequence | None = None,
    issuer: str | None = None,
    additional_data: dict[str, Any] | None = None,
    not_before: DateTimeExpression | Numeric | None = None,
    data: dict[str, Any] | None = None,
    ignore_errors: bool = True,
) -> str:
    """Make a token.

    Args:
        uid: claim ``sub``.
        key: a secret, or a private key in PEM.
        type: claim ``type``.
        jti: claim ``jti``; a random one if None or empty.
        expiry: claim ``exp``: Unix seconds, a point in time, or a distance from now. None leaves it out.
        issued: claim ``iat``: Unix seconds or a point in time; now if it is anything else.
        fresh: claim ``fresh``, of access tokens only.
        csrf: claim ``csrf``: a string as it is, True for a random one; None or False leaves it out.
        algorithm: what to sign with.
        headers: more of the JOSE header (RFC 7515, section 4.1).
        audience: claim ``aud``; left out if None or empty.
        issuer: claim ``iss``; left out if None or empty.
        additional_data: more claims, which give way to all others.
        not_before: claim ``nbf``, as ``expiry``.
        data: more claims, before which all others give way.
        ignore_errors: whether registered names in ``additional_data`` are dropped, or refused.

    Raises:
        BadConfigurationError: the key is no key for the algorithm.
        ValueError: a registered name in ``additional_data``, or another algorithm in ``headers``.
    """
    extra = additional_data or {}
    if not ignore_errors and (clashes := sorted(_RESERVED & extra.keys())):
        raise ValueError(f"additional_data must not set {', '.join(clashes)}")
    if headers and headers.get("alg", algorithm) != algorithm:
        raise ValueError("headers must not set alg: the algorithm is an argument of its own")

    claims = {name: value for name, value in extra.items() if name not in _RESERVED}
    claims |= {"sub": uid, "jti": jti or str(uuid4()), "type": type}
    if type == "access":
        claims["fresh"] = fresh
    if csrf or isinstance(csrf, str):
        claims["csrf"] = csrf if isinstance(csrf, str) else str(uuid4())
    claims["iat"] = system_clock() if issued is None or isinstance(issued, timedelta) else _seconds(issued)
    if expiry is not None:
        claims["exp"] = _seconds(expiry)
    if not_before is not None:
        claims["nbf"] = _seconds(not_before)
    if audience:
        claims["aud"] = audience
    if issuer:
        claims["iss"] = issuer
    claims |= data or {}
    return jwt.encode(claims, prepared_key(algorithm, key), algorithm=algorithm, headers=headers)


def decode_token(  # noqa: PLR0917 - the order apps know
    token: str,
    key: str,
    algorithms: Sequence[AlgorithmType] | None = None,
    audience: StringOrSequence | None = None,
    issuer: str | None = None,
    verify: bool = True,
    data: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Read the claims of a token.

    Args:
        token: the token.
        key: a secret, or a public key in PEM.
        algorithms: those allowed; only HS256 if None or empty.
        audience: who we are. None refuses tokens with an ``aud``.
        issuer: who must have made the token. None accepts anybody who has the key.
        verify: False checks neither the signature nor any claim.
        data: deprecated, without effect.

    Raises:
        BadConfigurationError: the key is no key for the algorithm.
        JWTDecodeError: or the subclass that says what is wrong with the token.
    """
    if data is not None:
        warnings.warn(
            "decode_token: the argument 'data' has no effect",
            AuthxArgumentDeprecationWarning,
            stacklevel=2,
        )
    if not verify:
        return unsigned_claims(token)
    claims = signed_claims(token, key, algorithms or ("HS256",))
    check_registered(claims, now=system_clock(), audience=audience, issuer=issuer)
    return claims


def _seconds(moment: DateTimeExpression | Numeric) -> Numeric:
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, timedelta):
        return system_clock() + moment.total_seconds()
    return moment
