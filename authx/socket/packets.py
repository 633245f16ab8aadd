"""From frames to packets that a client may send, or an error; nothing in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from socketio import packet

__all__ = ("PacketReader",)

Packet: TypeAlias = Any
"""python-socketio's, which has no types."""

_EVENTS = (packet.EVENT, packet.BINARY_EVENT)
_ACKS = (packet.ACK, packet.BINARY_ACK)
_BINARY = (packet.BINARY_EVENT, packet.BINARY_ACK)


class PacketReader:
    """Reads packets and puts binary ones together.

    Args:
        packet_class: python-socketio's, or the one of another serialiser.
        may_send_binary: Whether a device is connected to a namespace; before that nothing is kept for it.
    """

    def __init__(
        self, packet_class: Callable[..., Packet], may_send_binary: Callable[[str, str], bool]
    ) -> None:
        self._packet_class = packet_class
        self._may_send_binary = may_send_binary
        self._partial: dict[str, Packet] = {}

    def read(self, device: str, frame: str | bytes) -> Packet | None:
        """The packet that ``frame`` is or completes; None while attachments are missing.

        Raises:
            Exception: of whatever kind the parser has, for anything that is no packet of a client.
        """
        partial = self._partial.pop(device, None)
        if partial is not None:
            if not isinstance(frame, bytes):
                raise TypeError("an attachment is missing")
            found, complete = partial, partial.add_attachment(frame)
        else:
            found = self._packet_class(encoded_packet=frame)
            _check(found)
            complete = found.packet_type not in _BINARY or found.attachment_count == 0
            if not complete and not self._may_send_binary(device, found.namespace or "/"):
                raise ValueError("an attachment before the door")
        if complete:
            return found
        self._partial[device] = found
        return None

    def forget(self, device: str) -> None:
        """Drop the packet that a device had begun."""
        self._partial.pop(device, None)

    def __len__(self) -> int:
        return len(self._partial)


def _check(found: Packet) -> None:
    """Raise for what is no packet that a client may send."""
    data = found.data
    if found.packet_type in _EVENTS:
        if not (isinstance(data, list) and data and isinstance(data[0], str)):
            raise TypeError("an event is a list that starts with its name")
    elif found.packet_type in _ACKS:
        if not isinstance(data, list) or found.id is None:
            raise TypeError("an acknowledgement is a list with an id")
    elif found.packet_type not in (packet.CONNECT, packet.DISCONNECT):
        raise ValueError("not a packet of a client")
