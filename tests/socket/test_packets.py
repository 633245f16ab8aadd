"""Reading packets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet

from authx.socket.packets import Packet, PacketReader, StrictJSON


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
