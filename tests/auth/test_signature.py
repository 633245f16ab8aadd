"""Signed claims: what nobody without the key can write, and what nobody with it may."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from functools import cache
from typing import Any

import jwt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authx.auth.exceptions import BadConfigurationError, JWTDecodeError, TokenInvalidSignatureError
from authx.auth.signature import MAX_TOKEN_LENGTH, prepared_key, signed_claims, unsigned_claims
from tests.auth.forge import CLAIMS, HEADER, OTHER_SECRET, SECRET, b64, ec_pair, forge, rsa_pair, unsigned

HS256 = ("HS256",)


@cache
def rs256() -> str:
    return jwt.encode(CLAIMS, rsa_pair().private, "RS256")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_secrets(algorithm: str) -> None:
    """What a secret signed, the same secret reads, and no other."""
    token = jwt.encode(CLAIMS, SECRET, algorithm)

    assert signed_claims(token, SECRET, (algorithm,)) == CLAIMS
    with pytest.raises(TokenInvalidSignatureError, match="Signature verification failed"):
        signed_claims(token, OTHER_SECRET, (algorithm,))


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256"])
def test_key_pairs(algorithm: str) -> None:
    """What a private key signed, its public key reads."""
    pair = ec_pair() if algorithm == "ES256" else rsa_pair()
    token = jwt.encode(CLAIMS, pair.private, algorithm)

    assert signed_claims(token, pair.public, (algorithm,)) == CLAIMS


def test_several_algorithms() -> None:
    """The header picks among the algorithms allowed."""
    token = forge(CLAIMS, {"alg": "HS512"}, digest="sha512")

    assert signed_claims(token, SECRET, ("HS256", "HS512")) == CLAIMS
    with pytest.raises(JWTDecodeError, match="not allowed"):
        signed_claims(token, SECRET, HS256)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "hs256", "HS512", "RS256", None, ["HS256"], {}]
)
def test_the_header_does_not_decide(algorithm: Any) -> None:
    """No other algorithm than the one allowed is used, whatever the token says."""
    for header in ({"alg": algorithm}, {}):
        with pytest.raises(JWTDecodeError):
            signed_claims(forge(CLAIMS, header), SECRET, HS256)


@pytest.mark.parametrize("algorithms", [("none",), ("none", "HS256"), ("EdDSA",)])
def test_no_algorithm_at_all(algorithms: tuple[str, ...]) -> None:
    """An unsigned token is refused even where somebody asks for it."""
    with pytest.raises((JWTDecodeError, BadConfigurationError)):
        signed_claims(unsigned(CLAIMS), SECRET, algorithms)


@pytest.mark.parametrize("algorithms", [("RS256",), ("RS256", "HS256")])
def test_the_public_key_is_no_secret(algorithms: tuple[str, ...]) -> None:
    """A token signed with the public key as if it were a secret is refused (RFC 8725, section 2.1)."""
    token = forge(CLAIMS, HEADER, secret=rsa_pair().public)

    with pytest.raises(JWTDecodeError):
        signed_claims(token, rsa_pair().public, algorithms)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", SECRET),
        ("ES256", SECRET),
        ("HS256", ""),
        ("HS256", "pem"),
        ("XS256", SECRET),
        ("ES256", "pem"),
    ],
)
def test_keys_that_are_none(algorithm: str, key: str) -> None:
    """A key that does not fit its algorithm is the server's fault, not the token's."""
    with pytest.raises(BadConfigurationError, match=f"cannot be used with {algorithm}"):
        prepared_key(algorithm, rsa_pair().public if key == "pem" else key)


def test_keys_are_prepared_once() -> None:
    """The same text gives the same key, already examined."""
    assert prepared_key("RS256", rsa_pair().public) is prepared_key("RS256", rsa_pair().public)
    assert prepared_key("HS256", SECRET) is prepared_key("HS256", SECRET)


@given(st.data())
def test_mutations(data: st.DataObject) -> None:
    """A good token with any character changed, dropped or added anywhere is refused."""
    token = data.draw(st.sampled_from([forge(CLAIMS), rs256()]))
    place = data.draw(st.integers(0, len(token)))
    dropped = data.draw(st.integers(0, 2))
    added = data.draw(st.text(alphabet="ABw_-=. \n+/é", max_size=2))
    mutated = token[:place] + added + token[place + dropped :]
    assume(mutated != token)

    for key, algorithms in ((SECRET, HS256), (rsa_pair().public, ("RS256",))):
        with pytest.raises(JWTDecodeError):
            signed_claims(mutated, key, algorithms)


@pytest.mark.parametrize("ending", ["=", "==", "\n", " ", ".", "A", "%00"])
def test_one_spelling(ending: str) -> None:
    """A token cannot be spelled another way, or a revoked one could come back."""
    with pytest.raises(JWTDecodeError):
        signed_claims(forge(CLAIMS) + ending, SECRET, HS256)


def test_stray_bits() -> None:
    """The bits of the last character that mean nothing must be zero."""
    token = forge(CLAIMS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = alphabet[alphabet.index(token[-1]) + 1]

    with pytest.raises(JWTDecodeError):
        signed_claims(token[:-1] + sibling, SECRET, HS256)


def test_ecdsa_twins() -> None:
    """An ECDSA signature has a twin that anybody can compute: revocation must not go by the text alone."""
    token = jwt.encode(CLAIMS, ec_pair().private, "ES256")
    signed, _, signature = token.rpartition(".")
    octets = urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = octets[:32] + (order - int.from_bytes(octets[32:])).to_bytes(32)

    assert signed_claims(f"{signed}.{b64(twin)}", ec_pair().public, ("ES256",)) == CLAIMS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "x5c"]), JSON)
    | st.just({"alg": "HS256", "b64": False, "crit": ["b64"]}),
    payload=st.binary(max_size=40) | st.just(json.dumps(CLAIMS).encode()),
    secret=st.sampled_from([b"", b"secret", OTHER_SECRET.encode()]),
)
def test_forgeries(header: dict[str, Any], payload: bytes, secret: bytes) -> None:
    """Whatever header and payload, without the key there is no signature."""
    for token in (forge(payload, header, secret), forge(payload, {**header, "alg": "HS256"}, secret)):
        with pytest.raises(JWTDecodeError):
            signed_claims(token, SECRET, HS256)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=30))
def test_any_text(text: str) -> None:
    """Any text at all, lone surrogates among it, is refused with the one exception."""
    for token in (text, f"{text}.{text}.{text}", f"{b64(b'{}')}.{text}."):
        with pytest.raises(JWTDecodeError):
            signed_claims(token, SECRET, HS256)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b'"sub"',
        b"null",
        b'{"sub":"a","sub":"b"}',
        b'{"sub":"a","x":{"y":1,"y":2}}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":-Infinity}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"sub":"\\ud800"}',
        b'{"x":["\\uDfff"]}',
        b'{"\\udc00":1}',
        b'{"sub":"\xed\xa0\x80"}',
        '{"sub":"a"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"sub":"a"}',
        b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"x":' * 6000 + b"1" + b"}" * 6000,
        b'{"sub":"a"} {}',
    ],
    ids=lambda payload: payload[:24].hex(),
)
def test_payloads_that_are_no_claims(payload: bytes) -> None:
    """Also with a good signature: not JSON, not an object, not UTF-8, not unique, not finite, too deep."""
    with pytest.raises(JWTDecodeError, match="Invalid token"):
        signed_claims(forge(payload), SECRET, HS256)


@pytest.mark.parametrize("header", [b"", b"[]", b"\xff", b"[" * 40_000, b'{"alg":"HS256"'])
def test_headers_that_are_none(header: bytes) -> None:
    """A header that cannot be read is a refusal."""
    with pytest.raises(JWTDecodeError, match="Invalid token"):
        signed_claims(forge(CLAIMS, header), SECRET, HS256)


def test_text_beyond_ascii() -> None:
    """Every character has its place in claims, escaped or not."""
    claims = {"sub": "ada 🎲 é", "literal": "\\ud800"}

    assert signed_claims(forge(claims), SECRET, HS256) == claims
    assert signed_claims(forge(json.dumps(claims, ensure_ascii=False)), SECRET, HS256) == claims


@pytest.mark.parametrize("token", [None, b"a.b.c", 5, ["a"]])
def test_not_a_string(token: Any) -> None:
    """What is no string is no token."""
    with pytest.raises(JWTDecodeError, match="not a string"):
        signed_claims(token, SECRET, HS256)


def test_empty() -> None:
    """The empty token has a sentence of its own."""
    with pytest.raises(JWTDecodeError, match=r"^Token must not be empty$"):
        signed_claims("", SECRET, HS256)


def test_length() -> None:
    """A token may be as long as a header can be, and no longer, however good it is."""
    spare = "x" * 48_000

    assert signed_claims(forge({"x": spare}), SECRET, HS256) == {"x": spare}
    with pytest.raises(JWTDecodeError, match=f"longer than {MAX_TOKEN_LENGTH} characters"):
        signed_claims(forge({"x": spare * 2}), SECRET, HS256)
    with pytest.raises(JWTDecodeError, match="longer than"):
        signed_claims("x" * 1_000_000, SECRET, HS256)


def test_unsigned() -> None:
    """Without verifying, the claims are those of anybody, but still claims."""
    assert unsigned_claims(forge(CLAIMS, secret=OTHER_SECRET)) == CLAIMS
    assert unsigned_claims(unsigned(CLAIMS)) == CLAIMS
    with pytest.raises(JWTDecodeError):
        unsigned_claims("a.b.c")
    with pytest.raises(JWTDecodeError):
        unsigned_claims(forge(b"[]"))
