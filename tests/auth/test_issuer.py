"""Tokens made as the settings say."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import BadConfigurationError
from authx.auth.issuer import Issuer
from authx.auth.signature import signed_claims
from tests.auth.forge import NOW, SECRET, Clock


def issuer(login_type: str | None = None, now: float = NOW, **settings: Any) -> Issuer:
    return Issuer(AuthXConfig(JWT_SECRET_KEY=SECRET, **settings), login_type=login_type, clock=Clock(now))


def claims_of(token: str) -> dict[str, Any]:
    return signed_claims(token, SECRET, ("HS256",))


def test_access() -> None:
    """An access token says who, what for, since when and until when."""
    claims = claims_of(issuer(now=NOW + 0.25).token("ada", type="access"))

    assert claims.pop("jti")
    assert claims == {
        "sub": "ada",
        "type": "access",
        "fresh": False,
        "csrf": "",
        "iat": NOW,
        "exp": NOW + 900.25,
    }
    assert type(claims["iat"]) is int
    assert type(claims["exp"]) is float


def test_refresh() -> None:
    """A refresh token lives longer and is never fresh."""
    claims = claims_of(issuer().token("ada", type="refresh", fresh=True))

    assert "fresh" not in claims
    assert claims["exp"] == NOW + 20 * 86_400


def test_the_settings_are_read_each_time() -> None:
    """What is assigned to the settings later counts for the next token."""
    maker = issuer()
    maker.config.JWT_ACCESS_TOKEN_EXPIRES = timedelta(seconds=5)
    maker.config.JWT_REFRESH_TOKEN_EXPIRES = None
    maker.config.JWT_ENCODE_ISSUER = "me"

    assert claims_of(maker.token("ada", type="access"))["exp"] == NOW + 5
    assert "exp" not in claims_of(maker.token("ada", type="refresh"))
    assert claims_of(maker.token("ada", type="refresh"))["iss"] == "me"


@pytest.mark.parametrize(
    ("expiry", "exp"),
    [
        (timedelta(seconds=90.5), NOW + 90.5),
        (timedelta(seconds=-5), NOW - 5),
        (timedelta(0), NOW),
        (datetime(2030, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC), 1904281689.5),
    ],
)
def test_expiry(expiry: Any, exp: float) -> None:
    """The lifetime may be chosen for one token; a distance counts from the issuer's clock."""
    assert claims_of(issuer().token("ada", type="access", expiry=expiry))["exp"] == exp


@pytest.mark.parametrize(
    ("settings", "protected"),
    [
        ({}, False),
        ({"JWT_TOKEN_LOCATION": ["headers", "cookies"]}, True),
        ({"JWT_TOKEN_LOCATION": ["cookies"], "JWT_COOKIE_CSRF_PROTECT": False}, False),
    ],
)
def test_csrf(settings: dict[str, Any], protected: bool) -> None:
    """A CSRF value is in the token if it may travel in a cookie; the claim is always there."""
    assert bool(claims_of(issuer(**settings).token("ada", type="access"))["csrf"]) == protected


@pytest.mark.parametrize(
    ("settings", "written"), [({}, None), ({"JWT_ENCODE_NBF": True}, NOW), ({"JWT_ENCODE_NBF": False}, None)]
)
def test_nbf(settings: dict[str, Any], written: int | None) -> None:
    """Only those who ask for ``nbf`` get it."""
    assert claims_of(issuer(**settings).token("ada", type="access")).get("nbf") == written


def test_audience() -> None:
    """The settings' audience gives way to one given for the token."""
    maker = issuer(JWT_ENCODE_AUDIENCE="web")

    assert claims_of(maker.token("ada", type="access"))["aud"] == "web"
    assert claims_of(maker.token("ada", type="access", audience=["app"]))["aud"] == ["app"]


def test_scopes() -> None:
    """Scopes are written if there is a list, also an empty one."""
    assert claims_of(issuer().token("ada", type="access", scopes=[]))["scopes"] == []
    assert "scopes" not in claims_of(issuer().token("ada", type="access"))


def test_data() -> None:
    """More claims are written as they are, ``jti`` and ``iat`` among them, and stay the caller's."""
    data = {"role": None, "jti": "mine", "iat": 5, "login_type": "user"}
    before = dict(data)
    claims = claims_of(issuer().token("ada", type="access", data=data))

    assert {name: claims[name] for name in data} == before
    assert data == before
    assert claims_of(issuer().token("ada", type="access", data={"jti": ""}))["jti"]


def test_the_login_type_wins() -> None:
    """Nobody issues for another login."""
    assert (
        claims_of(issuer("admin").token("ada", type="access", data={"login_type": "root"}))["login_type"]
        == "admin"
    )


@pytest.mark.parametrize("name", ["aud", "csrf", "exp", "fresh", "iss", "nbf", "scopes", "sub", "type"])
def test_data_that_is_refused(name: str) -> None:
    """Claims with an argument or a setting of their own are refused by name."""
    with pytest.raises(ValueError, match=f"data must not set {name}"):
        issuer().token("ada", type="access", data={name: "x"})


def test_refusals() -> None:
    """The user is a string, the algorithm the settings', and there is a key."""
    with pytest.raises(ValidationError):
        issuer().token(5, type="access")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        issuer().token("ada", type="access", data={"jti": 5})
    with pytest.raises(ValueError, match="headers must not set alg"):
        issuer().token("ada", type="access", headers={"alg": "none"})
    with pytest.raises(BadConfigurationError):
        Issuer(AuthXConfig()).token("ada", type="access")


def test_session() -> None:
    """A token names its session if it has one, whatever the data says."""
    claims = claims_of(issuer().token("ada", type="refresh", session="s", data={"session_id": "x"}))

    assert claims["session_id"] == "s"
    assert "session_id" not in claims_of(issuer().token("ada", type="refresh"))


def test_the_longest_lifetime() -> None:
    """Of the settings as they are, and of what was made when they were others, or by its own expiry."""
    maker = issuer()
    assert maker.longest_lifetime == 20 * 86_400
    maker.token("ada", type="access", expiry=datetime.fromtimestamp(NOW, UTC) + timedelta(days=21))
    maker.token("ada", type="access", expiry=timedelta(days=-1))
    assert maker.longest_lifetime == 21 * 86_400
    maker.config.JWT_ACCESS_TOKEN_EXPIRES = timedelta(days=22)
    assert maker.longest_lifetime == 22 * 86_400

    maker.config.JWT_ACCESS_TOKEN_EXPIRES = None
    assert maker.longest_lifetime == math.inf
    maker.config.JWT_ACCESS_TOKEN_EXPIRES = timedelta(days=1)
    assert maker.longest_lifetime == 21 * 86_400
    maker.config.JWT_REFRESH_TOKEN_EXPIRES = None
    maker.token("ada", type="refresh")
    maker.config.JWT_REFRESH_TOKEN_EXPIRES = timedelta(days=1)
    assert maker.longest_lifetime == math.inf
