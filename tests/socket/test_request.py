"""The handshake as a request: the current credential, and no other."""

from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from authx import AuthXConfig
from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.credential import Credential, Place
from authx.socket.request import as_request, as_websocket
from tests.support.logins import KEY

PLACES: tuple[Place, ...] = ("payload", "header", "cookie", "query")
CONFIG = AuthXConfig(
    JWT_SECRET_KEY=KEY,
    JWT_TOKEN_LOCATION=["headers", "cookies", "query"],
)
SCOPE: dict[str, Any] = {
    "type": "websocket",
    "scheme": "wss",
    "path": "/ws/socket.io/",
    "query_string": b"EIO=4&token=stale&tag=a&tag=b+c",
    "headers": [
        (b"host", b"app.test"),
        (b"authorization", b"Bearer stale"),
        (b"x-csrf-token", b"stale"),
        (b"cookie", b'theme="dark blue"; access_token_cookie=stale; refresh_token_cookie=stale'),
        (b"cookie", b"lang=de"),
    ],
    "state": {"from": "lifespan"},
}


def connection(credential: Credential | None, scope: dict[str, Any] | None = None) -> Connection:
    return Connection(
        sid="s",
        namespace="/",
        device="d",
        identity=None,
        connected_at=0.0,
        credential=credential,
        opened_with=SCOPE if scope is None else scope,
    )


def request_of(here: Connection, config: AuthXConfig | None = CONFIG) -> Request:
    return as_request(here.opened_with, here.identity, here.credential, config)


def tokens(request: Request) -> dict[Place, str]:
    found: dict[Place, str | None] = {
        "header": request.headers.get("authorization"),
        "cookie": request.cookies.get("access_token_cookie"),
        "query": request.query_params.get("token"),
    }
    return {place: token for place, token in found.items() if token is not None}


@pytest.mark.parametrize("place", PLACES)
def test_the_current_credential_is_in_its_place_and_the_one_of_then_is_nowhere(place: Place) -> None:
    request = request_of(connection(Credential("now", place, csrf="secret")))

    seen: Place = "header" if place == "payload" else place
    assert tokens(request) == {seen: "Bearer now" if seen == "header" else "now"}
    assert "stale" not in repr(request.scope)
    assert request.headers.get("x-csrf-token") == ("secret" if place == "cookie" else None)


def test_who_is_anonymous_shows_nothing() -> None:
    assert tokens(request_of(connection(None))) == {}


def test_it_says_whose_it_is() -> None:
    alice = Identity(user="alice", overridden=frozenset({"scopes"}))

    assert as_request(SCOPE, alice, None, CONFIG).scope["authx.identity"] is alice
    assert as_request(SCOPE, None, None, CONFIG).scope["authx.identity"] is None


def test_without_a_login_nothing_is_a_credential() -> None:
    assert set(tokens(request_of(connection(None), None))) == {"header", "cookie", "query"}


def test_all_else_is_the_handshakes() -> None:
    request = request_of(connection(Credential("now", "cookie")))

    assert request.cookies["theme"] == "dark blue"
    assert request.cookies["lang"] == "de"
    assert request.headers["host"] == "app.test"
    assert request.query_params.getlist("tag") == ["a", "b c"]
    assert (request.method, str(request.url)[:30]) == ("GET", "https://app.test/ws/socket.io/")


async def test_there_is_no_body_and_no_way_back() -> None:
    request = request_of(connection(None))
    websocket = as_websocket(request)

    assert await request.body() == b""
    assert websocket.url.scheme == "wss"
    with pytest.raises(RuntimeError, match="sent"):
        await websocket.send({"type": "websocket.accept"})
    with pytest.raises(RuntimeError, match="received"):
        await websocket.receive()


def test_what_one_event_leaves_is_not_for_the_next() -> None:
    here = connection(None)
    request_of(here).state.user = "somebody"

    request = request_of(here)

    assert not hasattr(request.state, "user")
    assert request.state._state == {"from": "lifespan"}
    assert SCOPE["state"] == {"from": "lifespan"}


@given(
    headers=st.lists(
        st.tuples(st.sampled_from([b"cookie", b"authorization", b"x", b"Cookie"]), st.binary(max_size=60))
    ),
    query=st.binary(max_size=60),
    place=st.sampled_from(PLACES),
)
def test_whatever_a_stranger_opened_with_only_the_current_credential_is_found(
    headers: list[tuple[bytes, bytes]], query: bytes, place: Place
) -> None:
    scope = {"headers": headers, "query_string": query, "scheme": "http", "path": "/"}

    request = request_of(connection(Credential("now", place), scope))

    assert {token.removeprefix("Bearer ") for token in tokens(request).values()} == {"now"}


def test_what_middleware_made_of_the_handshake_is_not_for_the_next_event() -> None:
    """The session may be another user's by then, and so are ``user`` and ``auth``."""
    scope = {**SCOPE, "session": {"cart": []}, "user": "alice", "auth": "alice"}
    here = connection(None, scope)
    first = request_of(here)
    first.session["cart"].append("a book")
    first.session["user"] = "alice"

    second = request_of(here)

    assert second.session == {"cart": []}
    assert not {"user", "auth"} & second.scope.keys()
