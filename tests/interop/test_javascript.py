"""The JavaScript client, as its authors ship it, in Node."""

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.interop.app import create_app, token
from tests.support.node import Node, node
from tests.support.server import serving

CLIENT = Path(__file__).with_name("client.js")
TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]

every_transport = pytest.mark.parametrize("transports", TRANSPORTS, ids="-then-".join)


def client(base_url: str, transports: list[str], auth: Any) -> AbstractAsyncContextManager[Node]:
    return node(CLIENT, base_url, json.dumps({"transports": transports, "auth": auth}))


async def until(peer: Node, key: str) -> Any:
    """Return the value of the next thing told under this name."""
    while key not in (told := await peer.receive()):
        pass
    return told[key]


async def next_event(peer: Node, event: str) -> Any:
    while (told := await peer.receive()).get("event") != event:
        pass
    return told["args"]


@every_transport
async def test_it_connects_emits_with_an_ack_and_receives(transports: list[str]) -> None:
    async with (
        serving(create_app()) as base_url,
        client(base_url, transports, {"token": token("alice", "chat:write")}) as alice,
        client(base_url, transports, {"token": token("bob")}) as bob,
    ):
        assert await until(alice, "open") == transports[0]
        (session,) = await next_event(alice, "authx:session")
        assert (session["user"], session["scopes"]) == ("alice", ["chat:write"])
        await next_event(bob, "authx:session")

        await alice.send({"emit": ["message", {"to": "bob", "text": "hi"}]})

        assert await until(alice, "ack") == [{"devices": 1}]
        assert await next_event(bob, "message") == [{"from": "alice", "text": "hi"}]


async def test_a_polling_connection_is_upgraded_and_goes_on() -> None:
    async with (
        serving(create_app()) as base_url,
        client(base_url, ["polling", "websocket"], {"token": token("alice", "chat:write")}) as alice,
    ):
        assert await until(alice, "open") == "polling"
        told: dict[str, Any] = {}
        while not {"upgrade", "connect"} <= told.keys():
            # In either order: what there is to poll meanwhile is polled.
            told |= await alice.receive()
        assert told["upgrade"] == "websocket"

        await alice.send({"emit": ["message", {"to": "alice", "text": "still here"}]})

        assert await next_event(alice, "message") == [{"from": "alice", "text": "still here"}]
        assert await until(alice, "ack") == [{"devices": 1}]


@every_transport
async def test_it_is_refused_with_a_code(transports: list[str]) -> None:
    async with serving(create_app()) as base_url, client(base_url, transports, {"token": "no token"}) as peer:
        while "connect_error" not in (told := await peer.receive()):
            assert told.keys() <= {"open", "upgrade"}

        assert told == {
            "connect_error": "The token is not valid",
            "data": {"code": "invalid_token", "retry": False},
        }


@every_transport
async def test_a_denial_is_the_answer_and_the_connection_stays(transports: list[str]) -> None:
    async with (
        serving(create_app()) as base_url,
        client(base_url, transports, {"token": token("bob")}) as bob,
    ):
        await until(bob, "connect")
        for _ in range(2):
            await bob.send({"emit": ["message", {"to": "alice", "text": "hi"}]})
            (answer,) = await until(bob, "ack")
            assert answer["error"]["code"] == "insufficient_scope"


@every_transport
async def test_it_leaves_and_the_others_stay(transports: list[str]) -> None:
    async with (
        serving(create_app()) as base_url,
        client(base_url, transports, {"token": token("alice", "chat:write")}) as alice,
        client(base_url, transports, {"token": token("bob")}) as bob,
    ):
        await until(alice, "connect")
        await next_event(bob, "authx:session")
        await bob.send({"disconnect": True})
        assert await until(bob, "disconnect") == "io client disconnect"

        devices = 1
        while devices:
            await alice.send({"emit": ["message", {"to": "bob", "text": "gone?"}]})
            ((receipt),) = await until(alice, "ack")
            devices = receipt["devices"]
