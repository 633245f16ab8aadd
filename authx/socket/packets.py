"""From frames to packets that a client may send, or an error; nothing in between."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from socketio import packet

__all__ = ("Packet", "PacketReader", "StrictJSON", "encode", "plain_text")

_MAX_ATTACHMENTS = 100
_COUNTED = re.compile("[56][0-9]{1,3}-")

_EVENTS = (packet.EVENT, packet.BINARY_EVENT)
_ACKS = (packet.ACK, packet.BINARY_ACK)
_BINARY = (packet.BINARY_EVENT, packet.BINARY_ACK)


class StrictJSON:
    """JSON as the standard has it (RFC 8259), in the shape that python-socketio asks for.

    Python's own writes ``NaN`` and ``Infinity``, on which a standard client gives up its transport: one
    client could send them through the app to all others.
    """

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        """``value`` as text.

        Raises:
            TypeError, ValueError: for what JSON can't carry.
        """
        if options == _COMPACT:
            # An encoder made for each packet would cost more than short packets do.
            return encode(value)
        return json.dumps(value, allow_nan=False, **options)

    @staticmethod
    def loads(text: str | bytes) -> Any:
        """The value of ``text``.

        Raises:
            ValueError: for what is not JSON, and for numbers that are out of range.
        """
        return _decode(text if isinstance(text, str) else text.decode())


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _short(text: str) -> int:
    # Reading a number takes time that grows with the square of its length.
    if len(text) > 100:
        raise ValueError("a number is too long")
    return int(text)


_COMPACT = {"separators": (",", ":")}
"""The options that python-socketio gives."""
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite, parse_int=_short).decode


def _by_orjson() -> Callable[[Any], str]:
    """What ``_encode`` does, in a tenth of the time.

    Raises:
        ImportError: where orjson is not installed.
    """
    import orjson

    dumps = orjson.dumps
    only_json = (
        orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
    )

    def encode(value: Any) -> str:
        try:
            text = dumps(value, option=only_json).decode()
        except TypeError:
            # Numbers beyond 64 bits, names that are no text, half of a surrogate pair: json has its say.
            return _encode(value)
        # What is no number is written as null, and nothing is said of it.
        return _encode(value) if "null" in text else text

    return encode


try:
    encode = _by_orjson()
except ImportError:
    encode = _encode

_PLAIN = re.compile(r"([23])([0-9]{0,18})(?=\[)")
"""An event or an acknowledgement in the default namespace, without attachments: what most packets are."""


class Packet(packet.Packet):
    """python-socketio's packet, with strict JSON."""

    json = StrictJSON

    def __init__(self, *arguments: Any, encoded_packet: Any = None, **options: Any) -> None:
        if not encoded_packet:
            super().__init__(*arguments, **options)
            return
        # What came from a client: the base class would look for bytes in the data that is not there yet.
        self.data: Any = None
        self.namespace: str | None = None
        self.id: int | None = None
        self.attachments: list[bytes] = []
        self.attachment_count = self.decode(encoded_packet)

    def decode(self, encoded_packet: Any) -> int:
        """Read what a client sent; how many attachments it has."""
        plain = _PLAIN.match(encoded_packet) if isinstance(encoded_packet, str) else None
        if plain is None:
            return super().decode(encoded_packet)  # type: ignore[no-any-return]
        kind, number = plain.groups()
        self.packet_type = packet.EVENT if kind == "2" else packet.ACK
        self.id = int(number) if number else None
        self.data = _decode(encoded_packet[plain.end() :])
        return 0

    @classmethod
    def data_is_binary(cls, data: Any) -> bool:
        """Whether there are bytes in ``data``; the base class asks it of every packet, and takes its time."""
        values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else (data,)
        for value in values:
            if isinstance(value, (str, int, float)):
                continue
            if isinstance(value, (bytes, bytearray)):
                return True
            if isinstance(value, (list, dict)) and cls.data_is_binary(value):
                return True
        return False


def plain_text(kind: int, namespace: str, data: Any, ack: int | None) -> str | None:
    """The text of a packet; None if there are bytes in it, or what else JSON does not take.

    Raises:
        ValueError: for numbers that JSON can't carry.
    """
    try:
        # It refuses bytes, so nobody has to look for them first.
        body = "" if data is None else encode(data)
    except TypeError:
        return None
    return f"{kind}{'' if namespace == '/' else f'{namespace},'}{'' if ack is None else ack}{body}"


class PacketReader:
    """Reads packets and puts binary ones together.

    Args:
        packet_class: python-socketio's, or the one of another serialiser.
        may_send_binary: Whether a transport is connected to a namespace; before that nothing is kept for it.
        max_bytes: How much one packet may have in attachments.
    """

    def __init__(
        self,
        packet_class: Callable[..., Any],
        may_send_binary: Callable[[str, str], bool],
        *,
        max_bytes: int,
    ) -> None:
        self._packet_class = packet_class
        self._may_send_binary = may_send_binary
        self._max_bytes = max_bytes
        self._partial: dict[str, Any] = {}

    def read(self, transport: str, frame: Any) -> Any:
        """The packet that ``frame`` is or completes; None while attachments are missing.

        Raises:
            Exception: of whatever kind the parser has, for anything that is no packet of a client.
        """
        partial = self._partial.pop(transport, None)
        if partial is not None:
            if not isinstance(frame, bytes):
                raise TypeError("an attachment is missing")
            if sum(map(len, partial.attachments)) + len(frame) > self._max_bytes:
                raise ValueError("attachments are too large")
            found, complete = partial, partial.add_attachment(frame)
        else:
            if not isinstance(frame, str | bytes) or not frame:
                raise TypeError("a packet is text or bytes")
            if isinstance(frame, str) and frame[0] in "56" and not _COUNTED.match(frame):
                raise ValueError("the number of attachments is missing")
            found = self._packet_class(encoded_packet=frame)
            _check(found)
            complete = found.packet_type not in _BINARY or found.attachment_count == 0
            if not complete and not self._may_send_binary(transport, found.namespace or "/"):
                raise ValueError("an attachment before the door")
        if complete:
            return found
        self._partial[transport] = found
        return None

    def forget(self, transport: str) -> None:
        """Drop the packet that a transport had begun."""
        self._partial.pop(transport, None)

    def __len__(self) -> int:
        return len(self._partial)


def _check(found: Any) -> None:
    """Raise for what is no packet that a client may send."""
    if found.attachment_count > _MAX_ATTACHMENTS:
        raise ValueError("too many attachments")
    data = found.data
    if found.packet_type in _EVENTS:
        if not (isinstance(data, list) and data and isinstance(data[0], str)):
            raise TypeError("an event is a list that starts with its name")
    elif found.packet_type in _ACKS:
        if not isinstance(data, list) or found.id is None:
            raise TypeError("an acknowledgement is a list with an id")
    elif found.packet_type not in (packet.CONNECT, packet.DISCONNECT):
        raise ValueError("not a packet of a client")
