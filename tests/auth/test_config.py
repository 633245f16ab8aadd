"""The settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import BadConfigurationError

SECRETS = ("JWT_SECRET_KEY", "JWT_PRIVATE_KEY", "JWT_PREVIOUS_SECRET_KEY")

DEFAULTS: dict[str, Any] = {
    "JWT_ACCESS_COOKIE_NAME": "access_token_cookie",
    "JWT_ACCESS_COOKIE_PATH": "/",
    "JWT_ACCESS_CSRF_COOKIE_NAME": "csrf_access_token",
    "JWT_ACCESS_CSRF_COOKIE_PATH": "/",
    "JWT_ACCESS_CSRF_FIELD_NAME": "csrf_token",
    "JWT_ACCESS_CSRF_HEADER_NAME": "X-CSRF-TOKEN",
    "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=15),
    "JWT_ALGORITHM": "HS256",
    "JWT_COOKIE_CSRF_PROTECT": True,
    "JWT_COOKIE_DOMAIN": None,
    "JWT_COOKIE_HTTP_ONLY": True,
    "JWT_COOKIE_MAX_AGE": None,
    "JWT_COOKIE_SAMESITE": "lax",
    "JWT_COOKIE_SECURE": True,
    "JWT_CSRF_CHECK_FORM": False,
    "JWT_CSRF_IN_COOKIES": True,
    "JWT_CSRF_METHODS": ["POST", "PUT", "PATCH", "DELETE"],
    "JWT_DECODE_ALGORITHMS": ["HS256"],
    "JWT_DECODE_AUDIENCE": None,
    "JWT_DECODE_ISSUER": None,
    "JWT_DECODE_LEEWAY": 0,
    "JWT_ENCODE_AUDIENCE": None,
    "JWT_ENCODE_ISSUER": None,
    "JWT_ENCODE_NBF": True,
    "JWT_ERROR_MESSAGE_KEY": "msg",
    "JWT_HEADER_NAME": "Authorization",
    "JWT_HEADER_TYPE": "Bearer",
    "JWT_IDENTITY_CLAIM": "sub",
    "JWT_IMPLICIT_REFRESH_DELTATIME": timedelta(minutes=10),
    "JWT_IMPLICIT_REFRESH_METHOD_EXCLUDE": [],
    "JWT_IMPLICIT_REFRESH_METHOD_INCLUDE": [],
    "JWT_IMPLICIT_REFRESH_ROUTE_EXCLUDE": [],
    "JWT_IMPLICIT_REFRESH_ROUTE_INCLUDE": [],
    "JWT_JSON_KEY": "access_token",
    "JWT_PREVIOUS_PUBLIC_KEY": None,
    "JWT_PREVIOUS_SECRET_KEY": None,
    "JWT_PRIVATE_KEY": None,
    "JWT_PUBLIC_KEY": None,
    "JWT_QUERY_STRING_NAME": "token",
    "JWT_REFRESH_COOKIE_NAME": "refresh_token_cookie",
    "JWT_REFRESH_COOKIE_PATH": "/",
    "JWT_REFRESH_CSRF_COOKIE_NAME": "csrf_refresh_token",
    "JWT_REFRESH_CSRF_COOKIE_PATH": "/",
    "JWT_REFRESH_CSRF_FIELD_NAME": "csrf_token",
    "JWT_REFRESH_CSRF_HEADER_NAME": "X-CSRF-TOKEN",
    "JWT_REFRESH_JSON_KEY": "refresh_token",
    "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=20),
    "JWT_SECRET_KEY": None,
    "JWT_SESSION_COOKIE": True,
    "JWT_SESSION_TRACKING": False,
    "JWT_SESSION_UPDATE_LAST_ACTIVE": True,
    "JWT_TOKEN_LOCATION": ["headers"],
}


def config(**values: Any) -> AuthXConfig:
    return AuthXConfig(**values)


def test_defaults() -> None:
    """Every setting is there, with the default it always had."""
    assert config().model_dump() == DEFAULTS


def test_defaults_are_not_shared() -> None:
    """A list changed in one config stays as it was in another."""
    first = config()
    first.JWT_IMPLICIT_REFRESH_ROUTE_EXCLUDE.append("/x")

    assert config().JWT_IMPLICIT_REFRESH_ROUTE_EXCLUDE == []


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from variables of the same names, lists as JSON, and arguments win."""
    monkeypatch.setenv("jwt_secret_key", "from-the-environment")
    monkeypatch.setenv("JWT_TOKEN_LOCATION", '["cookies"]')
    monkeypatch.setenv("JWT_HEADER_NAME", "X-Environment")

    settings = config(JWT_HEADER_NAME="X-Argument")

    assert settings.JWT_SECRET_KEY == "from-the-environment"
    assert settings.JWT_TOKEN_LOCATION == ["cookies"]
    assert settings.JWT_HEADER_NAME == "X-Argument"


@pytest.mark.parametrize(
    "values",
    [
        {"JWT_COLOUR": "red"},
        {"JWT_ALGORITHM": "none"},
        {"JWT_ALGORITHM": "EdDSA"},
        {"JWT_TOKEN_LOCATION": "headers"},
        {"JWT_TOKEN_LOCATION": {"headers"}},
        {"JWT_TOKEN_LOCATION": ["pocket"]},
        {"JWT_CSRF_METHODS": ["post"]},
        {"JWT_COOKIE_SAMESITE": "Lax"},
    ],
)
def test_refused(values: dict[str, Any]) -> None:
    """Unknown names and values are refused when the config is made."""
    with pytest.raises(ValidationError):
        config(**values)


def test_durations_are_seconds() -> None:
    """A number given for a duration is a number of seconds."""
    lifetime = config(JWT_ACCESS_TOKEN_EXPIRES=30).JWT_ACCESS_TOKEN_EXPIRES

    assert lifetime == timedelta(seconds=30)


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_not_shown(name: str) -> None:
    """What must stay secret is in no repr and no str, and so in no log."""
    settings = config(**{name: "hidden-value"})

    assert getattr(settings, name) == "hidden-value"
    assert "hidden-value" not in repr(settings)
    assert "hidden-value" not in str(settings)


@pytest.mark.parametrize(
    ("algorithm", "symmetric", "asymmetric"),
    [("HS512", True, False), ("RS256", False, True), ("ES256K", False, True), ("PS512", False, True)],
)
def test_families(algorithm: str, symmetric: bool, asymmetric: bool) -> None:
    """An algorithm works with a secret or with a key pair."""
    settings = config(JWT_ALGORITHM=algorithm)

    assert (settings.is_algo_symmetric, settings.is_algo_asymmetric) == (symmetric, asymmetric)


def test_keys_of_a_symmetric_algorithm() -> None:
    """One secret signs and verifies."""
    settings = config(
        JWT_SECRET_KEY="s", JWT_PRIVATE_KEY="r", JWT_PUBLIC_KEY="u", JWT_PREVIOUS_SECRET_KEY="p"
    )

    assert (settings.private_key, settings.public_key, settings.previous_public_key) == ("s", "s", "p")


def test_keys_of_an_asymmetric_algorithm() -> None:
    """The private key signs, the public key verifies."""
    settings = config(
        JWT_ALGORITHM="ES256",
        JWT_SECRET_KEY="s",
        JWT_PRIVATE_KEY="r",
        JWT_PUBLIC_KEY="u",
        JWT_PREVIOUS_PUBLIC_KEY="p",
    )

    assert (settings.private_key, settings.public_key, settings.previous_public_key) == ("r", "u", "p")


@pytest.mark.parametrize("values", [{}, {"JWT_SECRET_KEY": ""}, {"JWT_ALGORITHM": "RS256"}])
def test_missing_keys(values: dict[str, Any]) -> None:
    """A missing or empty key is an error when it is asked for, and not before."""
    settings = config(**values)

    with pytest.raises(BadConfigurationError, match="must be set"):
        _ = settings.private_key
    with pytest.raises(BadConfigurationError, match="must be set"):
        _ = settings.public_key
    assert settings.previous_public_key is None


def test_assigned_later() -> None:
    """Attributes may be assigned anything; an unknown algorithm has no keys."""
    settings = config(JWT_SECRET_KEY="s", JWT_PREVIOUS_SECRET_KEY="p")
    settings.JWT_ALGORITHM = "BLAH"  # type: ignore[assignment]

    assert not settings.is_algo_symmetric
    assert not settings.is_algo_asymmetric
    assert settings.previous_public_key is None
    with pytest.raises(BadConfigurationError, match="'BLAH' is not supported"):
        _ = settings.private_key
    with pytest.raises(BadConfigurationError, match="'BLAH' is not supported"):
        _ = settings.public_key


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        ({}, ("HS256",)),
        ({"JWT_ALGORITHM": "RS256"}, ("RS256",)),
        ({"JWT_DECODE_ALGORITHMS": ["HS512", "HS256"]}, ("HS256", "HS512")),
        ({"JWT_DECODE_ALGORITHMS": []}, ("HS256",)),
        ({"JWT_DECODE_ALGORITHMS": ["RS256"]}, ("HS256",)),
        ({"JWT_ALGORITHM": "RS256", "JWT_DECODE_ALGORITHMS": ["HS256", "PS256"]}, ("RS256", "PS256")),
    ],
)
def test_accepted_algorithms(values: dict[str, Any], accepted: tuple[str, ...]) -> None:
    """Further algorithms count if they were set explicitly and take the same kind of key."""
    assert config(**values).accepted_algorithms == accepted


def test_accepted_algorithms_assigned_later() -> None:
    """Assigning is setting explicitly, and ``none`` is never accepted."""
    settings = config()
    settings.JWT_DECODE_ALGORITHMS = ["none", "HS384"]  # type: ignore[list-item]

    assert settings.accepted_algorithms == ("HS256", "HS384")


def test_locations() -> None:
    """A place is one of those configured, or it is not."""
    settings = config(JWT_TOKEN_LOCATION=("headers", "json"))

    assert settings.has_location("json")
    assert not settings.has_location("cookies")
