"""What a refresh leaves in the tables; who may refresh is in tests/promises/test_the_clock_is_obeyed.py."""

from typing import Any

from fastapi import FastAPI

from authx import AuthXSocket
from authx.socket.testing import SocketTestClient
from tests.support.logins import login
from tests.support.tables import tables


async def test_a_refresh_leaves_one_of_everything() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", roles=["a"], session="s0")
        await client.settle()
        before = _sizes(socket)
        token = ""
        for number in range(20):
            token = client.token("alice", roles=[f"r{number}"], session=f"s{number}")
            await alice.call("authx:refresh", {"token": token})
        await client.settle()

        assert _sizes(socket) == before
        [connection] = socket.sio.registry
        assert connection.credential is not None
        assert (connection.credential.token, connection.credential.place) == (token, "payload")


async def test_the_app_may_ask_for_a_connection_again_that_was_changed() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)
    async with SocketTestClient(app) as client:
        first, second = await client.connect("alice"), await client.connect("alice")
        await socket.update_user("alice", roles=["a"])
        await first.call("authx:refresh", {"token": client.token("alice")})

        found = await socket.to_user("alice").connections()
        assert [info.sid for info in found] == [first.sid, second.sid]
        assert [info.sid for info in await socket.to_role("a").connections()] == [second.sid]


def _sizes(socket: AuthXSocket) -> dict[str, Any]:
    sizes = {name: len(table) for name, table in tables(socket).items()}
    sizes["rooms"] = len(socket.sio.manager.rooms["/"])
    return sizes
