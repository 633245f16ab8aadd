"""The examples of a login, used as their clients use them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from freezegun import freeze_time

from examples.login import cookies, first, refresh, scopes, sessions

ADA = {"name": "ada", "password": "engine"}
BOB = {"name": "bob", "password": "builder"}


def client(app: FastAPI) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    # Browsers bring Secure cookies back over HTTPS, and so does this client.
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://example.test")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def logged_in(http: httpx.AsyncClient, person: dict[str, str] = ADA) -> dict[str, str]:
    """Log in, and give the header that shows it."""
    answer = await http.post("/login", json=person)
    assert answer.status_code == 200, answer.text
    return bearer(answer.json()["access_token"])


@pytest.mark.parametrize("app", [module.app for module in (cookies, first, refresh, scopes, sessions)])
@pytest.mark.parametrize(
    "wrong", [{**ADA, "password": "Engine"}, {**ADA, "name": "bob"}, {"name": "", "password": ""}]
)
async def test_a_wrong_password(app: FastAPI, wrong: dict[str, str]) -> None:
    """Nobody gets in on somebody else's password."""
    async with client(app) as http:
        answer = await http.post("/login", json=wrong)

    assert answer.status_code == 401
    assert not answer.cookies


async def test_first() -> None:
    """A password buys a token, and the token tells who came."""
    async with client(first.app) as http:
        ada = await logged_in(http)

        assert (await http.get("/me", headers=ada)).json() == {"user": "ada"}
        assert (await http.get("/me")).status_code == 401
        assert (await http.get("/me", headers=bearer("nonsense"))).status_code == 422


async def test_cookies() -> None:
    """The cookie is enough to read; to write, the page has to show that it is the app's own."""
    async with client(cookies.app) as http:
        login = await http.post("/login", json=ADA)
        attributes = {header.split("=")[0]: header for header in login.headers.get_list("set-cookie")}
        csrf = {"X-CSRF-TOKEN": http.cookies["csrf_access_token"]}

        assert "HttpOnly" in attributes["access_token_cookie"]
        assert all("Secure" in header and "SameSite=strict" in header for header in attributes.values())
        assert (await http.post("/notes?text=forged")).status_code == 401
        assert (await http.post("/notes?text=mine", headers=csrf)).status_code == 204
        assert (await http.get("/notes")).json() == ["mine"]

        assert (await http.post("/logout")).status_code == 401
        assert (await http.post("/logout", headers=csrf)).status_code == 204
        assert not http.cookies
        assert (await http.get("/notes")).status_code == 401


async def test_cookies_are_renewed() -> None:
    """A token that has little time left is renewed by using it; one that has time is not."""
    async with client(cookies.app) as http:
        await http.post("/login", json=ADA)
        given = http.cookies["access_token_cookie"]
        await http.get("/notes")
        assert http.cookies["access_token_cookie"] == given

        with freeze_time(tz_offset=0, auto_tick_seconds=0) as frozen:
            frozen.tick(timedelta(minutes=14))
            assert (await http.get("/notes")).status_code == 200
            assert http.cookies["access_token_cookie"] != given
            frozen.tick(timedelta(minutes=14))
            assert (await http.get("/notes")).status_code == 200
            frozen.tick(timedelta(minutes=16))
            assert (await http.get("/notes")).status_code == 422


async def test_refresh() -> None:
    """A refresh token buys a new pair, once; what a login is asked for, a refresh does not give."""
    async with client(refresh.app) as http:
        pair = (await http.post("/login", json=ADA)).json()
        access, once = bearer(pair["access_token"]), bearer(pair["refresh_token"])

        assert (await http.put("/password", headers=access)).status_code == 204
        assert (await http.post("/refresh", headers=access)).status_code == 401
        assert (await http.get("/me", headers=once)).status_code == 401

        renewed = (await http.post("/refresh", headers=once)).json()
        access, again = bearer(renewed["access_token"]), bearer(renewed["refresh_token"])
        assert (await http.get("/me", headers=access)).json() == {"user": "ada"}
        answer = await http.put("/password", headers=access)
        assert (answer.status_code, answer.json()["error_type"]) == (401, "FreshTokenRequiredError")

        answer = await http.post("/refresh", headers=once)
        assert (answer.status_code, answer.json()["error_type"]) == (401, "RevokedTokenError")
        assert (await http.post("/refresh", headers=again)).status_code == 200
        assert (await http.post("/refresh", headers=bearer("nonsense"))).status_code == 422


async def test_scopes() -> None:
    """Ada may do all with posts, Bob may read them."""
    async with client(scopes.app) as http:
        ada, bob = await logged_in(http), await logged_in(http, BOB)

        assert (await http.put("/posts/1?text=Hello", headers=ada)).status_code == 204
        assert (await http.get("/posts/1", headers=bob)).json() == "Hello"
        answer = await http.put("/posts/1?text=Hacked", headers=bob)
        assert answer.status_code == 403
        assert (
            answer.json()["message"] == "Missing required scopes: ['posts:write']. Provided: ['posts:read']"
        )
        assert (await http.get("/rights", headers=ada)).json() == {
            "posts:read": True,
            "posts:write": True,
            "users:ban": False,
        }


async def test_sessions() -> None:
    """Each login can be seen and ended, by the user it belongs to, and its token ends with it."""
    async with client(sessions.app) as http:
        phone, laptop, bob = await logged_in(http), await logged_in(http), await logged_in(http, BOB)
        listed = (await http.get("/sessions", headers=laptop)).json()
        assert [session["uid"] for session in listed] == ["ada", "ada"]
        assert listed[0]["user_agent"].startswith("python-httpx")

        path = f"/sessions/{listed[0]['session_id']}"
        assert (await http.delete(path, headers=bob)).status_code == 404
        assert (await http.delete("/sessions/unknown", headers=laptop)).status_code == 404
        assert (await http.delete(path, headers=laptop)).status_code == 204
        answer = await http.get("/sessions", headers=phone)
        assert (answer.status_code, answer.json()["error_type"]) == (401, "RevokedTokenError")
        assert len((await http.get("/sessions", headers=laptop)).json()) == 1

        assert (await http.delete("/sessions", headers=laptop)).status_code == 204
        assert (await http.get("/sessions", headers=laptop)).status_code == 401
        assert (await http.get("/sessions", headers=bob)).status_code == 200
