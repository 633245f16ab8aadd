"""Which pages may connect, and which with cookies."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.socket.origin import AllowedOrigins, CORSRules, OriginPolicy, own_origins

OWN = frozenset({"https://app.test"})


def policy(allowed: AllowedOrigins = None, rules: CORSRules = CORSRules()) -> OriginPolicy:  # noqa: B008
    return OriginPolicy(allowed, lambda: rules)


@pytest.mark.parametrize(
    ("allowed", "origin", "token", "cookie"),
    [
        (None, "https://app.test", True, True),
        (None, "https://APP.test:443", True, True),
        (None, "http://app.test", False, False),
        (None, "https://app.test:8443", False, False),
        (None, "https://evil.test", False, False),
        (None, "null", False, False),
        (None, "", False, False),
        (None, "https://app.test:443/x", False, False),
        (None, "https://app.test@evil.test", False, False),
        ([], "https://app.test", True, True),
        ([], "https://evil.test", False, False),
        ("https://spa.test", "https://spa.test", True, True),
        (["https://spa.test:443"], "https://spa.test", True, True),
        (["https://spa.test"], "https://evil.test", False, False),
        (["https://spa.test"], "https://spa.test.evil.test", False, False),
        ("*", "https://evil.test", True, False),
        ("*", "null", True, False),
        (["*", "https://spa.test"], "https://spa.test", True, True),
        (["*", "https://spa.test"], "https://evil.test", True, False),
        (lambda origin: origin.endswith(".app.test"), "https://a.app.test", True, True),
        (lambda origin: origin.endswith(".app.test"), "https://evil.test", False, False),
    ],
)
def test_cors_allowed_origins(allowed: AllowedOrigins, origin: str, token: bool, cookie: bool) -> None:
    assert policy(allowed).permits(origin, OWN) is token
    assert policy(allowed).permits_cookies(origin, OWN) is cookie


@pytest.mark.parametrize(
    ("rules", "origin", "token", "cookie"),
    [
        ({"origins": frozenset({"https://spa.test"}), "credentials": True}, "https://spa.test", True, True),
        ({"origins": frozenset({"https://spa.test"}), "credentials": False}, "https://spa.test", True, False),
        (
            {"origins": frozenset({"https://spa.test"}), "credentials": True},
            "https://evil.test",
            False,
            False,
        ),
        ({"any_origin": True, "credentials": True}, "https://evil.test", True, False),
        ({"pattern": re.compile(r"https://\w+\.test"), "credentials": True}, "https://spa.test", True, True),
        (
            {"pattern": re.compile(r"https://\w+\.test"), "credentials": True},
            "https://spa.test.evil",
            False,
            False,
        ),
        ({"pattern": re.compile(".*"), "credentials": True}, "https://evil.test", True, False),
        ({"pattern": re.compile("https://.*"), "credentials": True}, "https://evil.test", True, False),
    ],
)
def test_the_rules_of_the_apps_middleware(
    rules: dict[str, Any], origin: str, token: bool, cookie: bool
) -> None:
    assert policy(rules=CORSRules(**rules)).permits(origin, OWN) is token
    assert policy(rules=CORSRules(**rules)).permits_cookies(origin, OWN) is cookie


@pytest.mark.parametrize(
    ("scheme", "headers", "expected"),
    [
        ("http", {"host": "app.test"}, {"http://app.test"}),
        ("wss", {"host": "App.test:443"}, {"https://app.test"}),
        ("ws", {"host": "127.0.0.1:8000"}, {"http://127.0.0.1:8000"}),
        ("https", {"host": "[::1]:8443"}, {"https://[::1]:8443"}),
        (
            "http",
            {"host": "backend:8000", "x-forwarded-proto": "https", "x-forwarded-host": "app.test, proxy"},
            {"http://backend:8000", "https://backend:8000"},
        ),
        ("https", {"host": "app.test", "x-forwarded-proto": "http"}, {"https://app.test"}),
        ("http", {"host": "", "x-forwarded-host": "evil.test"}, set()),
        ("http", {}, set()),
    ],
)
def test_the_apps_own_origins_come_from_the_request(
    scheme: str, headers: dict[str, str], expected: set[str]
) -> None:
    assert own_origins(scheme, headers) == expected


@given(st.text())
def test_no_text_is_an_origin_of_the_app_by_accident(origin: str) -> None:
    assert not policy().permits(origin, OWN)
    assert not policy("*").permits_cookies(origin, OWN)


@given(
    st.text(), st.dictionaries(st.sampled_from(["host", "x-forwarded-proto", "x-forwarded-host"]), st.text())
)
def test_no_header_breaks_the_reading(scheme: str, headers: dict[str, str]) -> None:
    assert len(own_origins(scheme, headers)) <= 2
