"""What one event has to give."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from authx import AuthXConfig
from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.credential import Credential
from authx.socket.material import Material, Supply, injected
from authx.socket.signature import read_signature
from tests.support.connections import ALICE, connected
from tests.support.logins import KEY


class Socket:
    pass


def asks(
    a: Connection,
    b: Identity,
    c: Identity | None,
    d: Request,
    e: HTTPConnection,
    f: WebSocket,
    g: Response,
    h: Socket,
    sid,
) -> None: ...


def takes(data: dict[str, str], request, identity, user: str) -> None: ...


def test_what_is_injected_goes_by_the_type_and_sid_by_its_name() -> None:
    socket = Socket()
    supply = Supply({Socket: socket})
    here = connected()
    material = Material(supply, here, ())

    found = []
    for parameter in read_signature(asks).parameters:
        source = injected(parameter, supply)
        assert source is not None
        found.append(source(material))

    assert found[:3] == [here, ALICE, ALICE]
    assert found[3] is found[4] is material.request
    assert isinstance(found[5], WebSocket)
    assert found[6:] == [material.response, socket, "s1"]


def test_nothing_else_is() -> None:
    for parameter in read_signature(takes).parameters:
        assert injected(parameter, Supply()) is None


def test_nothing_is_made_before_it_is_asked_for() -> None:
    material = Material(Supply(), connected(), ())

    assert material._request is None
    assert material._response is None
    assert material.request is material.request


def test_it_is_of_one_moment() -> None:
    here = connected(credential=Credential("old", "payload"))
    material = Material(Supply(config=AuthXConfig(JWT_SECRET_KEY=KEY)), here, ())
    here.identity, here.credential = Identity(user="alice", fresh=True), Credential("new", "payload")

    assert material.identity is ALICE
    assert material.request.scope["authx.identity"] is ALICE
    assert material.request.headers["authorization"] == "Bearer old"
