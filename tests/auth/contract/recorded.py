"""What AuthX 1.7.1 was recorded to do, and where we differ on purpose."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from authx.auth.config import AuthXConfig
from authx.auth.facade import AuthX
from tests.auth.forge import NOW

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

RESERVED = "a bare TypeError told nobody which claim was meant"
ALGORITHM = "the header of a token must not decide what signs it"

ANSWERED = "what is refused is answered, whoever refuses it"
ADMITTED = {"status": 200, "body": {"sub": "u1", "type": "access", "fresh": False, "scopes": None}}


def refused(status: int, message: str, error_type: str, **fields: Any) -> dict[str, Any]:
    return {"status": status, "body": {"message": message, "error_type": error_type, **fields}}


def too_many(seconds: int) -> dict[str, Any]:
    message = f"Rate limit exceeded. Retry after {seconds} seconds."
    answer = refused(429, message, "RateLimitExceeded", retry_after=seconds)
    return answer | {"headers": {"retry-after": str(seconds)}}


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
    "http/rate-limited-dep-no-handlers": (too_many(45), ANSWERED),
    "http/rate-limiter-only-no-handlers": (too_many(30), ANSWERED),
    "http/rate-limited-dep-missing-token-no-handlers": (
        refused(401, "Token Error", "MissingTokenError"),
        ANSWERED,
    ),
    "http/header-lowercase-scheme": (ADMITTED, "a scheme may be in any case (RFC 9110, section 11.1)"),
    "http/header-double-bearer": (
        refused(422, "Invalid Token", "JWTDecodeError"),
        "what is not at the start is not the scheme",
    ),
    "http/locations-query-refresh-type": (
        {"status": 200, "body": {"sub": "u1", "type": "refresh", "fresh": False, "scopes": None}},
        "a token is wanted for what the route asks for, wherever it is found",
    ),
    "http/locations-query-refresh-with-access": (
        refused(401, "Refresh token required", "RefreshTokenRequiredError"),
        "an access token must not do for a refresh token",
    ),
    "http/get-token-query-refresh": (
        {"status": 200, "body": {"token": "x", "csrf": None, "type": "refresh", "location": "query"}},
        "a token is wanted for what was asked for, wherever it is found",
    ),
    "http/locations-json-charset": (ADMITTED, "JSON with a parameter is JSON"),
    "http/cookie-verify-csrf-true-on-get-with-header": (ADMITTED, "the value is there, so it is checked"),
    "http/cookie-verify-csrf-false-on-post-no-header": (ADMITTED, "what is not checked is not demanded"),
    "http/cookies-set-access-max-age-zero": (
        {
            "status": 200,
            "body": {},
            "set-cookie": [
                "ac=<uuid4>; Domain=example.test; Max-Age=0; Path=/ac; SameSite=strict",
                "at=<jwt>; Domain=example.test; Max-Age=0; Path=/api; SameSite=strict",
            ],
        },
        "0 is a number of seconds",
    ),
    "http/set-cookies-audience-encode-only": (
        {
            "status": 200,
            "body": {},
            "set-cookie": [
                "access_token_cookie=<jwt>; HttpOnly; Path=/; SameSite=lax; Secure",
                'csrf_access_token=""; Path=/; SameSite=lax; Secure',
            ],
        },
        "an app may set cookies for an audience it is not part of",
    ),
    "openapi/rate-limited": (
        {
            "securitySchemes": {"AuthXBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "security": [{"AuthXBearer": []}],
        },
        "a route that asks for a token shows it",
    ),
    "websocket/header-lowercase-scheme": (
        {"sub": "u1"},
        "a scheme may be in any case (RFC 9110, section 11.1)",
    ),
}
"""Section and id of an entry: what happens now, and why."""


@cache
def document() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())
    return content


def cases(section: str) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in document()[section]]


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


def login(name: str, at: float = NOW) -> AuthX[Any]:
    login_type = document()["configs"][name].get("$login_type")
    return AuthX(settings(name), login_type=login_type, clock=lambda: at)


def normalised(cookie: str) -> str:
    cookie = re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>", cookie)
    cookie = UUID4.sub("<uuid4>", cookie)
    cookie = re.sub(r"expires=[^;]+", "expires=<date>", cookie)
    name, *attributes = cookie.split("; ")
    return "; ".join([name, *sorted(attributes, key=str.lower)])
