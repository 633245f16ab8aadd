"""The Engine.IO server: what a page of another origin is told, and what it is not."""

import logging
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware

from authx import AuthXSocket
from authx.socket.engine import read_cors_rules, read_handshake
from authx.socket.origin import CORSRules
from tests.support.logins import login
from tests.support.server import serving

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


async def test_jsonp_is_refused() -> None:
    """A script element may be pointed at any origin, and would run what it reads."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login("cookies"))
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.get(PATH, params={**OPENING, "j": "0"})

    assert response.status_code == 400
    assert "sid" not in response.text
    assert not socket.sio.eio.sockets


def test_the_rules_of_the_middleware_are_read_from_the_app() -> None:
    app = Starlette()
    app.add_middleware(GZipMiddleware)
    assert read_cors_rules(app) == CORSRules()

    app.add_middleware(
        CORSMiddleware, allow_origins=["*", SPA], allow_origin_regex="https://.*", allow_credentials=True
    )
    assert read_cors_rules(app) == CORSRules(
        origins=frozenset({SPA}), pattern=re.compile("https://.*"), any_origin=True, credentials=True
    )


def test_rules_given_by_position_and_by_a_subclass_count() -> None:
    class Mine(CORSMiddleware):
        pass

    app = Starlette()
    app.add_middleware(Mine, [SPA])

    assert read_cors_rules(app).origins == {SPA}


def test_a_handshake_is_read_from_the_scope() -> None:
    handshake = read_handshake(
        {
            "type": "websocket",
            "scheme": "wss",
            "path": PATH,
            "query_string": b"EIO=4&token=a%20b&token=last",
            "headers": [
                (b"host", b"app.test"),
                (b"origin", b"https://app.test"),
                (b"cookie", b'one=1; two="2"'),
                (b"x-odd", b"\xff"),
            ],
            "client": ("192.0.2.1", 5),
        }
    )

    assert handshake.origin == "https://app.test"
    assert handshake.own_origins == {"https://app.test"}
    assert handshake.cookies == {"one": "1", "two": "2"}
    assert handshake.query["token"] == "last"
    assert handshake.address == "192.0.2.1"


def test_a_scope_without_client_has_no_address() -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "client": None,
    }

    assert read_handshake(scope).address is None


def test_the_engines_own_log_keeps_everything_but_packets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="authx.socket.engine")
    AuthXSocket(FastAPI(), auth=login())
    engine = logging.getLogger("authx.socket.engine")
    engine.info("%s: Received packet %s data %s", "sid", "MESSAGE", "secret")
    engine.info("%s: Client is gone", "sid")
    engine.info(ValueError("not even a text"))

    assert "secret" not in caplog.text
    assert "Client is gone" in caplog.text
    assert "not even a text" in caplog.text
