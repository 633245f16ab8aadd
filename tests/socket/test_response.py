"""What the engine answers to requests."""

import gzip
from typing import Any

import pytest
from starlette.types import Message

from authx.socket.response import Response, accepted, compressed, payload, refused, respond


async def sent(response: Response, scope: dict[str, Any]) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await respond(response, scope, send, headers=[("vary", "Origin")])
    return messages


async def test_a_payload_is_its_frames_with_bytes_as_text() -> None:
    response = payload(["40", b"\xff\x00", "3é"], [("set-cookie", "a=b")])

    assert response.body == "40\x1eb/wA=\x1e3é".encode()
    assert await sent(response, {"type": "http"}) == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/plain; charset=UTF-8"),
                (b"set-cookie", b"a=b"),
                (b"vary", b"Origin"),
            ],
        },
        {"type": "http.response.body", "body": response.body},
    ]


async def test_a_websocket_is_refused_with_the_status_where_the_server_can_say_it() -> None:
    told = await sent(
        refused("no", 429), {"type": "websocket", "extensions": {"websocket.http.response": {}}}
    )
    closed = await sent(refused("no"), {"type": "websocket", "extensions": None})

    assert [message["type"] for message in told] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert (told[0]["status"], told[1]["body"]) == (429, b'"no"')
    assert closed == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(("threshold", "coding"), [(2, "gzip"), (3, None)])
def test_the_threshold_is_that_of_the_body(threshold: int, coding: str | None) -> None:
    scope = {"type": "http", "headers": [(b"accept-encoding", b"br, gzip")]}
    response = compressed(accepted(), scope, threshold=threshold)

    assert dict(response.headers).get("content-encoding") == coding
    assert (gzip.decompress(response.body) if coding else response.body) == b"ok"
