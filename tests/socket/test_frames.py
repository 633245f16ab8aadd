"""The frames that a client may send; those that it may not are many more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.socket.frames import is_readable, split_payload

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


@pytest.mark.parametrize(
    "frame", ["1", "3", "40", '42["a"]', "4" * LIMIT, "40" + "é" * 9, b"", bytes(LIMIT)], ids=ascii
)
def test_what_a_client_may_send_on_a_websocket(frame: str | bytes) -> None:
    assert is_readable(frame, limit=LIMIT)


@pytest.mark.parametrize(
    "frame",
    [
        *("", "0", "2", "2probe", "5", "3[", "6", "4", "4[", "4²", "٤0", "x", "b", "1\n"),
        *("4" * (LIMIT + 1), "40" + "é" * 10, "40" + "😀" * 5, bytes(LIMIT + 1)),
    ],
    ids=ascii,
)
def test_what_a_client_may_not(frame: str | bytes) -> None:
    assert not is_readable(frame, limit=LIMIT)


@given(st.text() | st.binary(), st.integers(0, 30))
def test_any_frame_is_one_or_the_other(frame: str | bytes, limit: int) -> None:
    if is_readable(frame, limit=limit):
        assert isinstance(frame, bytes) or frame[0] in "134"
        assert len(frame) <= limit
