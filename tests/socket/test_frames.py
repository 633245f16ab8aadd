"""The frames that a client may send; those that it may not are many more."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from authx.socket.frames import readable, split_payload

LIMIT = 20


def test_a_payload_is_its_frames_in_order() -> None:
    assert split_payload('40{"token":"é"}\x1e3\x1eb/+8=\x1e1'.encode(), most=4) == [
        '40{"token":"é"}',
        "3",
        b"\xff\xef",
        "1",
    ]


@pytest.mark.parametrize(
    "body", ["", "\x1e", "3\x1e", "0", "2", "5", "6", "4", "4a", "11", "²", "٤0", "b*", "d=3"]
)
def test_one_frame_that_is_none_spoils_the_payload(body: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the text is, it goes nowhere
        split_payload(f"3\x1e{body}".encode(), most=16)


def test_there_may_be_so_many_frames_and_no_more() -> None:
    assert split_payload(b"3\x1e3", most=2) == ["3", "3"]
    with pytest.raises(ValueError, match="too many"):
        split_payload(b"3\x1e3\x1e3", most=2)


@given(st.binary())
def test_any_body_is_frames_or_a_value_error(body: bytes) -> None:
    try:
        frames = split_payload(body, most=16)
    except ValueError:
        return
    assert frames
    assert all(isinstance(frame, bytes) or frame[0] in "134" for frame in frames)


async def received(*events: Message) -> list[Message]:
    coming: Iterator[Message] = iter(events)

    async def receive() -> Message:
        return next(coming)

    receive_readable = readable(receive, limit=LIMIT)
    return [await receive_readable() for _ in events]


def text(frame: str) -> Message:
    return {"type": "websocket.receive", "text": frame}


def binary(frame: bytes) -> Message:
    return {"type": "websocket.receive", "bytes": frame, "text": None}


async def test_what_a_client_may_send_on_a_websocket_passes_as_it_is() -> None:
    events = [
        {"type": "websocket.connect"},
        *map(text, ("1", "3", "5", "2probe", "40", '42["a"]', "4" * LIMIT)),
        binary(b""),
        binary(bytes(LIMIT)),
        {"type": "websocket.disconnect", "code": 1001},
    ]

    assert await received(*events) == events


@pytest.mark.parametrize(
    "event",
    [
        *map(text, ("", "0", "2", "2probes", "3[", "6", "4", "4[", "4²", "x", "b", "1\n", "4" * (LIMIT + 1))),
        binary(bytes(LIMIT + 1)),
    ],
)
async def test_anything_else_is_the_end(event: Message) -> None:
    assert await received(event) == [{"type": "websocket.disconnect", "code": 1002}]
