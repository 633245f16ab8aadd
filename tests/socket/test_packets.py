"""Reading packets."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet

from authx.socket.packets import Packet, PacketReader, StrictJSON, plain_text


def reader(*, connected: bool = True) -> PacketReader:
    return PacketReader(Packet, lambda transport, namespace: connected, max_bytes=100)


def read(*frames: str | bytes) -> list[Any]:
    reading = reader()
    return [reading.read("d", frame) for frame in frames]


def test_a_packet_of_one_frame_is_read_at_once() -> None:
    [event] = read('2/chat,7["message",{"a":1}]')

    assert (event.packet_type, event.namespace, event.id, event.data) == (
        packet.EVENT,
        "/chat",
        7,
        ["message", {"a": 1}],
    )


def test_a_binary_packet_is_complete_with_its_last_attachment() -> None:
    first, second, third = read(
        '52-["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]', b"\x00", b"\x01"
    )

    assert (first, second) == (None, None)
    assert third.data == ["e", b"\x01", b"\x00"]


def test_a_binary_packet_without_attachments_is_complete() -> None:
    [event] = read('50-["e"]')

    assert event.data == ["e"]


def test_devices_do_not_share_attachments() -> None:
    reading = reader()
    assert reading.read("a", '51-["e",{"_placeholder":true,"num":0}]') is None
    other, first = reading.read("b", '2["other"]'), reading.read("a", b"\x00")

    assert other is not None
    assert first is not None
    assert (other.data, first.data) == (["other"], ["e", b"\x00"])
    assert len(reading) == 0


def test_what_a_device_began_can_be_forgotten() -> None:
    reading = reader()
    reading.read("a", '51-["e",{"_placeholder":true,"num":0}]')
    assert len(reading) == 1
    reading.forget("a")

    assert len(reading) == 0


def test_nothing_is_kept_for_a_device_that_is_not_connected() -> None:
    reading = reader(connected=False)
    with pytest.raises(ValueError, match="before the door"):
        reading.read("a", '51-["e",{"_placeholder":true,"num":0}]')

    assert len(reading) == 0


@given(st.text() | st.binary() | st.from_regex(r"[0-9]([0-9]-)?(/[a-z]*,)?[0-9]{0,3}[\[{].{0,20}"))
def test_whatever_is_sent_is_a_well_formed_packet_or_an_error(frame: str | bytes) -> None:
    reading = reader()
    try:
        found = reading.read("d", frame)
    except Exception:  # noqa: BLE001 - the parser has many
        assert len(reading) == 0
        return
    if found is None:
        assert len(reading) == 1
        return
    assert found.packet_type in {0, 1, 2, 3, 5, 6}
    if found.packet_type in {packet.EVENT, packet.BINARY_EVENT}:
        assert isinstance(found.data[0], str)


numbers = st.integers(-(10**90), 10**90) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_strict_json_is_json(value: Any) -> None:
    assert StrictJSON.loads(StrictJSON.dumps(value)) == value


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "1e999", "-1e999", "1" * 101, "{", ""])
def test_what_is_not_json_is_not_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own
        StrictJSON.loads(text)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": float("-inf")}])
def test_what_is_not_json_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        StrictJSON.dumps(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(data=JSON)
def test_bytes_are_found_where_the_base_class_finds_them(data: Any) -> None:
    # Older versions of python-socketio keep theirs to themselves.
    base = packet.Packet()
    theirs = getattr(base, "data_is_binary", None) or base._data_is_binary

    assert Packet.data_is_binary(data) == theirs(data)


@pytest.mark.parametrize("options", [{"separators": (",", ":")}, {}, {"indent": 1}])
def test_whatever_the_options_the_writer_is_strict(options: dict[str, Any]) -> None:
    assert StrictJSON.loads(StrictJSON.dumps({"a": [1, 2.5, None]}, **options)) == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON"):
        StrictJSON.dumps([float("nan")], **options)


def test_bytes_are_read_as_text() -> None:
    assert StrictJSON.loads('"é"'.encode()) == "é"


# --- what is written without a packet ---------------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from([packet.EVENT, packet.ACK]),
    st.sampled_from(["/", "/chat"]),
    st.lists(JSON_VALUES, max_size=3),
    st.none() | st.integers(0, 10**9),
)
def test_plain_text_says_what_the_packet_says(
    kind: int, namespace: str, data: list[Any], ack: int | None
) -> None:
    text = plain_text(kind, namespace, data, ack)
    frames = Packet(kind, data=data, namespace=namespace, id=ack).encode()
    if isinstance(frames, list):
        assert text is None
    else:
        assert text is not None
        start = text.index("[")
        assert text[:start] == frames[: frames.index("[")]
        assert json.loads(text[start:]) == json.loads(frames[frames.index("[") :])


@pytest.mark.parametrize("value", [float("nan"), [None, float("inf")], {"a": -float("inf")}])
def test_what_is_no_number_is_not_written_as_nothing(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        plain_text(packet.EVENT, "/", ["e", value], None)


@pytest.mark.parametrize("value", [None, "null", {"null": 1}, 10**30, {1: 2}, "\ud800", "\x1e\u2028é"])
def test_what_one_writer_can_not_write_the_other_does(value: Any) -> None:
    text = plain_text(packet.EVENT, "/", ["e", value], None)
    assert text is not None
    assert json.loads(text[1:]) == json.loads(json.dumps(["e", value]))
    assert "\x1e" not in text


@dataclass
class Point:
    x: int


@pytest.mark.parametrize("value", [b"", bytearray(b"x"), {1, 2}, Point(1), datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_json_does_not_take_is_left_to_others(value: Any) -> None:
    assert plain_text(packet.EVENT, "/", ["e", value], None) is None


@given(st.text(alphabet='234/[]{}",:0123456789ab \u0661\\', max_size=20))
def test_it_reads_what_python_socketio_reads(text: str) -> None:
    theirs, ours = outcome(_Theirs, text), outcome(Packet, text)
    assert ours == theirs


class _Theirs(packet.Packet):  # type: ignore[misc]
    json = StrictJSON


def outcome(kind: Any, text: str) -> Any:
    try:
        found = kind(encoded_packet=text)
    except Exception as error:  # noqa: BLE001 - parsers fail in many ways
        return type(error)
    return found.packet_type, found.namespace, found.id, found.data, found.attachment_count
