"""The example's server side; what people see of it is under tests/browser."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest

from examples.chat.people import PASSWORDS, PEOPLE, check_password
from tests.support.server import ROOT, running


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "examples" / "chat" / "static" / "login.html").read_text()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running(["-m", "examples.chat", "--port", "{port}"]) as base_url,
        httpx.AsyncClient(base_url=base_url, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize("user", PEOPLE)
def test_a_password_opens_only_its_own_account(user: str) -> None:
    assert check_password(user, PASSWORDS[user]) is PEOPLE[user]
    assert check_password(user, PASSWORDS[user] + " ") is None
    assert all(check_password(other, PASSWORDS[user]) is None for other in PEOPLE if other != user)


@pytest.mark.parametrize("password", ["", "x"])
def test_nobody_is_not_somebody(password: str) -> None:
    assert check_password("", password) is None
    assert check_password("mallory", password) is None


def test_the_login_page_offers_the_sample_people(page: str) -> None:
    offered = re.findall(r'data-user="(\w+)" data-password="(\w+)"', page)

    assert dict(offered) == dict(PASSWORDS)


async def test_logging_in_sets_a_cookie_for_the_server_and_one_for_the_page(http: httpx.AsyncClient) -> None:
    response = await http.post("/login", json={"user": "bob", "password": "builder"})

    assert response.status_code == 204
    cookies = {value.split("=", 1)[0]: value for value in response.headers.get_list("set-cookie")}
    assert "HttpOnly" in cookies["access_token_cookie"]
    assert "HttpOnly" not in cookies["csrf_access_token"]
    assert all("SameSite=lax" in cookie for cookie in cookies.values())


async def test_a_wrong_password_sets_none(http: httpx.AsyncClient) -> None:
    response = await http.post("/login", json={"user": "bob", "password": "alice"})

    assert response.status_code == 401
    assert "set-cookie" not in response.headers


async def logged_in(http: httpx.AsyncClient) -> dict[str, str]:
    """Log in, and give what a page of the app sends along."""
    assert (await http.post("/login", json={"user": "bob", "password": "builder"})).status_code == 204
    return {"X-CSRF-TOKEN": http.cookies["csrf_access_token"]}


def a_device_like(http: httpx.AsyncClient) -> httpx.AsyncClient:
    """Another client of the same app, with the same cookies."""
    return httpx.AsyncClient(base_url=http.base_url, cookies=dict(http.cookies), trust_env=False)


@pytest.mark.parametrize("path", ["/logout", "/logout-everywhere"])
async def test_logging_out_takes_both_cookies_away_and_ends_the_token(
    http: httpx.AsyncClient, path: str
) -> None:
    proof = await logged_in(http)
    assert set(http.cookies) == {"access_token_cookie", "csrf_access_token"}

    async with a_device_like(http) as copy:
        assert (await http.post(path, headers=proof)).status_code == 204

        assert set(http.cookies) == set()
        assert (await copy.post("/renew", headers=proof)).status_code == 401


@pytest.mark.parametrize("path", ["/logout", "/logout-everywhere", "/renew"])
async def test_a_page_elsewhere_does_none_of_it(http: httpx.AsyncClient, path: str) -> None:
    proof = await logged_in(http)
    token = http.cookies["access_token_cookie"]

    assert (await http.post(path)).status_code == 401
    assert http.cookies["access_token_cookie"] == token
    assert (await http.post("/renew", headers=proof)).status_code == 204


async def test_one_device_is_logged_out_and_the_other_is_not(http: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(base_url=http.base_url, trust_env=False) as other:
        proof, other_proof = await logged_in(http), await logged_in(other)
        await http.post("/logout", headers=proof)
        assert (await other.post("/renew", headers=other_proof)).status_code == 204


async def test_a_renewed_cookie_is_of_the_same_login(http: httpx.AsyncClient) -> None:
    proof = await logged_in(http)
    async with a_device_like(http) as copy:
        assert (await http.post("/renew", headers=proof)).status_code == 204
        assert http.cookies["access_token_cookie"] != copy.cookies["access_token_cookie"]
        renewed = {"X-CSRF-TOKEN": http.cookies["csrf_access_token"]}

        await copy.post("/logout", headers=proof)

        assert (await http.post("/renew", headers=renewed)).status_code == 401


async def test_the_pages_and_the_client_are_served_by_the_app_itself(http: httpx.AsyncClient) -> None:
    for path in ("/", "/login"):
        response = await http.get(path)
        assert response.headers["content-security-policy"].startswith("default-src 'self'")
        for needed in re.findall(r'(?:src|href)="([^"]+)"', response.text):
            assert needed.startswith("/")
            assert (await http.get(needed)).status_code == 200


def test_it_says_how_it_is_started() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.chat", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "--port" in done.stdout


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


async def test_a_renewed_cookie_is_as_old_as_the_one_it_comes_from(http: httpx.AsyncClient) -> None:
    """So that who is logged out everywhere while it is made stays logged out."""
    proof = await logged_in(http)
    before = claims(http.cookies["access_token_cookie"])
    # Tokens hold whole seconds: those of another one are wanted.
    async with asyncio.timeout(5):
        while time.time() < before["iat"] + 1:  # noqa: ASYNC110 - the clock tells nobody
            await asyncio.sleep(0.01)
    await http.post("/renew", headers=proof)
    after = claims(http.cookies["access_token_cookie"])

    assert after["iat"] == before["iat"]
    assert after["jti"] != before["jti"]
