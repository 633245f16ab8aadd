"""The cookies that carry tokens."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest
from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.cookies import set_token_cookies, unset_token_cookies
from authx.auth.exceptions import JWTDecodeError
from authx.auth.types import TokenType
from tests.auth.forge import OTHER_SECRET, forge

TUNED: dict[str, Any] = {
    "JWT_ACCESS_COOKIE_NAME": "at",
    "JWT_ACCESS_COOKIE_PATH": "/api",
    "JWT_ACCESS_CSRF_COOKIE_NAME": "ac",
    "JWT_ACCESS_CSRF_COOKIE_PATH": "/ac",
    "JWT_REFRESH_COOKIE_NAME": "rt",
    "JWT_REFRESH_COOKIE_PATH": "/rt",
    "JWT_REFRESH_CSRF_COOKIE_NAME": "rc",
    "JWT_REFRESH_CSRF_COOKIE_PATH": "/rc",
    "JWT_COOKIE_DOMAIN": "example.test",
    "JWT_COOKIE_SAMESITE": "none",
    "JWT_COOKIE_MAX_AGE": 600,
}
ATTRIBUTES = ("path", "domain", "secure", "httponly", "samesite")


def cookies(response: Response) -> dict[str, Morsel[str]]:
    parsed: dict[str, Morsel[str]] = {}
    for header in response.headers.getlist("set-cookie"):
        parsed |= SimpleCookie(header)
    return parsed


def was_set(
    token: str, max_age: int | None = None, kind: TokenType = "access", **settings: Any
) -> dict[str, Morsel[str]]:
    response = Response()
    set_token_cookies(response, AuthXConfig(**settings), token, type=kind, max_age=max_age)
    return cookies(response)


def was_unset(kind: TokenType = "access", **settings: Any) -> dict[str, Morsel[str]]:
    response = Response()
    unset_token_cookies(response, AuthXConfig(**settings), type=kind)
    return cookies(response)


def test_a_token_and_its_csrf_value() -> None:
    """The token is hidden from the page, its CSRF value is not."""
    token = forge({"csrf": "value"})
    pair = was_set(token)

    assert {name: cookie.value for name, cookie in pair.items()} == {
        "access_token_cookie": token,
        "csrf_access_token": "value",
    }
    assert pair["access_token_cookie"]["httponly"]
    assert not pair["csrf_access_token"]["httponly"]


@pytest.mark.parametrize("claims", [{}, {"csrf": None}, {"csrf": 5}, {"csrf": ""}])
def test_no_csrf_value(claims: dict[str, Any]) -> None:
    """A token without a CSRF value leaves the cookie empty."""
    assert was_set(forge(claims))["csrf_access_token"].value == ""


@pytest.mark.parametrize("setting", ["JWT_COOKIE_CSRF_PROTECT", "JWT_CSRF_IN_COOKIES"])
def test_no_csrf_cookie(setting: str) -> None:
    """Without protection, or with another way for the value, there is one cookie only."""
    switched_off: dict[str, Any] = {setting: False}

    assert list(was_set("not even a token", **switched_off)) == ["access_token_cookie"]
    assert list(was_unset(**switched_off)) == ["access_token_cookie"]


def test_names_and_paths() -> None:
    """Each of the four cookies has a name and a path of its own."""
    token = forge({"csrf": "c"})
    placed = {
        name: cookie["path"]
        for kind in ("access", "refresh")
        for name, cookie in was_set(token, kind=kind, **TUNED).items()
    }

    assert placed == {"at": "/api", "ac": "/ac", "rt": "/rt", "rc": "/rc"}


@pytest.mark.parametrize(
    ("argument", "setting", "written"),
    [(None, None, ""), (None, 600, "600"), (5, 600, "5"), (0, 600, "0"), (None, 0, "0")],
)
def test_max_age(argument: int | None, setting: int | None, written: str) -> None:
    """Seconds from the argument, else from the settings, else for as long as the browser runs; 0 counts."""
    pair = was_set(forge({}), max_age=argument, JWT_COOKIE_MAX_AGE=setting)

    assert [cookie["max-age"] for cookie in pair.values()] == [written, written]


@pytest.mark.parametrize("kind", ["access", "refresh"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        TUNED,
        {"JWT_COOKIE_SECURE": False, "JWT_COOKIE_HTTP_ONLY": False},
        {"JWT_COOKIE_SAMESITE": None},
        {"JWT_COOKIE_SAMESITE": "strict"},
    ],
)
def test_unset_as_set(kind: TokenType, settings: dict[str, Any]) -> None:
    """A deletion names the same cookies with the same attributes, empty and expired."""
    made, removed = was_set(forge({}), kind=kind, **settings), was_unset(kind, **settings)

    assert removed.keys() == made.keys()
    for name, cookie in removed.items():
        assert {key: cookie[key] for key in ATTRIBUTES} == {key: made[name][key] for key in ATTRIBUTES}
        assert (cookie.value, cookie["max-age"]) == ("", "0")
        assert cookie["expires"]


def test_not_verified() -> None:
    """Whoever sets a token vouches for it: expired, for others, signed by others."""
    token = forge({"csrf": "c", "exp": 1, "aud": "others"}, secret=OTHER_SECRET)

    assert was_set(token)["csrf_access_token"].value == "c"


def test_not_a_token() -> None:
    """What is no token is refused before any cookie is set."""
    response = Response()

    with pytest.raises(JWTDecodeError):
        set_token_cookies(response, AuthXConfig(), "x", type="access")
    assert cookies(response) == {}
