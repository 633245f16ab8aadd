"""Replays what AuthX 1.7.1 was recorded to do, and names where we differ on purpose."""

from __future__ import annotations

import base64
import json
import re
import warnings
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import AuthXException
from authx.auth.facade import AuthX
from authx.auth.schema import RequestToken, TokenPayload
from authx.auth.token import create_token, decode_token
from tests.auth.forge import NOW

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

RESERVED = "a bare TypeError told nobody which claim was meant"
ALGORITHM = "the header of a token must not decide what signs it"

DELIBERATE: dict[str, tuple[Any, str]] = {
    "mint/data-csrf": ({"exception": "ValueError"}, RESERVED),
    "mint/data-exp": ({"exception": "ValueError"}, RESERVED),
    "mint/data-scopes": ({"exception": "ValueError"}, RESERVED),
    "mint/data-sub": ({"exception": "ValueError"}, RESERVED),
    "mint/data-type": ({"exception": "ValueError"}, RESERVED),
    "mint/headers-alg-none": ({"exception": "ValueError"}, ALGORITHM),
    "mint/headers-alg-override": ({"exception": "ValueError"}, ALGORITHM),
    "verify/leeway-has-no-effect": ({"sub": "u1"}, "a setting that is documented is honoured"),
    "verify/decode-algorithms-has-no-effect": ({"sub": "u1"}, "a setting made explicitly is honoured"),
    "verify/neg-expired-current-key-with-rotation": (
        {"exception": "TokenExpiredError"},
        "an expired token is not a forged one, so the previous key is not asked",
    ),
    "verify/cookie-token-empty-csrf-empty-header": (
        {"exception": "CSRFError"},
        "nothing never equals nothing: a token without a CSRF value cannot be protected by one",
    ),
    "cookies/cookies-set-access-max-age-zero": (
        [
            "ac=<uuid4>; Domain=example.test; Max-Age=0; Path=/ac; SameSite=strict",
            "at=<jwt>; Domain=example.test; Max-Age=0; Path=/api; SameSite=strict",
        ],
        "0 is a number of seconds",
    ),
    "cookies/set-cookies-audience-encode-only": (
        [
            "access_token_cookie=<jwt>; HttpOnly; Path=/; SameSite=lax; Secure",
            'csrf_access_token=""; Path=/; SameSite=lax; Secure',
        ],
        "an app may set cookies for an audience it is not part of",
    ),
}
"""Section and id of an entry: what happens now, and why."""


@cache
def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())
    return content


def cases(section: str) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in document()[section]]


def cookie_cases() -> list[Any]:
    recorded = document()["http"]
    return [
        pytest.param(vector, id=vector["id"])
        for vector in recorded
        if vector["request"]["path"].startswith("/cookies/")
    ]


def cases_without_settings() -> list[Any]:
    """Those whose settings are arguments of ``RequestToken.verify``: not rotation, not leeway, not more."""
    beyond = {"hs_rotated", "rs_rotated", "leeway", "decode_algs"}
    return [
        pytest.param(vector, id=vector["id"])
        for vector in document()["verify"]
        if vector["config"] not in beyond
    ]


def expected(section: str, vector: dict[str, Any]) -> Any:
    """What is to happen: what was recorded, unless we differ on purpose."""
    if (ours := DELIBERATE.get(f"{section}/{vector['id']}")) is not None:
        return ours[0]
    return vector["expect"]


def revived(value: Any) -> Any:
    if isinstance(value, list):
        return [revived(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"$seconds"}:
        return timedelta(seconds=value["$seconds"])
    if set(value) == {"$utc"}:
        return datetime.fromisoformat(value["$utc"]).replace(tzinfo=UTC)
    return {name: revived(item) for name, item in value.items()}


def settings(name: str) -> AuthXConfig:
    values = {key: value for key, value in document()["configs"][name].items() if key != "$login_type"}
    for key, value in values.items():
        if isinstance(value, str) and value.startswith("$key:"):
            values[key] = document()["keys"][value.removeprefix("$key:")]
    return AuthXConfig(**revived(values))


def login(name: str, at: float = NOW) -> AuthX:
    login_type = document()["configs"][name].get("$login_type")
    return AuthX(settings(name), login_type=login_type, clock=lambda: at)


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


@pytest.mark.parametrize("vector", cookie_cases())
def test_cookies(vector: dict[str, Any]) -> None:
    """Cookies are set and unset with the same names, values and attributes."""
    auth = login(vector["config"])
    response = Response()
    what, _, max_age = vector["request"]["path"].removeprefix("/cookies/").partition("?max_age=")
    age = int(max_age) if max_age else None
    if what == "set-access":
        auth.set_access_cookies(auth.create_access_token("u1"), response, max_age=age)
    elif what == "set-refresh":
        auth.set_refresh_cookies(auth.create_refresh_token("u1"), response, max_age=age)
    else:
        unset = {"unset-access": auth.unset_access_cookies, "unset-refresh": auth.unset_refresh_cookies}
        unset.get(what, auth.unset_cookies)(response)

    want = expected("cookies", vector)
    cookies = want["set-cookie"] if isinstance(want, dict) else want
    if what.startswith("unset"):
        cookies = sorted(with_own_attributes(cookie, auth.config) for cookie in cookies)
    assert sorted(normalised(cookie) for cookie in response.headers.getlist("set-cookie")) == cookies


def with_own_attributes(cookie: str, config: AuthXConfig) -> str:
    """A deletion as we write it: with the attributes the cookie was set with, which upstream left out."""
    name, *attributes = cookie.replace("SameSite=lax", f"SameSite={config.JWT_COOKIE_SAMESITE}").split("; ")
    token_names = (config.JWT_ACCESS_COOKIE_NAME, config.JWT_REFRESH_COOKIE_NAME)
    if config.JWT_COOKIE_HTTP_ONLY and name.startswith(token_names):
        attributes.append("HttpOnly")
    if config.JWT_COOKIE_SECURE:
        attributes.append("Secure")
    return "; ".join([name, *sorted(attributes, key=str.lower)])


def normalised(cookie: str) -> str:
    cookie = re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>", cookie)
    cookie = UUID4.sub("<uuid4>", cookie)
    cookie = re.sub(r"expires=[^;]+", "expires=<date>", cookie)
    name, *attributes = cookie.split("; ")
    return "; ".join([name, *sorted(attributes, key=str.lower)])


def test_every_difference_is_about_a_recorded_case() -> None:
    """No deliberate difference outlives the entry it is about."""
    known = {
        f"{section}/{vector['id']}"
        for section in ("mint", "mint_raw", "decode", "verify", "scopes")
        for vector in document()[section]
    }
    known |= {f"cookies/{vector['id']}" for vector in document()["http"]}

    assert DELIBERATE.keys() <= known
