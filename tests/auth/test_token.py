"""Tokens from claims, and claims from tokens."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from authx.auth.exceptions import (
    AuthxArgumentDeprecationWarning,
    BadConfigurationError,
    JWTDecodeError,
    TokenExpiredError,
    TokenInvalidAudienceError,
    TokenInvalidIssuerError,
    TokenInvalidSignatureError,
)
from authx.auth.token import create_token, decode_token
from authx.auth.types import AlgorithmType
from tests.auth.forge import CLAIMS, OTHER_SECRET, SECRET, forge, rsa_pair, unsigned

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def claims_of(**arguments: Any) -> dict[str, Any]:
    return decode_token(create_token("ada", SECRET, **arguments), SECRET, verify=False)


def test_the_least_a_token_holds() -> None:
    """User, id, type, freshness and time of issue, and nothing that was not asked for."""
    claims = claims_of()

    assert claims.keys() == {"sub", "jti", "type", "fresh", "iat"}
    assert UUID4.fullmatch(claims["jti"])
    assert isinstance(claims["iat"], float)


def test_ids_differ() -> None:
    """Every token has an id of its own, unless it is given one."""
    assert claims_of()["jti"] != claims_of()["jti"]
    assert UUID4.fullmatch(claims_of(jti="")["jti"])
    assert claims_of(jti="mine")["jti"] == "mine"


@pytest.mark.parametrize("kind", ["refresh", "reset"])
def test_only_access_tokens_are_fresh(kind: str) -> None:
    """Freshness is a property of access tokens."""
    assert "fresh" not in claims_of(type=kind, fresh=True)


@pytest.mark.parametrize(("csrf", "written"), [("c", "c"), ("", ""), (None, None), (False, None)])
def test_csrf(csrf: Any, written: str | None) -> None:
    """A string is written as it is; True asks for a random one; None and False for none."""
    assert claims_of(csrf=csrf).get("csrf") == written
    assert UUID4.fullmatch(claims_of(csrf=True)["csrf"])


def test_times() -> None:
    """Times are numbers, points in time, or distances from now."""
    point = datetime(2030, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)
    claims = claims_of(expiry=point, not_before=5, issued=point)

    assert (claims["exp"], claims["nbf"], claims["iat"]) == (1904281689.5, 5, 1904281689.5)
    ends = claims_of(expiry=timedelta(seconds=-5))
    assert ends["iat"] - 5 == pytest.approx(ends["exp"], abs=1)


def test_additional_data_gives_way() -> None:
    """Registered names in ``additional_data`` are dropped, or refused by name; ``data`` wins over all."""
    claims = claims_of(
        additional_data={"sub": "eve", "role": "x", "scopes": ["s"]}, data={"role": "y", "type": "z"}
    )

    assert (claims["sub"], claims["role"], claims["scopes"], claims["type"]) == ("ada", "y", ["s"], "z")
    with pytest.raises(ValueError, match="additional_data must not set exp, sub"):
        claims_of(additional_data={"sub": "eve", "exp": 1, "role": "x"}, ignore_errors=False)


def test_headers() -> None:
    """Headers are the caller's, but for the algorithm."""
    token = create_token("ada", SECRET, headers={"kid": "k1", "typ": "at+jwt", "alg": "HS256"})

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "k1", "typ": "at+jwt"}
    for algorithm in ("HS512", "none"):
        with pytest.raises(ValueError, match="headers must not set alg"):
            create_token("ada", SECRET, headers={"alg": algorithm})


def test_a_key_that_does_not_fit() -> None:
    """Neither making nor reading a token works with a key of another kind."""
    with pytest.raises(BadConfigurationError):
        create_token("ada", SECRET, algorithm="RS256")
    with pytest.raises(BadConfigurationError):
        create_token("ada", rsa_pair().public)
    with pytest.raises(BadConfigurationError):
        decode_token(create_token("ada", SECRET), SECRET, ["ES256"])


def test_there_and_back() -> None:
    """A token is read with the other half of its key pair."""
    token = create_token("ada", rsa_pair().private, algorithm="PS256", audience=["web"], issuer="me")
    claims = decode_token(token, rsa_pair().public, ["PS256"], audience="web", issuer="me")

    assert (claims["sub"], claims["aud"], claims["iss"]) == ("ada", ["web"], "me")


@pytest.mark.parametrize(
    ("token", "expectations", "error", "sentence"),
    [
        ("", {}, JWTDecodeError, "Token must not be empty"),
        ("x", {}, JWTDecodeError, "Invalid token: Not enough segments"),
        (forge({**CLAIMS, "exp": 1}), {}, TokenExpiredError, "Token has expired"),
        (forge(CLAIMS, secret=OTHER_SECRET), {}, TokenInvalidSignatureError, "Signature verification failed"),
        (forge({"aud": "a"}), {"audience": "b"}, TokenInvalidAudienceError, "Invalid audience"),
        (forge({"aud": "a"}), {}, TokenInvalidAudienceError, "Invalid audience"),
        (forge({}), {"audience": "b"}, JWTDecodeError, 'Invalid token: Token is missing the "aud" claim'),
        (forge({"iss": "a"}), {"issuer": "b"}, TokenInvalidIssuerError, "Invalid issuer"),
        (forge({}), {"issuer": "b"}, JWTDecodeError, 'Invalid token: Token is missing the "iss" claim'),
        (forge({"nbf": 4e9}), {}, JWTDecodeError, "Invalid token: The token is not yet valid (nbf)"),
        (
            forge({"exp": "x"}),
            {},
            JWTDecodeError,
            "Invalid token: Expiration Time claim (exp) must be an integer.",
        ),
        (forge({"sub": 5}), {}, JWTDecodeError, "Invalid token: Subject must be a string"),
        (
            forge({}),
            {"algorithms": ["HS512"]},
            JWTDecodeError,
            "Invalid token: The specified alg value is not allowed",
        ),
    ],
)
def test_refusals(token: str, expectations: dict[str, Any], error: type[Exception], sentence: str) -> None:
    """Each fault has its exception and its sentence."""
    with pytest.raises(error) as caught:
        decode_token(token, SECRET, **expectations)

    assert type(caught.value) is error
    assert str(caught.value) == sentence


def test_the_signature_comes_first() -> None:
    """What a forged token claims does not matter."""
    with pytest.raises(TokenInvalidSignatureError):
        decode_token(forge({"exp": 1, "aud": "x"}, secret=OTHER_SECRET), SECRET)


def test_without_verifying() -> None:
    """Neither signature nor claims are looked at."""
    expired = {"sub": "ada", "exp": 1, "aud": "x"}

    assert decode_token(forge(expired, secret=OTHER_SECRET), SECRET, verify=False) == expired
    assert decode_token(unsigned(expired), SECRET, verify=False) == expired


@pytest.mark.parametrize("algorithms", [None, []])
def test_algorithms_default_to_hs256(algorithms: list[AlgorithmType] | None) -> None:
    """No algorithms named means one, not all."""
    assert decode_token(forge({"sub": "ada"}), SECRET, algorithms) == {"sub": "ada"}
    with pytest.raises(JWTDecodeError):
        decode_token(forge({}, {"alg": "HS512"}, digest="sha512"), SECRET, algorithms)


def test_the_deprecated_argument() -> None:
    """``data`` warns, even when empty, and changes nothing."""
    with pytest.warns(AuthxArgumentDeprecationWarning, match="'data' has no effect"):
        claims = decode_token(forge({"sub": "ada"}), SECRET, data={})

    assert claims == {"sub": "ada"}
