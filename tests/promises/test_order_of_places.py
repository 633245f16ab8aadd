"""Promise 4: one order of places; the first that holds a credential decides; refresh tokens never do."""

import datetime
from itertools import combinations
from typing import Any

import pytest
from fastapi import FastAPI

from authx import AuthX, AuthXSocket
from authx.auth.types import TokenLocation
from authx.socket import CurrentIdentity, require_role, require_scope
from tests.support import wire
from tests.support.logins import csrf_of, login
from tests.support.server import serving
from tests.support.wire import Opener, PacketType

opened = pytest.mark.parametrize("opened", wire.OPENERS)
PLACES = ("payload", "header", "cookie", "query")


class Shown:
    """What one client shows: a token in each of some places."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.query: dict[str, str] = {}
        self.payload: dict[str, Any] = {}

    def put(self, place: str, token: str, csrf: str = "") -> None:
        match place:
            case "payload":
                self.payload["token"] = token
            case "header":
                self.headers["Authorization"] = f"Bearer {token}"
            case "cookie":
                self.headers["Cookie"] = f"access_token_cookie={token}"
                self.payload["csrf_token"] = csrf
            case "query":
                self.query["token"] = token


async def heard(opened: Opener, url: str, shown: Shown) -> str:
    """Who the server takes the client for, or the code of the refusal."""
    async with opened(url, headers=shown.headers, query=shown.query) as client:
        answer = await client.connect(shown.payload or None)
        if answer.type is PacketType.CONNECT_ERROR:
            code: str = answer.data["data"]["code"]
            return code
        user: str = (await client.receive_event("authx:session")).args[0]["user"]
        return user


def serving_places(*locations: TokenLocation, **options: Any) -> tuple[FastAPI, AuthX]:
    app, auth = FastAPI(), login(*locations)
    AuthXSocket(app, auth=auth, **options)
    return app, auth


@opened
async def test_the_first_place_that_holds_a_credential_decides(opened: Opener) -> None:
    """For every pair of places the first one's user is let in, and its bad token is a refusal."""
    app, auth = serving_places("headers", "cookies", "query", allow_anonymous=True)
    good, other = auth.create_access_token("first"), auth.create_access_token("second")
    expired = auth.create_access_token("first", expiry=datetime.timedelta(seconds=-10))
    async with serving(app) as url:
        for first, second in combinations(PLACES, 2):
            for token, expected in (
                (good, "first"),
                (expired, "token_expired"),
                ("garbage", "invalid_token"),
            ):
                shown = Shown()
                shown.put(second, other, csrf_of(auth, other))
                shown.put(first, token, csrf_of(auth, good))
                assert await heard(opened, url, shown) == expected, (first, second)


@opened
@pytest.mark.parametrize(
    ("location", "places"),
    [("headers", {"payload", "header"}), ("cookies", {"cookie"}), ("query", {"query"})],
)
async def test_a_place_counts_only_if_it_is_a_token_location(
    opened: Opener, location: TokenLocation, places: set[str]
) -> None:
    app, auth = serving_places(location)
    token = login("cookies").create_access_token("alice")
    async with serving(app) as url:
        for place in PLACES:
            shown = Shown()
            shown.put(place, token, csrf_of(auth, token))
            assert await heard(opened, url, shown) == ("alice" if place in places else "missing_token"), place


@opened
@pytest.mark.parametrize("place", PLACES)
async def test_refresh_tokens_never_open_a_socket(opened: Opener, place: str) -> None:
    app, auth = serving_places("headers", "cookies", "query", allow_anonymous=True)
    token = auth.create_refresh_token("alice")
    shown = Shown()
    shown.put(place, token, auth.verifier.claims(token, type="refresh")["csrf"])
    async with serving(app) as url:
        assert await heard(opened, url, shown) == "wrong_token_type"


async def test_a_token_of_another_key_or_login_type_opens_nothing() -> None:
    app = FastAPI()
    admin = AuthX(login().config, login_type="admin")
    AuthXSocket(app, auth=admin)
    async with serving(app) as url:
        for token, expected in (
            (admin.create_access_token("alice"), "alice"),
            (AuthX(login().config, login_type="user").create_access_token("alice"), "wrong_token_type"),
            (login().create_access_token("alice"), "wrong_token_type"),
            (login(JWT_ALGORITHM="HS512").create_access_token("alice"), "invalid_token"),
        ):
            shown = Shown()
            shown.put("payload", token)
            assert await heard(wire.websocket, url, shown) == expected


@opened
async def test_anonymous_connections_exist_only_where_asked_for_and_pass_no_guard(opened: Opener) -> None:
    closed, _ = serving_places("headers")
    async with serving(closed) as url:
        assert await heard(opened, url, Shown()) == "missing_token"

    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), allow_anonymous=True)

    @socket.on("who")
    def who(me: CurrentIdentity) -> str:
        return me.user

    socket.on("open", lambda: "open")
    socket.on("scope", require_scope("a")(lambda: None))
    socket.on("role", require_role("a")(lambda: None))
    async with serving(app) as url, opened(url) as client:
        assert (await client.connect()).type is PacketType.CONNECT
        assert await client.emit("open") == ["open"]
        for guarded in ("who", "scope", "role"):
            assert (await client.emit(guarded))[0]["error"]["code"] == "missing_token"
        assert client.events("authx:session") == []


async def test_without_a_login_everybody_is_anonymous_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    socket = AuthXSocket(app)
    socket.on("guarded", require_role("a")(lambda: None))
    async with serving(app) as url:
        for _ in range(2):
            async with wire.websocket(url) as client:
                assert (await client.connect({"token": "whatever"})).type is PacketType.CONNECT
                assert (await client.emit("guarded"))[0]["error"]["code"] == "missing_token"

    assert len([record for record in caplog.records if "anonymous" in record.getMessage()]) == 1
