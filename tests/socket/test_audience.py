"""Audiences as values."""

from typing import Any

import pytest

from authx.socket.audience import Audience, Delivery, Reply, Selection
from authx.socket.connection import Connection
from authx.socket.exceptions import Closing, ReservedNameError


class RecordingTransmitter:
    """Keeps what it was asked to do, and has the members it was given."""

    def __init__(self, *members: Connection) -> None:
        self.done: list[tuple[Any, ...]] = []
        self._members = list(members)

    async def transmit(self, event: str, arguments: tuple[Any, ...], selection: Selection) -> Delivery:
        self.done.append((event, arguments, selection))
        return Delivery(devices=1, nodes=1, complete=True)

    async def ask(
        self, event: str, arguments: tuple[Any, ...], selection: Selection, *, timeout: float
    ) -> list[Reply]:
        self.done.append((event, arguments, selection, timeout))
        return []

    async def dismiss(self, closing: Closing, selection: Selection) -> int:
        self.done.append((closing.code, closing.message, closing.retry, selection))
        return 0

    def members(self, selection: Selection) -> list[Connection]:
        return self._members


def connection(sid: str, connected_at: float = 0.0) -> Connection:
    return Connection(sid=sid, namespace="/", device=sid, identity=None, connected_at=connected_at)


async def test_what_is_done_goes_to_the_selection() -> None:
    transmitter = RecordingTransmitter()
    selection = Selection(("a", "b"), "/chat")
    audience = Audience(transmitter, Selection(("a", "b"))).in_namespace("/chat")

    await audience.emit("one", 1, 2)
    await audience.call("two", timeout=3)
    await audience.disconnect(code="server_shutdown", retry=True)
    await audience.disconnect(code="kicked", message="Out")

    assert transmitter.done == [
        ("one", (1, 2), selection),
        ("two", (), selection, 3),
        ("server_shutdown", "The server is going away", True, selection),
        ("kicked", "Out", False, selection),
    ]


def test_narrowing_gives_a_new_audience() -> None:
    audience = Audience(RecordingTransmitter(), Selection(("a",)))

    narrowed = audience.except_sid("s1").except_sid("s2", "s3").except_user("u1").except_user("u2")

    assert narrowed.selection == Selection(
        ("a",), except_sids=frozenset({"s1", "s2", "s3"}), except_users=frozenset({"u1", "u2"})
    )
    assert audience.selection == Selection(("a",))


@pytest.mark.parametrize("namespace", ["", "chat", "*"])
def test_a_namespace_that_no_client_can_name_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="starts with '/'"):
        Audience(RecordingTransmitter(), Selection(None)).in_namespace(namespace)


def test_users_that_were_named_themselves_are_left_out_by_name() -> None:
    """So they are on every node, whoever may be there."""
    audience = Audience(RecordingTransmitter(), Selection(("authx:user:alice", "authx:user:bob")))

    assert audience.except_user("alice").selection.rooms == ("authx:user:bob",)
    assert audience.except_user("alice", "bob").selection.rooms == ()


async def test_the_connections_are_those_of_the_selection() -> None:
    audience = Audience(RecordingTransmitter(connection("old"), connection("new")), Selection(("a",)))

    assert [info.sid for info in await audience.connections()] == ["old", "new"]


def test_an_exception_is_by_sid_or_by_user() -> None:
    selection = Selection(None, except_sids=frozenset({"a"}), except_users=frozenset({"alice"}))

    assert [selection.picks(connection(sid)) for sid in ("a", "b")] == [False, True]


@pytest.mark.parametrize("event", ["authx:session", "connect", "disconnect", "connect_error"])
async def test_a_reserved_event_is_not_sent(event: str) -> None:
    transmitter = RecordingTransmitter()
    audience = Audience(transmitter, Selection(("a",)))

    with pytest.raises(ReservedNameError):
        await audience.emit(event, {"user": "mallory"})
    with pytest.raises(ReservedNameError):
        await audience.call(event)
    assert transmitter.done == []


def test_who_an_audience_is_can_be_read_without_its_server() -> None:
    assert "RecordingTransmitter" not in repr(Audience(RecordingTransmitter(), Selection(("a",))))
