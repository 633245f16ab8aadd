"""The request that refreshes: what strangers send, and which pages may read the answer.

Who is refreshed by it is in tests/promises/test_the_clock_is_obeyed.py.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from authx import AuthXSocket
from authx.socket.endpoint import RefreshEndpoint
from authx.socket.origin import OriginPolicy
from authx.socket.testing import SocketTestClient
from tests.support.logins import cookie_header, csrf_of, login

SPA = "https://spa.test"
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "path": "/ws/refresh",
    "query_string": b"",
    "headers": [(b"host", b"testserver")],
}


def served(**options: Any) -> tuple[FastAPI, Any, AuthXSocket]:
    app, auth = FastAPI(), login("cookies")
    return app, auth, AuthXSocket(app, auth=auth, **options)


def http(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://testserver")


GARBAGE = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'"key"',
    b'{"key":null}',
    b'{"key":1}',
    b'{"key":["a"]}',
    b"\xff\xfe",
    b"[" * 4000,
    b'{"key":"' + b"a" * 4096 + b'"}',
    b" " * 5000,
]


@pytest.mark.parametrize("body", GARBAGE, ids=lambda body: body[:12].decode("latin-1"))
async def test_garbage_is_refused_with_a_code(body: bytes) -> None:
    app, auth, _ = served()
    token = auth.create_access_token("alice")
    async with http(app) as client:
        response = await client.post(
            "/ws/refresh",
            content=body,
            headers={**cookie_header(auth, token), "X-CSRF-TOKEN": csrf_of(auth, token)},
        )

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "validation_error"


async def _answer(body: bytes) -> int:
    _, _, socket = served()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    endpoint = RefreshEndpoint(socket.sio, OriginPolicy())
    return (await endpoint.answer(Request(dict(SCOPE), receive))).status_code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("key"), inner),
    max_leaves=8,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
async def test_whatever_a_stranger_sends_is_an_answer(body: bytes) -> None:
    assert await _answer(body) in (400, 401)


async def test_a_client_that_breaks_off_is_no_error() -> None:
    _, _, socket = served()

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    response = await RefreshEndpoint(socket.sio, OriginPolicy()).answer(Request(dict(SCOPE), receive))
    assert response.status_code == 400


async def test_a_body_that_is_too_long_is_not_read_to_its_end() -> None:
    _, _, socket = served()
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    response = await RefreshEndpoint(socket.sio, OriginPolicy()).answer(Request(dict(SCOPE), receive))
    assert response.status_code == 400
    assert read == 5


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_a_post_refreshes(method: str) -> None:
    app, _, _ = served()
    async with http(app) as client:
        assert (await client.request(method, "/ws/refresh")).status_code == 405


@pytest.fixture
async def page() -> AsyncIterator[httpx.AsyncClient]:
    app, _, _ = served(cors_allowed_origins=[SPA])
    async with http(app) as client:
        yield client


async def test_a_page_that_may_connect_may_ask_and_read(page: httpx.AsyncClient) -> None:
    asks = {
        "Origin": SPA,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-csrf-token",
    }
    preflight = await page.options("/ws/refresh", headers=asks)
    response = await page.post("/ws/refresh", json={"key": "k"}, headers={"Origin": SPA})

    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "x-csrf-token"
    assert response.status_code == 401
    for answer in (preflight, response):
        assert answer.headers["access-control-allow-origin"] == SPA
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
        assert answer.headers["cache-control"] == "no-store"


async def test_no_other_page_may(page: httpx.AsyncClient) -> None:
    evil = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
    preflight = await page.options("/ws/refresh", headers=evil)
    response = await page.post("/ws/refresh", json={"key": "k"}, headers=evil)

    assert response.status_code == 403
    assert response.json()["error"]["code"] == "origin_not_allowed"
    for answer in (preflight, response):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_the_apps_middleware_says_nothing_twice() -> None:
    app, _, _ = served()
    app.add_middleware(CORSMiddleware, allow_origins=[SPA], allow_credentials=True)
    async with http(app) as client:
        response = await client.post("/ws/refresh", json={"key": "k"}, headers={"Origin": SPA})

    assert response.headers.get_list("access-control-allow-origin") == [SPA]
    assert response.headers.get_list("access-control-allow-credentials") == ["true"]


@pytest.mark.parametrize(
    ("mount_location", "path"),
    [
        ("/ws", "/ws/refresh"),
        ("/a/b/", "/a/b/refresh"),
        ("/", "/socket.io/refresh"),
        ("", "/socket.io/refresh"),
    ],
)
async def test_it_is_beside_the_socket(mount_location: str, path: str) -> None:
    app, _, _ = served(mount_location=mount_location)
    async with http(app) as client:
        assert (await client.post(path, json={"key": "k"})).status_code == 401


@pytest.mark.parametrize("mount_location", ["", "/"])
async def test_at_the_root_the_path_of_the_app_is_the_apps(mount_location: str) -> None:
    app, _, _ = served(mount_location=mount_location)
    app.post("/refresh")(lambda: "the app's own")
    async with http(app) as client:
        assert (await client.post("/refresh", json={"key": "k"})).json() == "the app's own"


async def test_sockets_at_one_location_share_it() -> None:
    """Also if they have logins of their own; a page may ask that may connect to one of them."""
    app, first, second = FastAPI(), login("cookies"), login("cookies", JWT_ACCESS_COOKIE_NAME="second")
    one = AuthXSocket(app, auth=first, socketio_path="one", namespaces=["/"])
    two = AuthXSocket(app, auth=second, socketio_path="two", cors_allowed_origins=SPA, namespaces=["/"])
    for auth, socket in ((first, one), (second, two)):
        async with SocketTestClient(app, socket=socket) as client, http(app) as page:
            token = auth.create_access_token("alice")
            alice = await client.connect(token=token)
            proof = {**cookie_header(auth, token), "X-CSRF-TOKEN": csrf_of(auth, token)}
            response = await page.post("/ws/refresh", json={"key": alice.session["key"]}, headers=proof)
            assert response.status_code == 200
            preflight = await page.options("/ws/refresh", headers={"Origin": SPA})
            assert preflight.headers["access-control-allow-origin"] == SPA
            unknown = await page.post("/ws/refresh", json={"key": "k"}, headers=proof)
            assert unknown.status_code == (404 if auth is first else 401)
    # Below a path of its own, a socket has one of its own.
    further = FastAPI()
    one.attach(further, "one")
    two.attach(further, "two")
    async with http(further) as page:
        for path in ("/one/refresh", "/two/refresh"):
            assert (await page.post(path, json={"key": "k"})).status_code == 401


async def test_a_further_app_has_it_below_the_socket() -> None:
    _, _, socket = served()
    further = FastAPI()
    socket.attach(further)
    async with http(further) as client:
        assert (await client.post("/socket.io/refresh", json={"key": "k"})).status_code == 401


async def test_without_a_login_there_is_none() -> None:
    app = FastAPI()
    AuthXSocket(app)
    async with http(app) as client:
        assert (await client.post("/ws/refresh", json={"key": "k"})).status_code == 404


async def test_what_fails_inside_is_told_as_that(caplog: pytest.LogCaptureFixture) -> None:
    app, auth, socket = served()

    async def blocklist(token: str) -> bool:
        raise RuntimeError("the store is down at 10.0.0.1")

    async with SocketTestClient(app) as client, http(app) as requests:
        alice = await client.connect("alice")
        auth.set_token_blocklist(blocklist)
        token = auth.create_access_token("alice")
        headers = {**cookie_header(auth, token), "X-CSRF-TOKEN": csrf_of(auth, token)}
        key = alice.session["key"]
        response = await requests.post("/ws/refresh", json={"key": key}, headers=headers)

        assert response.status_code == 503
        assert response.json() == {
            "error": {
                "code": "store_unavailable",
                "message": "A store that must be asked does not answer",
                "retry": True,
            }
        }
    assert "a connection can't be refreshed" in caplog.text
    assert token not in caplog.text
    assert key not in caplog.text
    assert socket.sio._notices._watches == set()
