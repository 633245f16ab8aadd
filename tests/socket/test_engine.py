"""The Engine.IO server: what a page of another origin is told and what it is not, and how the engine ends."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from authx import AuthXSocket
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until

PATH = "/ws/socket.io/"
OPENING = {"EIO": "4", "transport": "polling"}
SPA = "https://spa.test"


async def headers_for(origin: str, *, method: str = "GET", **options: Any) -> httpx.Headers:
    app = FastAPI()
    AuthXSocket(app, auth=login("cookies"), **options)
    sent = {"Origin": origin, "Access-Control-Request-Headers": "x-csrf-token"}
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.request(method, PATH, params=OPENING, headers=sent)
        assert response.status_code == 200
        return response.headers


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_foreign_page_cannot_read_an_answer(method: str) -> None:
    headers = await headers_for("https://evil.test", method=method)

    assert not [name for name in headers if name.startswith("access-control")]


async def test_a_named_page_can_read_with_cookies_and_a_wildcard_page_without() -> None:
    named = await headers_for(SPA, cors_allowed_origins=[SPA])
    any_page = await headers_for(SPA, cors_allowed_origins="*")

    assert (named["access-control-allow-origin"], named["access-control-allow-credentials"]) == (SPA, "true")
    assert any_page["access-control-allow-origin"] == SPA
    assert "access-control-allow-credentials" not in any_page
    assert "origin" in named["vary"].lower()


async def test_a_preflight_of_a_named_page_is_answered() -> None:
    headers = await headers_for(SPA, method="OPTIONS", cors_allowed_origins=[SPA])

    assert headers["access-control-allow-methods"] == "OPTIONS, GET, POST"
    assert headers["access-control-allow-headers"] == "x-csrf-token"


MIDDLEWARES: list[tuple[dict[str, Any], dict[str, Any], tuple[str, str | None]]] = [
    ({"allow_origins": [SPA]}, {}, (SPA, None)),
    ({"allow_origins": [SPA], "allow_credentials": True}, {}, (SPA, "true")),
    ({"allow_origins": [SPA]}, {"cors_allowed_origins": [SPA]}, (SPA, "true")),
    ({"allow_origins": [SPA], "allow_credentials": True}, {"cors_allowed_origins": "*"}, (SPA, "true")),
    ({"allow_origins": ["*"]}, {}, ("*", None)),
    ({"allow_origins": ["https://other.test"]}, {"cors_allowed_origins": [SPA]}, (SPA, "true")),
]


@pytest.mark.parametrize("sid", [False, True], ids=["opening", "unknown sid"])
@pytest.mark.parametrize(("rules", "options", "expected"), MIDDLEWARES)
async def test_the_apps_middleware_and_the_engine_say_each_thing_once(
    rules: dict[str, Any], options: dict[str, Any], expected: tuple[str, str | None], sid: bool
) -> None:
    """A browser takes an answer with two origins for one that allows none."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, **rules)
    AuthXSocket(app, auth=login("cookies"), **options)
    query = {**OPENING, "sid": "unknown"} if sid else OPENING
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.get(PATH, params=query, headers={"Origin": SPA})

    assert response.status_code == (400 if sid else 200)
    names = [name for name, _ in response.headers.multi_items()]
    assert sorted(names) == sorted(set(names))
    origin, credentials = expected
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers.get("access-control-allow-credentials") == credentials
    assert set(response.headers["vary"].split(", ")) == {"Origin"}


async def test_an_answer_that_the_engine_compressed_is_not_compressed_again() -> None:
    app = FastAPI()
    app.add_middleware(GZipMiddleware, minimum_size=10)
    AuthXSocket(app, auth=login(), compression_threshold=10)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.get(PATH, params=OPENING, headers={"Accept-Encoding": "gzip"})

    assert response.headers.get_list("content-encoding") == ["gzip"]
    assert response.text.startswith('0{"sid":')


async def test_jsonp_is_refused() -> None:
    """A script element may be pointed at any origin, and would run what it reads."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login("cookies"))
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.get(PATH, params={**OPENING, "j": "0"})

    assert response.status_code == 400
    assert "sid" not in response.text
    assert not socket.sio.eio.sockets


async def test_a_client_that_leaves_is_not_left_with_a_poll_under_way() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        await client.get(PATH, params=OPENING)
        sid, transport = next(iter(socket.sio.eio.sockets.items()))
        poll = asyncio.create_task(client.get(PATH, params={**OPENING, "sid": sid}))
        await until(lambda: transport.polling)
        await client.post(PATH, params={**OPENING, "sid": sid}, content="1")

        assert (await asyncio.wait_for(poll, 5)).text == "6"
        assert not socket.sio.eio._endings
