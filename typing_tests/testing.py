"""The test client: what it gives, and what a test may ask of it."""

from typing import Any, assert_type

from fastapi import FastAPI

from authx import AuthXSocket
from authx.socket import Denial, Refusal
from authx.socket.exceptions import Closing
from authx.socket.testing import ClientConnection, Event, InMemoryBus, ManualClock, SocketTestClient

app = FastAPI()
bus = InMemoryBus()
socket = AuthXSocket(app, client_manager=bus.manager())


async def a_test() -> None:
    async with SocketTestClient(app, timeout=1.0) as client:
        assert_type(client, SocketTestClient)
        assert_type(client.token("alice", scopes=["chat:read"], expires_in=60), str)
        alice = await client.connect("alice", scopes=["chat:read"], roles=["admin"], namespace="/chat")
        assert_type(alice, ClientConnection)
        assert_type(alice.user, str | None)
        assert_type(await alice.connect("/admin"), ClientConnection)
        event = await alice.receive("message")
        assert_type(event, Event)
        assert_type(event.args, tuple[Any, ...])
        assert_type(alice.received(), list[Event])
        assert_type(await alice.emit("message", "hi", b"bytes"), None)
        assert_type(await alice.expect_denied("message"), Denial)
        assert_type(await alice.expect_refused("/admin"), Refusal)
        assert_type(await client.expect_refused(token="nonsense"), Refusal)
        assert_type(await alice.wait_closed(), Closing | None)


def a_clock() -> None:
    clock = ManualClock()
    assert_type(clock(), float)
    clock.advance(60)


# --- what is wrong ----------------------------------------------------------------------------------------


async def wrong(client: SocketTestClient, alice: ClientConnection) -> None:
    SocketTestClient()  # type: ignore[call-arg]
    await client.connect(42)  # type: ignore[arg-type]
    await alice.emit()  # type: ignore[call-arg]
    await alice.receive(timeout="1")  # type: ignore[arg-type]
    alice.user = "bob"  # type: ignore[misc]
