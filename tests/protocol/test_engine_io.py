"""Engine.IO 4: the handshake, both transports, heartbeats and ends."""

import asyncio
import base64
import gzip
import json
import logging
import zlib
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.protocol.peer import PATH, SEPARATOR, Peer, closed, peer, receive
from tests.support.settling import until
from tests.support.tables import filled

QUICK: dict[str, Any] = {"ping_interval": 0.3, "ping_timeout": 0.2}
every_implementation = pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])


# The handshake ----------------------------------------------------------------------------------------


async def test_the_handshake_of_polling() -> None:
    async with peer(ping_interval=25.5, ping_timeout=20.25, max_http_buffer_size=12345) as client:
        response = await client.request(t="abc")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    said = json.loads(response.text[1:])
    assert list(said) == ["sid", "upgrades", "pingTimeout", "pingInterval", "maxPayload"]
    assert isinstance(said["sid"], str)
    assert said["upgrades"] == ["websocket"]
    assert (said["pingInterval"], said["pingTimeout"], said["maxPayload"]) == (25500, 20250, 12345)
    assert all(type(said[name]) is int for name in ("pingInterval", "pingTimeout", "maxPayload"))


@every_implementation
async def test_the_handshake_of_a_websocket(ws: str) -> None:
    async with peer(ws=ws, ping_interval=0.3, ping_timeout=0.2) as client:
        websocket = await client.websocket(t="abc")
        said = json.loads(str(await receive(websocket))[1:])
        await websocket.close()

    assert said.pop("sid")
    assert said == {"upgrades": [], "pingTimeout": 200, "pingInterval": 300, "maxPayload": 1_000_000}


async def test_a_grace_period_is_part_of_the_interval_that_is_told() -> None:
    async with peer(ping_interval=(25, 0.5)) as client:
        assert (await client.opening())["pingInterval"] == 25500


BAD: dict[str, dict[str, Any]] = {
    "no version": {"EIO": None},
    "a version that is none": {"EIO": "abc"},
    "an old version": {"EIO": "3"},
    "two versions": {"EIO": ["4", "3"]},
    "no transport": {"transport": None},
    "an unknown transport": {"transport": "abc"},
    "an inherited name": {"transport": "constructor"},
    "two transports": {"transport": ["polling", "websocket"]},
    "websocket over http": {"transport": "websocket"},
    "an unknown sid": {"sid": "abc"},
    "jsonp": {"j": "0"},
}


@pytest.mark.parametrize("case", BAD)
async def test_a_request_that_opens_nothing_is_a_400(case: str) -> None:
    async with peer() as client:
        assert (await client.request(**BAD[case])).status_code == 400
        assert not filled(client.socket)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "QUERY"])
@pytest.mark.parametrize("with_sid", [False, True])
async def test_a_method_that_opens_nothing_is_a_400(method: str, with_sid: bool) -> None:
    async with peer() as client:
        query = {"sid": (await client.opening())["sid"]} if with_sid else {}
        if method == "POST":
            query = {}
        transports = len(client.socket.sio.eio.sockets)
        assert (await client.request(method, **query)).status_code == 400
        assert len(client.socket.sio.eio.sockets) == transports


@pytest.mark.parametrize(
    "query",
    [
        {"EIO": None},
        {"EIO": "abc"},
        {"EIO": "3"},
        {"transport": None},
        {"transport": "abc"},
        {"transport": "polling"},
        {"sid": "abc"},
    ],
)
@every_implementation
async def test_a_websocket_that_opens_nothing_is_refused(query: dict[str, Any], ws: str) -> None:
    async with peer(ws=ws) as client:
        with pytest.raises(InvalidStatus) as refusal:
            await client.websocket(**query)
        assert refusal.value.response.status_code == 400
        assert not filled(client.socket)


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]])
async def test_a_transport_that_is_not_offered_is_refused(transports: list[str]) -> None:
    async with peer(transports=transports) as client:
        if transports == ["polling"]:
            assert (await client.opening())["upgrades"] == []
            with pytest.raises(InvalidStatus):
                await client.websocket()
        else:
            assert (await client.request()).status_code == 400
            await (await client.opened()).close()


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [("io", "io={sid}; path=/; SameSite=Lax"), ({"name": "io", "HttpOnly": True}, "io={sid}; HttpOnly")],
)
async def test_the_sid_is_given_as_a_cookie_if_asked_for(cookie: Any, expected: str) -> None:
    async with peer(cookie=cookie) as client:
        polled = await client.request()
        sid = json.loads(polled.text[1:])["sid"]
        assert polled.headers["set-cookie"] == expected.format(sid=sid)
        websocket = await client.websocket()
        sid = json.loads(str(await receive(websocket))[1:])["sid"]
        assert websocket.response is not None
        assert websocket.response.headers["set-cookie"] == expected.format(sid=sid)
        await websocket.close()


# Messages ---------------------------------------------------------------------------------------------


async def test_packets_of_a_payload_are_taken_in_order_and_answered_in_one() -> None:
    async with peer() as client:
        sid = (await client.opening())["sid"]
        await client.post(sid, "40")
        assert (await client.poll(sid)).startswith('40{"sid":')
        answer = await client.post(sid, '421["echo","é"]\x1e422["echo",2]')
        assert (answer.status_code, answer.text) == (200, "ok")
        frames: list[str] = []
        while len(frames) < 2:
            frames += (await client.poll(sid)).split(SEPARATOR)
    # As one JSON writer or another puts it.
    assert [(frame[:3], json.loads(frame[3:])) for frame in frames] == [("431", ["é"]), ("432", [2])]


async def test_bytes_go_both_ways_over_polling() -> None:
    async with peer() as client:
        sid = (await client.opening())["sid"]
        data = bytes(range(256))
        told = base64.b64encode(data).decode()
        await client.post(sid, "40")
        await client.poll(sid)
        await client.post(sid, f'451-["back",{{"_placeholder":true,"num":0}}]\x1eb{told}')

        assert await client.poll(sid) == f'451-["back",{{"_placeholder":true,"num":0}}]\x1eb{told}'


@every_implementation
async def test_text_and_bytes_go_both_ways_over_a_websocket(ws: str) -> None:
    async with peer(ws=ws) as client:
        websocket = await client.opened()
        await websocket.send("40")
        await receive(websocket)
        await websocket.send('42["back","é😀"]')
        answer = str(await receive(websocket))
        assert (answer[:2], json.loads(answer[2:])) == ("42", ["back", "é😀"])
        await websocket.send('451-["back",{"_placeholder":true,"num":0}]')
        await websocket.send(b"\x00\xff")
        assert await receive(websocket) == '451-["back",{"_placeholder":true,"num":0}]'
        assert await receive(websocket) == b"\x00\xff"
        await websocket.close()


async def test_a_browser_may_send_more_packets_in_a_payload_than_python_engineio_reads() -> None:
    async with peer(max_in_flight=100) as client:
        sid = (await client.opening())["sid"]
        await client.post(sid, "40")
        await client.poll(sid)
        answer = await client.post(sid, SEPARATOR.join(f'42{number}["echo"]' for number in range(1, 101)))
        assert answer.status_code == 200
        frames: list[str] = []
        while len(frames) < 100:
            frames += (await client.poll(sid)).split(SEPARATOR)
    assert frames == [f"43{number}[]" for number in range(1, 101)]


@pytest.mark.parametrize("body", ["abc", "", "4", "\x1e", "0", "2", "5", "6", "b@", "9"])
async def test_a_payload_that_is_none_ends_its_session(body: str) -> None:
    async with peer() as client:
        sid = (await client.opening())["sid"]
        assert (await client.post(sid, body)).status_code == 400
        assert (await client.request(sid=sid)).status_code == 400
        assert not filled(client.socket)


async def test_a_payload_that_is_too_large_ends_its_session() -> None:
    async with peer(max_http_buffer_size=1000) as client:
        sid = (await client.opening())["sid"]
        assert (await client.post(sid, "4" + "0" * 999)).status_code == 200
        sid = (await client.opening())["sid"]
        assert (await client.post(sid, "4" + "0" * 1000)).status_code == 413
        assert (await client.request(sid=sid)).status_code == 400


@pytest.mark.parametrize("frame", ["abc", "", "4", "0", "2", "2probe", "5", "6", "9", "bAA=="])
@every_implementation
async def test_a_frame_that_is_none_closes_its_websocket(frame: str, ws: str) -> None:
    async with peer(ws=ws) as client:
        websocket = await client.opened()
        await websocket.send(frame)
        await closed(websocket)
        assert websocket.close_code == 1002
        assert not filled(client.socket)


@pytest.mark.parametrize("frame", ["4" + "0" * 1000, "40" + "é" * 500, b"0" * 1001])
async def test_a_frame_that_is_too_large_closes_its_websocket(frame: str | bytes) -> None:
    async with peer(max_http_buffer_size=1000) as client:
        websocket = await client.opened()
        await websocket.send(frame)
        await closed(websocket)


# One at a time ----------------------------------------------------------------------------------------


async def test_a_second_poll_ends_the_session() -> None:
    async with peer() as client:
        sid = (await client.opening())["sid"]
        transport = client.socket.sio.eio.sockets[sid]
        first = asyncio.create_task(client.request(sid=sid))
        await until(lambda: transport.polling)
        second = await client.request(sid=sid)

        assert ((await first).status_code, (await first).text) == (200, "1")
        assert second.status_code == 400
        assert (await client.request(sid=sid)).status_code == 400
        assert not filled(client.socket)


async def test_a_second_post_ends_the_session() -> None:
    going = asyncio.Event()

    async def slow() -> Any:
        yield b"40"
        await going.wait()

    async with peer() as client:
        sid = (await client.opening())["sid"]
        transport = client.socket.sio.eio.sockets[sid]
        first = asyncio.create_task(client.post(sid, slow()))
        await until(lambda: transport.posting)
        assert (await client.post(sid, "40")).status_code == 400
        going.set()
        assert (await first).status_code == 200
        assert (await client.request(sid=sid)).status_code == 400
        assert not filled(client.socket)


async def test_who_hangs_up_a_poll_is_gone() -> None:
    async with peer() as client:
        sid = (await client.opening())["sid"]
        transport = client.socket.sio.eio.sockets[sid]
        poll = asyncio.create_task(client.request(sid=sid))
        await until(lambda: transport.polling)
        poll.cancel()
        await until(lambda: not filled(client.socket))
        assert (await client.request(sid=sid)).status_code == 400


# The heartbeat ----------------------------------------------------------------------------------------


async def test_the_heartbeat_of_polling() -> None:
    async with peer(**QUICK) as client:
        sid = (await client.opening())["sid"]
        for _ in range(3):
            assert await client.poll(sid) == "2"
            assert (await client.post(sid, "3")).text == "ok"


@every_implementation
async def test_the_heartbeat_of_a_websocket(ws: str) -> None:
    async with peer(ws=ws, **QUICK) as client:
        websocket = await client.opened()
        for _ in range(3):
            assert await receive(websocket) == "2"
            await websocket.send("3")
        await websocket.close()


async def test_a_silent_session_ends_whether_it_is_polled_or_not() -> None:
    async with peer(**QUICK) as client:
        polled, not_polled = [(await client.opening())["sid"] for _ in range(2)]
        assert await client.poll(polled) == "2"
        assert await client.poll(polled) == "1"
        await until(lambda: not filled(client.socket))
        for sid in (polled, not_polled):
            assert (await client.request(sid=sid)).status_code == 400
            assert (await client.post(sid, "3")).status_code == 400


@every_implementation
async def test_a_silent_websocket_is_closed(ws: str) -> None:
    async with peer(ws=ws, **QUICK) as client:
        websocket = await client.opened()
        assert await closed(websocket) == ["2", "1"]
        await until(lambda: not filled(client.socket))


async def test_whatever_comes_is_a_sign_of_life_and_a_pong_to_nothing_is_harmless() -> None:
    async with peer(**QUICK) as client:
        websocket = await client.opened()
        await websocket.send("40")
        await websocket.send("3")
        await receive(websocket)
        for _ in range(3):
            assert await receive(websocket) == "2"
            await websocket.send('421["echo"]')
            assert await receive(websocket) == "431[]"
        await websocket.close()


# Ends -------------------------------------------------------------------------------------------------


async def test_a_close_over_polling_ends_the_poll_and_the_session() -> None:
    async with peer() as client:
        sid = (await client.opening())["sid"]
        transport = client.socket.sio.eio.sockets[sid]
        poll = asyncio.create_task(client.poll(sid))
        await until(lambda: transport.polling)
        assert (await client.post(sid, "1")).status_code == 200
        assert await poll == "6"
        assert (await client.request(sid=sid)).status_code == 400
        assert not filled(client.socket)


@every_implementation
async def test_a_close_over_a_websocket_closes_it(ws: str) -> None:
    async with peer(ws=ws) as client:
        websocket = await client.opened()
        await websocket.send("1")
        await closed(websocket)
        await until(lambda: not filled(client.socket))


# Compression ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate;q=0.5", "deflate"),
        ("br, gzip", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("br", None),
        ("gzip; q=0", None),
        ("", None),
    ],
)
async def test_a_long_answer_is_compressed_as_the_client_reads_it(accepted: str, coding: str | None) -> None:
    async with peer(compression_threshold=100) as client:
        sid = (await client.opening())["sid"]
        await client.post(sid, "40")
        await client.poll(sid)
        await client.post(sid, f'42["back","{"a" * 200}"]')
        query = {"EIO": "4", "transport": "polling", "sid": sid}
        headers = {"Accept-Encoding": accepted}
        async with client.http.stream("GET", PATH, params=query, headers=headers) as response:
            raw = b"".join([chunk async for chunk in response.aiter_raw()])
        assert response.headers.get("content-encoding") == coding
    if coding is not None:
        raw = gzip.decompress(raw) if coding == "gzip" else zlib.decompress(raw)
    assert b"aaaa" in raw


async def test_a_short_answer_and_an_engine_that_is_told_not_to_compress_nothing() -> None:
    untold: list[dict[str, Any]] = [{}, {"http_compression": False, "compression_threshold": 1}]
    for options in untold:
        async with peer(**options) as client:
            response = await client.request()
            assert "content-encoding" not in response.headers


async def test_a_preflight_opens_nothing() -> None:
    async with peer() as client:
        for query in ({}, {"EIO": None}):
            assert (await client.request("OPTIONS", **query)).status_code == 200
        assert not filled(client.socket)


async def test_what_is_refused_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with peer() as client:
        await _everything_wrong(client)
    assert [record for record in caplog.records if record.exc_info] == []


async def _everything_wrong(client: Peer) -> None:
    for query in BAD.values():
        await client.request(**query)
    with pytest.raises(httpx.HTTPStatusError):
        (await client.request("POST", b"\xff", sid="x\ny")).raise_for_status()
