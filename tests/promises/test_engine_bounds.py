"""Promise 8, as far as Engine.IO goes: what a stranger sends costs the stranger and leaves nothing behind."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.types import Message
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidStatus

from authx import AuthXSocket
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled

LIMIT = 10_000
POLLING = {"EIO": "4", "transport": "polling"}


def browser(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{url}{wire.PATH}", trust_env=False, timeout=5)


async def opening(http: httpx.AsyncClient) -> str:
    """Open a polling transport and return its sid."""
    response = await http.get("", params=POLLING)
    sid: str = json.loads(response.text[1:])["sid"]
    return sid


async def upgrading(url: str, sid: str) -> ClientConnection:
    """Open a websocket to go on with a polling transport."""
    target = f"{url.replace('http', 'ws', 1)}{wire.PATH}?EIO=4&transport=websocket&sid={sid}"
    return await open_websocket(target, proxy=None, ping_interval=None)


async def ended(websocket: ClientConnection) -> None:
    await asyncio.wait_for(websocket.wait_closed(), 5)


async def asked(
    app: FastAPI,
    method: str,
    query: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    events: Sequence[Message] = ({"type": "http.request", "body": b""},),
) -> list[Message]:
    """Ask the app itself, without a server that would mend the request, and return its answer."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": wire.PATH,
        "raw_path": wire.PATH.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"app.test"), *headers],
        "client": ("192.0.2.1", 5),
        "server": ("app.test", 80),
    }
    coming = iter(events)
    answer: list[Message] = []

    async def receive() -> Message:
        return next(coming, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        answer.append(message)

    await app(scope, receive, send)
    return answer


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.exc_info]


MALFORMED = {
    "nothing": b"",
    "an open packet": b"0",
    "a ping": b"2",
    "a probe": b"2probe",
    "an upgrade": b"5",
    "a noop": b"6",
    "an unknown type": b"9",
    "a type of two digits": b"12",
    "the digit of another script": "٤0".encode(),
    "a digit that is none": "²".encode(),
    "a letter": b"x",
    "a message without a packet": b"4",
    "json in place of a packet": b'4{"a":1}',
    "deep json": b"4" + b"[" * (LIMIT - 1),
    "deep json in a pong": b"3" + b"[" * (LIMIT - 1),
    "bad base64": b"bAAA",
    "base64 of another alphabet": b"b@@@@",
    "base64 that is not ascii": "bä===".encode(),
    "the form of jsonp": b"d=40",
    "an empty form of jsonp": b"d=",
    "no utf-8": b"\xff\xfe",
    "empty frames": b"\x1e\x1e",
    "a frame that ends early": b"40\x1e",
    "too many packets": b"\x1e".join([b"3"] * 1001),
    "a packet after the end": b"1\x1e0",
    "more than is allowed": b"40" + b" " * LIMIT,
}


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
@pytest.mark.parametrize("case", MALFORMED)
async def test_a_post_that_cannot_be_read_is_refused_and_ends_its_transport_alone(
    case: str, chunked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_http_buffer_size=LIMIT, linger=0.1)
    socket.on("echo", lambda data: data)

    async def chunks() -> AsyncIterator[bytes]:
        yield MALFORMED[case]

    async with serving(app) as url, wire.websocket(url) as bystander, browser(url) as http:
        await bystander.connect({"token": auth.create_access_token("alice")})
        query = {**POLLING, "sid": await opening(http)}

        answer = await http.post("", params=query, content=chunks() if chunked else MALFORMED[case])

        assert answer.status_code == (413 if case == "more than is allowed" else 400)
        assert len(socket.sio.eio.sockets) == len(socket.sio._devices) == 1
        assert not socket.sio.eio._endings
        assert (await http.get("", params=query)).status_code == 400
        assert await bystander.emit("echo", 1) == [1]
    assert tracebacks(caplog) == []


async def test_refused_posts_leave_no_request_and_no_transport() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), linger=0.1)
    async with serving(app) as url:
        for _ in range(10):
            async with browser(url) as http:
                await http.post("", params={**POLLING, "sid": await opening(http)}, content=b"0")
        await until(lambda: not filled(socket) and not socket.sio.eio._endings)
        await until(lambda: not [task for task in asyncio.all_tasks() if "run_asgi" in repr(task)])


async def test_a_post_in_chunks_is_read_whole() -> None:
    app, auth = FastAPI(), login()
    AuthXSocket(app, auth=auth)
    token = auth.create_access_token("alice")

    async def chunks() -> AsyncIterator[bytes]:
        yield b'40{"token":'
        yield json.dumps(token).encode()
        yield b"}\x1e3"

    async with serving(app) as url, browser(url) as http:
        query = {**POLLING, "sid": await opening(http)}
        answer = await http.post("", params=query, content=chunks())
        polled = await http.get("", params=query)

    assert (answer.status_code, answer.text) == (200, "ok")
    assert polled.text.startswith('40{"sid":')


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "events",
    [[{"type": "http.disconnect"}], [{"type": "http.request", "body": b"3", "more_body": True}]],
    ids=["before", "amid"],
)
async def test_a_client_that_left_before_it_was_read_is_answered_into_the_void(
    method: str, events: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    """A middleware that takes its time gives the client time to go, and wants an answer all the same."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), linger=0.1)

    @app.middleware("http")
    async def slow(request: Request, call_next: Any) -> Response:
        answer: Response = await call_next(request)
        return answer

    async with serving(app) as url, browser(url) as http:
        sid = f"&sid={await opening(http)}" if method == "POST" else ""
        before = set(socket.sio.eio.sockets)
        answer = await asked(app, method, f"EIO=4&transport=polling{sid}", events=events)

        if method == "POST" or events[0]["type"] == "http.disconnect":
            assert answer[0]["status"] == 400
            assert set(socket.sio.eio.sockets) <= before
    assert tracebacks(caplog) == []


async def test_a_content_length_is_not_what_is_read_by() -> None:
    app = FastAPI()
    AuthXSocket(app, auth=login())
    async with serving(app) as url, browser(url) as http:
        query = f"EIO=4&transport=polling&sid={await opening(http)}"
        for length in (b"none", b"-1", "²".encode(), b"9" * 5000):
            body: Message = {"type": "http.request", "body": b"3"}
            headers = [(b"content-length", length)]
            assert (await asked(app, "POST", query, headers=headers, events=[body]))[0]["status"] == 200


# Upgrades ---------------------------------------------------------------------------------------------


async def test_an_upgrade_goes_on_over_the_websocket_and_only_there() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, ping_timeout=0.2)
    socket.on("echo", lambda data: data)
    token = auth.create_access_token("alice")
    async with serving(app) as url, browser(url) as http:
        query = {**POLLING, "sid": await opening(http)}
        websocket = await upgrading(url, query["sid"])
        await websocket.send("2probe")
        assert await websocket.recv() == "3probe"
        assert (await http.get("", params=query)).text == "6"
        deadline = socket.sio.eio.sockets[query["sid"]]._leash
        await websocket.send("5")
        await websocket.send(f"40{json.dumps({'token': token})}")
        async with asyncio.timeout(5):
            while not str(await websocket.recv()).startswith('40{"sid":'):
                pass

        assert (await http.get("", params=query)).status_code == 400
        assert (await http.post("", params=query, content="40")).status_code == 400
        with pytest.raises(InvalidStatus):
            await upgrading(url, query["sid"])
        await websocket.send('421["echo",1]')
        async with asyncio.timeout(5):
            while await websocket.recv() != "431[1]":
                pass
        # The deadline of the upgrade is none for what comes after it.
        assert deadline.when() is None
        await websocket.close()
        await until(lambda: not filled(socket))


@pytest.mark.parametrize("frames", [[], ["2probe"]], ids=["no probe", "no more than a probe"])
async def test_an_upgrade_that_is_not_made_has_a_deadline(frames: list[str]) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, ping_timeout=0.2)
    async with serving(app) as url, browser(url) as http:
        query = {**POLLING, "sid": await opening(http)}
        websocket = await upgrading(url, query["sid"])
        for frame in frames:
            await websocket.send(frame)
        await ended(websocket)
        assert websocket.close_code == 1000

        # Who can't upgrade goes on polling.
        await until(lambda: not socket.sio.eio.sockets[query["sid"]].held)
        token = auth.create_access_token("alice")
        answer = await http.post("", params=query, content=f"40{json.dumps({'token': token})}")
        assert answer.status_code == 200
        polled = await http.get("", params=query)
        if polled.text == "6":
            polled = await http.get("", params=query)
        assert "40{" in polled.text


async def test_there_is_one_upgrade_at_a_time() -> None:
    app = FastAPI()
    AuthXSocket(app, auth=login())
    async with serving(app) as url, browser(url) as http:
        sid = await opening(http)
        first = await upgrading(url, sid)
        with pytest.raises(InvalidStatus) as refusal:
            await upgrading(url, sid)
        assert refusal.value.response.status_code == 400
        await first.send("2probe")
        assert await first.recv() == "3probe"
        await first.close()


async def test_an_upgrade_that_was_given_up_may_be_tried_again() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, browser(url) as http:
        sid = await opening(http)
        await (await upgrading(url, sid)).close()
        await until(lambda: not socket.sio.eio.sockets[sid].held)
        second = await upgrading(url, sid)
        await second.send("2probe")
        assert await second.recv() == "3probe"
        await second.close()


@pytest.mark.parametrize("probed", [False, True])
async def test_the_end_of_a_session_ends_its_upgrade(probed: bool) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), linger=0.1)
    async with serving(app) as url, browser(url) as http:
        for reason in ("left", "dropped"):
            sid = await opening(http)
            websocket = await upgrading(url, sid)
            if probed:
                await websocket.send("2probe")
                assert await websocket.recv() == "3probe"
            if reason == "left":
                await http.post("", params={**POLLING, "sid": sid}, content="1")
            else:
                await socket.sio.eio.drop(sid)
            await ended(websocket)
        await until(lambda: not filled(socket) and not socket.sio.eio._endings)


async def test_allow_upgrades_is_obeyed() -> None:
    app = FastAPI()
    AuthXSocket(app, auth=login(), allow_upgrades=False)
    async with serving(app) as url, browser(url) as http:
        sid = await opening(http)
        with pytest.raises(InvalidStatus):
            await upgrading(url, sid)


GARBAGE: dict[str, str | bytes] = {
    "an empty frame": "",
    "a letter": "x",
    "an unknown type": "9",
    "an open packet": "0",
    "a digit that is none": "²",
    "the digit of another script": "٤0",
    "a message without a packet": "4",
    "deep json": "4" + "[" * 5000,
    "a deep ping": "2" + "[" * 5000,
    "base64": "bAAA",
    "too much": "40" + " " * LIMIT,
    "too many bytes": bytes(LIMIT + 1),
}


@pytest.mark.parametrize("probed", [False, True])
@pytest.mark.parametrize("case", [*GARBAGE, "a packet", "bytes"])
async def test_garbage_in_an_upgrade_ends_the_upgrade_and_not_the_session(
    case: str, probed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), max_http_buffer_size=LIMIT)
    async with serving(app) as url, browser(url) as http:
        sid = await opening(http)
        websocket = await upgrading(url, sid)
        if probed:
            await websocket.send("2probe")
            assert await websocket.recv() == "3probe"
        await websocket.send({**GARBAGE, "a packet": "40", "bytes": b"x"}[case])
        await ended(websocket)
        await until(lambda: not socket.sio.eio.sockets[sid].held)

        assert not socket.sio.eio.sockets[sid].upgrading
        assert (await http.post("", params={**POLLING, "sid": sid}, content="40")).status_code == 200
    assert tracebacks(caplog) == []


@pytest.mark.parametrize("case", GARBAGE)
async def test_garbage_on_a_websocket_ends_it_alone(case: str, caplog: pytest.LogCaptureFixture) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, max_http_buffer_size=LIMIT)
    socket.on("echo", lambda data: data)
    async with serving(app) as url, wire.websocket(url) as bystander:
        await bystander.connect({"token": auth.create_access_token("alice")})
        async with wire.websocket(url) as hostile:
            await hostile.send_frame(GARBAGE[case])
            await hostile.wait_closed()
        await until(lambda: len(socket.sio.eio.sockets) == len(socket.sio._devices) == 1)
        assert await bystander.emit("echo", 1) == [1]
    assert tracebacks(caplog) == []


async def test_a_websocket_that_says_polling_opens_nothing() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url:
        for query in ("EIO=4&transport=polling", "EIO=4", "EIO=4&transport=websocket&j=0"):
            with pytest.raises(InvalidStatus) as refusal:
                await open_websocket(f"{url.replace('http', 'ws', 1)}{wire.PATH}?{query}", proxy=None)
            assert refusal.value.response.status_code == 400
    assert not filled(socket)


@pytest.mark.parametrize(
    ("transport", "headers"),
    [
        ("websocket", []),
        ("websocket", [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]),
        ("polling", [(b"upgrade", b"WebSocket"), (b"connection", b"upgrade")]),
    ],
)
async def test_a_request_that_says_websocket_opens_nothing(
    transport: str, headers: list[tuple[bytes, bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    """Not every server keeps such a request from the app."""
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app):
        answer = await asked(app, "GET", f"EIO=4&transport={transport}", headers=headers)

    assert answer[0]["status"] == 400
    assert not filled(socket)
    assert tracebacks(caplog) == []


# What is left to say ----------------------------------------------------------------------------------


async def test_a_client_between_two_polls_still_hears_why_it_was_closed() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, connect_timeout=0.2)

    @socket.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async with serving(app) as url, browser(url) as http:
        query = {**POLLING, "sid": await opening(http)}
        token = auth.create_access_token("alice")
        await http.post("", params=query, content=f"40{json.dumps({'token': token})}")
        await until(lambda: not filled(socket))

        last, after = [await http.get("", params=query) for _ in range(2)]

    refusal, close = last.text.split(wire.SEPARATOR)
    assert json.loads(refusal[2:])["data"]["code"] == "connect_timeout"
    assert close == "1"
    assert after.status_code == 400
    assert not socket.sio.eio._endings


async def test_what_is_left_to_say_is_forgotten_in_time() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), linger=0.1)
    async with serving(app) as url, browser(url) as http:
        query = {**POLLING, "sid": await opening(http)}
        await socket.sio.eio.drop(query["sid"])
        assert socket.sio.eio._endings
        await until(lambda: not socket.sio.eio._endings)
        assert (await http.get("", params=query)).status_code == 400


async def test_a_poll_under_way_hears_it_at_once() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    async with serving(app) as url, browser(url) as http:
        query = {**POLLING, "sid": await opening(http)}
        transport = socket.sio.eio.sockets[query["sid"]]
        poll = asyncio.create_task(http.get("", params=query))
        await until(lambda: transport.polling)
        await socket.sio.eio.drop(query["sid"])

        assert (await poll).text == "1"
        assert (await http.get("", params=query)).status_code == 400


# Logs -------------------------------------------------------------------------------------------------


async def test_no_word_of_a_client_and_no_sid_reaches_the_engines_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="authx.socket.engine")
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, engineio_logger=True, ping_timeout=0.2)
    sids = []
    async with serving(app) as url, browser(url) as http:
        for frames in (["2probe", '40{"token":"hunter2"}'], ['40{"token":"hunter2"}'], ["2probe", "hunter2"]):
            sids.append(await opening(http))
            websocket = await upgrading(url, sids[-1])
            for frame in frames:
                await websocket.send(frame)
            await ended(websocket)
        query = {**POLLING, "sid": sids[0]}
        await http.post("", params=query, content='40{"token":"hunter2"}')
        await http.get("", params=query)
        for method in ("GET", "POST"):
            await http.request(method, "", params={**POLLING, "sid": "x\nhunter2"}, content="hunter2")
        await asked(app, "HUNTER2", "EIO=4&transport=polling")
        await http.get("", params={"EIO": "4", "transport": "hunter2"})
        await http.post("", params=query, content="hunter2")
        await socket.sio.eio.send(sids[0], "hunter2")
    texts = [record.getMessage() + str(record.exc_text or "") for record in caplog.records]
    ours = [text for record, text in zip(caplog.records, texts, strict=True) if "engine" in record.name]

    assert len([text for text in ours if text.endswith(": opened")]) == len(sids)
    for text in ours:
        assert "hunter2" not in text.lower()
        assert not [sid for sid in sids if sid in text]
        assert "\n" not in text
