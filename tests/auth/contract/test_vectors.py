"""Replays what AuthX 1.7.1 was recorded to do with tokens and scopes."""

from __future__ import annotations

import base64
import json
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from freezegun import freeze_time

from authx.auth.exceptions import AuthXException
from authx.auth.schema import RequestToken, TokenPayload
from authx.auth.token import create_token, decode_token
from tests.auth.contract.recorded import (
    UUID4,
    cases,
    document,
    expected,
    login,
    revived,
    settings,
)


def cases_without_settings() -> list[Any]:
    """Those whose settings are arguments of ``RequestToken.verify``: not rotation, not leeway, not more."""
    beyond = {"hs_rotated", "rs_rotated", "leeway", "decode_algs"}
    return [
        pytest.param(vector, id=vector["id"])
        for vector in document()["verify"]
        if vector["config"] not in beyond
    ]


def parts(token: str) -> dict[str, Any]:
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]
    )
    for name in ("jti", "csrf"):
        if UUID4.fullmatch(str(claims.get(name))):
            claims[name] = "<uuid4>"
    return {"header": header, "claims": claims}


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("vector", cases("mint"))
def test_mint(vector: dict[str, Any]) -> None:
    """Tokens made from the settings hold the same claims, of the same JSON types."""
    auth = login(vector["config"], instant(vector["at"]))
    try:
        got = parts(getattr(auth, vector["call"])(**revived(vector["kwargs"])))
    except (AuthXException, ValueError) as error:
        got = {"exception": type(error).__name__}

    assert got == expected("mint", vector)
    assert types_of(got) == types_of(expected("mint", vector))


@pytest.mark.parametrize("vector", cases("mint_raw"))
def test_mint_raw(vector: dict[str, Any]) -> None:
    """Tokens made from arguments hold the same claims, of the same JSON types."""
    with freeze_time(vector["at"]):
        try:
            got = parts(create_token(key=document()["keys"]["hs_a"], **revived(vector["kwargs"])))
        except ValueError as error:
            got = {"exception": type(error).__name__}

    assert got == expected("mint_raw", vector)
    assert types_of(got) == types_of(expected("mint_raw", vector))


def types_of(value: Any) -> Any:
    """The tree of JSON types: Python alone would take 5 for 5.0, and True for 1."""
    if isinstance(value, dict):
        return {name: types_of(item) for name, item in value.items()}
    return [types_of(item) for item in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("vector", cases("decode"))
def test_decode(vector: dict[str, Any]) -> None:
    """Reading with every choice an argument gives the same claims, or the same exception."""
    kwargs = dict(vector["kwargs"])
    kwargs["key"] = document()["keys"][kwargs["key"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            got: dict[str, Any] = {"claims": decode_token(vector["token"], **kwargs)}
        except AuthXException as error:
            got = {"exception": type(error).__name__}

    assert got == expected("decode", vector)


@pytest.mark.parametrize("vector", cases("verify"))
def test_verify(vector: dict[str, Any]) -> None:
    """Verifying by the settings gives the same payload, or the same exception."""
    auth = login(vector["config"])
    token = RequestToken(
        token=vector["token"],
        csrf=vector.get("csrf"),
        type=vector["type"],
        location=vector["location"],
    )
    made_up = vector.get("made_up_when_absent", ())
    try:
        payload = auth.verify_token(token, **vector["flags"])
        dump = payload.model_dump(mode="json")
        got: dict[str, Any] = {"payload": {name: dump[name] for name in dump if name not in made_up}}
    except AuthXException as error:
        got = {"exception": type(error).__name__}

    want = expected("verify", vector)
    if "sub" in want:
        assert got["payload"]["sub"] == want["sub"]
    else:
        assert got == want


@pytest.mark.parametrize("vector", cases_without_settings())
def test_verify_without_the_settings(vector: dict[str, Any]) -> None:
    """A request token verifies itself as the settings would have it."""
    config = settings(vector["config"])
    token = RequestToken(
        token=vector["token"],
        csrf=vector.get("csrf"),
        type=vector["type"],
        location=vector["location"],
    )
    try:
        token.verify(
            config.public_key,
            [config.JWT_ALGORITHM],
            config.JWT_DECODE_AUDIENCE,
            config.JWT_DECODE_ISSUER,
            **vector["flags"],
        )
        got: dict[str, Any] = {}
    except AuthXException as error:
        got = {"exception": type(error).__name__}

    assert got.get("exception") == expected("verify", vector).get("exception")


@pytest.mark.parametrize("vector", cases("scopes"))
def test_scopes(vector: dict[str, Any]) -> None:
    """Scopes are satisfied by the same scopes."""
    payload = TokenPayload(sub="x", scopes=vector["provided"])

    result = payload.has_scopes(*vector["required"], all_required=vector["all_required"])

    assert result == expected("scopes", vector)["result"]
