"""The Engine.IO server: what a page of another origin is told and what it is not, and how the engine ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Message

from authx import AuthXSocket
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled

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


async def opened(client: httpx.AsyncClient) -> str:
    """The sid of a transport with a connection, of which everything has been polled."""
    sid = (await client.get(PATH, params=OPENING)).text.split('"')[3]
    await client.post(PATH, params={**OPENING, "sid": sid}, content="40")
    assert (await client.get(PATH, params={**OPENING, "sid": sid})).text.startswith("40{")
    return sid


async def test_a_poll_is_not_ended_by_the_one_before() -> None:
    """Who watches for a client that hangs up takes turns of the loop to end, and the next poll is there."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), allow_anonymous=True)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(base_url="http://app.test", transport=transport) as client:
        sid = await opened(client)
        for number in range(4):
            poll = asyncio.create_task(client.get(PATH, params={**OPENING, "sid": sid}))
            await until(lambda: socket.sio.eio.sockets[sid].polling)
            for _ in range(5):
                await asyncio.sleep(0)
            await socket.emit("news", number)
            assert (await asyncio.wait_for(poll, 5)).text == f'42["news",{number}]'


class Websocket:
    """A client of the app itself, over ASGI: what it says is there before anybody asks."""

    def __init__(
        self,
        app: FastAPI,
        *said: str,
        sid: str = "",
        send: Callable[[Message], Awaitable[None]] | None = None,
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.sent: list[Message] = []
        self._coming: asyncio.Queue[Message] = asyncio.Queue()
        self._coming.put_nowait({"type": "websocket.connect"})
        for text in said:
            self._coming.put_nowait({"type": "websocket.receive", "text": text})
        query = f"EIO=4&transport=websocket{sid and '&sid='}{sid}"
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": PATH,
            "query_string": query.encode(),
            "headers": [(b"host", b"app.test")],
            "client": ("192.0.2.1", 5),
        }
        self._then = then
        self.served = asyncio.create_task(app(scope, self._receive, send or self._send))

    async def _receive(self) -> Message:
        if self._coming.empty() and self._then is not None:
            then, self._then = self._then, None
            await then()
        return await self._coming.get()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def leave(self) -> None:
        self._coming.put_nowait({"type": "websocket.disconnect", "code": 1000})


async def test_a_poll_under_way_takes_nothing_from_a_websocket_that_takes_over_at_once() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), allow_anonymous=True)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(base_url="http://app.test", transport=transport) as client:
        sid = await opened(client)
        poll = asyncio.create_task(client.get(PATH, params={**OPENING, "sid": sid}))
        await until(lambda: socket.sio.eio.sockets[sid].polling)
        websocket = Websocket(app, "2probe", "5", sid=sid)

        assert (await asyncio.wait_for(poll, 5)).text == "6"
        assert socket.sio.eio.sockets[sid].upgraded
        await socket.emit("news", 1)
        await until(lambda: {"type": "websocket.send", "text": '42["news",1]'} in websocket.sent)
        websocket.leave()
        await websocket.served
    assert not filled(socket)


async def test_a_poll_under_way_is_told_of_an_end_that_comes_before_the_websocket_takes_over() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(base_url="http://app.test", transport=transport) as client:
        sid = (await client.get(PATH, params=OPENING)).text.split('"')[3]
        poll = asyncio.create_task(client.get(PATH, params={**OPENING, "sid": sid}))
        await until(lambda: socket.sio.eio.sockets[sid].polling)
        websocket = Websocket(app, "2probe", sid=sid, then=lambda: socket.sio.eio.drop(sid))

        assert (await asyncio.wait_for(poll, 5)).text == "1"
        websocket.leave()
        await websocket.served
    assert not filled(socket)


async def test_a_websocket_that_cannot_be_accepted_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    """Each server says in its own way that nobody is there."""

    async def fail(message: Message) -> None:
        raise RuntimeError("Unexpected ASGI message")

    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    with caplog.at_level(logging.WARNING):
        await Websocket(app, send=fail).served

    assert not caplog.records
    assert not filled(socket)
    assert not socket.sio.eio._endings


async def test_a_server_that_does_not_wait_for_the_last_words_leaves_nothing() -> None:
    stalled = asyncio.Event()

    async def send(message: Message) -> None:
        if message.get("text", "").startswith("42"):
            stalled.set()
            await asyncio.Event().wait()

    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), allow_anonymous=True)
    websocket = Websocket(app, "40", send=send)
    await until(lambda: len(list(socket.sio.registry)) == 1)
    before = asyncio.all_tasks() - {websocket.served}
    await socket.emit("news")
    await stalled.wait()
    await socket.sio.eio.disconnect()
    [ending] = socket.sio.eio._endings.values()
    websocket.served.cancel()
    # The first time says that nothing more is read, the second that nobody waits.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    websocket.served.cancel()
    with pytest.raises(asyncio.CancelledError):
        await websocket.served

    assert not socket.sio.eio._endings
    assert ending._timer is None
    await until(lambda: asyncio.all_tasks() <= before)
