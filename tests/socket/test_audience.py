"""Audiences as values."""

from typing import Any

import pytest

from authx.socket.audience import Audience, Delivery
from authx.socket.connection import Connection
from authx.socket.exceptions import ReservedNameError


class RecordingTransmitter:
    """Keeps what it was asked to send, and has the members it was given."""

    def __init__(self, *members: Connection) -> None:
        self.sent: list[tuple[str, tuple[Any, ...], str, tuple[str, ...]]] = []
        self._members = list(members)

    async def transmit(
        self, event: str, arguments: tuple[Any, ...], *, namespace: str, rooms: tuple[str, ...]
    ) -> Delivery:
        self.sent.append((event, arguments, namespace, rooms))
        return Delivery(devices=1, nodes=1, complete=True)

    def members(self, *, namespace: str, rooms: tuple[str, ...]) -> list[Connection]:
        return self._members


def connection(sid: str, connected_at: float) -> Connection:
    return Connection(sid=sid, namespace="/", device=sid, identity=None, connected_at=connected_at)


async def test_an_emit_goes_to_the_rooms_of_the_audience_in_its_namespace() -> None:
    transmitter = RecordingTransmitter()
    audience = Audience(transmitter, ("a", "b"))

    await audience.emit("one", 1, 2)
    await audience.in_namespace("/chat").emit("two")

    assert transmitter.sent == [("one", (1, 2), "/", ("a", "b")), ("two", (), "/chat", ("a", "b"))]
    assert audience.namespace == "/"


async def test_connections_are_listed_oldest_first() -> None:
    audience = Audience(RecordingTransmitter(connection("new", 2.0), connection("old", 1.0)), ("a",))

    assert [info.sid for info in await audience.connections()] == ["old", "new"]


async def test_a_reserved_event_is_not_sent() -> None:
    transmitter = RecordingTransmitter()

    with pytest.raises(ReservedNameError):
        await Audience(transmitter, ("a",)).emit("authx:session", {"user": "mallory"})
    assert transmitter.sent == []
