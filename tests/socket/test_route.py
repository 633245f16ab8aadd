"""The socket in routes.

Neither starlette's newest ``TestClient`` nor its oldest can be imported without a deprecation, of httpx or
of anyio; once imported, it does its work. What shares a loop with the socket's own test client goes through
``httpx.ASGITransport``.
"""

import gc
import json
import warnings
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket

from authx import AuthXSocket
from authx.socket import SocketDep
from authx.socket.testing import SocketTestClient
from tests.support.logins import login

ENGINE = "/ws/socket.io/?EIO=4&transport=websocket"


def app_with_routes() -> FastAPI:
    app = FastAPI()

    @app.post("/tell/{user}")
    async def tell(user: str, socket: SocketDep) -> dict[str, int]:
        return {"devices": (await socket.to_user(user).emit("told", "hello")).devices}

    @app.websocket("/plain")
    async def plain(websocket: WebSocket, socket: SocketDep) -> None:
        await websocket.accept()
        await websocket.send_text(socket.path)
        await websocket.close()

    return app


def http_client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


async def test_a_route_emits_with_the_apps_socket() -> None:
    app = app_with_routes()
    AuthXSocket(app, auth=login())
    async with SocketTestClient(app) as client, http_client(app) as http:
        alice = await client.connect("alice")

        assert (await http.post("/tell/alice")).json() == {"devices": 1}
        assert (await alice.receive("told")).args == ("hello",)


async def test_an_app_that_the_socket_is_attached_to_has_it_too() -> None:
    app = app_with_routes()
    socket = AuthXSocket(FastAPI(), auth=login())
    socket.attach(app)
    async with http_client(app) as http:
        assert (await http.post("/tell/alice")).json() == {"devices": 0}


async def test_an_app_without_a_socket_is_told_so() -> None:
    async with http_client(app_with_routes()) as http:
        with pytest.raises(RuntimeError, match="this app has no AuthXSocket"):
            await http.post("/tell/alice")


async def test_a_handler_of_the_socket_may_ask_for_it_in_the_same_way() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    @socket.on("path")
    async def path(found: SocketDep) -> str:
        return found.path

    async with SocketTestClient(app) as client:
        assert await (await client.connect("alice")).call("path") == "/ws/socket.io"


def exchange(app: FastAPI, token: str) -> None:
    """Let FastAPI's own client speak to the routes and to the socket of `app`."""
    from fastapi.testclient import TestClient

    with TestClient(app) as http:
        with http.websocket_connect(ENGINE, headers={"Upgrade": "websocket"}) as websocket:
            assert websocket.receive_text().startswith("0")
            websocket.send_text("40" + json.dumps({"token": token}))
            assert websocket.receive_text().startswith('40{"sid":')
            assert websocket.receive_text().startswith('42["authx:session",')

            assert http.post("/tell/alice").json() == {"devices": 1}
            assert websocket.receive_text() == '42["told","hello"]'
        with http.websocket_connect("/plain") as websocket:
            assert websocket.receive_text() == "/ws/socket.io"


def test_fastapis_own_test_client_does_for_routes_and_for_the_socket_itself() -> None:
    app, auth = app_with_routes(), login()
    AuthXSocket(app, auth=auth)
    with warnings.catch_warnings():
        # Its import is deprecated, see above; and the oldest leaves streams of anyio for the collector.
        warnings.simplefilter("ignore")
        exchange(app, auth.create_access_token("alice"))
        gc.collect()
