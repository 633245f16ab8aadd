"""The test client, against apps as people have them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.socket import Connection, CurrentIdentity, Refusal, require_role
from authx.socket.testing import InMemoryBus, ManualClock, SocketTestClient
from tests.support.logins import KEY, login
from tests.support.tables import filled


async def test_a_client_is_whoever_the_test_says() -> None:
    app = FastAPI()
    AuthXSocket(app, auth=login())
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", scopes=["b", "a"], roles=["admin"], session="s1")

        assert alice.user == "alice"
        assert (alice.session["scopes"], alice.session["roles"]) == (["a", "b"], ["admin"])


async def test_a_client_may_show_nothing_or_a_token_of_its_own() -> None:
    app = FastAPI()
    AuthXSocket(app, auth=login())
    async with SocketTestClient(app) as client:
        for shown, code in (
            ({}, "missing_token"),
            ({"token": "garbage"}, "invalid_token"),
            ({"auth": {"token": 1}}, "invalid_token"),
            (
                {"token": client.token("alice"), "headers": {"Origin": "https://evil.example"}},
                "origin_not_allowed",
            ),
        ):
            refusal = await client.expect_refused(**shown)
            assert (refusal.code, refusal.retry) == (code, False)
        with pytest.raises(Refusal, match="missing_token"):
            await client.connect()
        with pytest.raises(AssertionError, match="was let in, as 'alice'"):
            await client.expect_refused("alice")
        with pytest.raises(TypeError, match="scopes: only for a user"):
            await client.connect(token="t", scopes=["a"])


async def test_an_anonymous_client_has_no_session() -> None:
    app = FastAPI()
    AuthXSocket(app)
    async with SocketTestClient(app) as client:
        nobody = await client.connect()

        assert (nobody.user, nobody.session) == (None, {})
        assert nobody.sid
        with pytest.raises(RuntimeError, match="no auth that makes tokens"):
            await client.connect("alice")


@pytest.mark.parametrize("place", ["headers", "cookies", "query"])
async def test_a_token_is_shown_where_the_settings_look(place: Any) -> None:
    app, auth = FastAPI(), login(place)
    AuthXSocket(app, auth=auth)
    async with SocketTestClient(app) as client:
        assert (await client.connect("alice")).user == "alice"
        assert (await client.expect_refused(token="garbage")).code == "invalid_token"
        if place == "cookies":
            elsewhere = await client.expect_refused("alice", headers={"origin": "https://evil.example"})
            assert elsewhere.code == "origin_not_allowed"


async def test_the_cookie_of_a_token_stands_beside_others() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login("cookies"))
    seen: list[str] = []

    @socket.on("connect")
    async def connect(environ: dict[str, Any]) -> None:
        seen.append(environ["HTTP_COOKIE"])

    async with SocketTestClient(app) as client:
        await client.connect("alice", headers={"Cookie": "theme=dark"})

    assert seen[0].startswith("theme=dark; access_token")


async def test_an_expired_token_can_be_tried() -> None:
    clock = ManualClock()
    app, auth = FastAPI(), AuthX(AuthXConfig(JWT_SECRET_KEY=KEY, JWT_TOKEN_LOCATION=["headers"]), clock=clock)
    AuthXSocket(app, auth=auth)
    async with SocketTestClient(app) as client:
        token = client.token("alice", expires_in=60)
        await client.connect(token=token)
        clock.advance(61)
        refusal = await client.expect_refused(token=token)

        assert (refusal.code, refusal.retry) == ("token_expired", True)


async def test_more_claims_and_fresh_tokens_are_made_by_the_apps_own_login() -> None:
    auth = AuthX(
        AuthXConfig(JWT_SECRET_KEY=KEY, JWT_TOKEN_LOCATION=["headers"]), roles_claim="realm_access.roles"
    )
    app = FastAPI()
    AuthXSocket(app, auth=auth)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", claims={"realm_access": {"roles": ["admin"]}})
        assert alice.session["roles"] == ["admin"]
        assert auth.verifier.claims(client.token("alice", fresh=True))["fresh"] is True


async def test_the_handshake_is_what_the_test_says() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())
    seen: list[Any] = []

    @socket.on("connect")
    async def connect(here: Connection, environ: dict[str, Any], auth: dict[str, Any]) -> None:
        scope = environ["asgi.scope"]
        seen.extend((here.address, here.user_agent, scope["query_string"], scope["scheme"], auth["device"]))

    async with SocketTestClient(app, base_url="https://app.example:8443") as client:
        await client.connect(
            "alice",
            headers={"User-Agent": "Phone", "Origin": "https://app.example:8443"},
            query={"v": "2"},
            address="10.0.0.7",
            auth={"device": "phone"},
        )

        assert seen == ["10.0.0.7", "Phone", b"EIO=4&transport=websocket&v=2", "wss", "phone"]


async def test_entering_starts_the_app_and_leaving_ends_it_without_a_trace() -> None:
    happened: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        happened.append("start")
        yield {"from": "the app"}
        happened.append("end")

    app = FastAPI(lifespan=lifespan)
    socket = AuthXSocket(app, auth=login())

    @socket.on("connect")
    async def connect(environ: dict[str, Any], me: CurrentIdentity) -> bool:
        happened.append(environ["asgi.scope"]["state"]["from"])
        return me.user != "mallory"

    socket.on("disconnect", lambda sid: happened.append("left"))
    async with SocketTestClient(app) as client:
        await client.connect("alice")
        await client.expect_refused("mallory")

    assert happened == ["start", "the app", "the app", "left", "end"]
    assert not filled(socket)


async def test_leaving_ends_what_is_not_read_any_more() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), max_in_flight=1)

    @socket.on("hang")
    async def hang() -> None:
        await asyncio.Event().wait()

    async with SocketTestClient(app, timeout=0.05) as client:
        alice = await client.connect("alice")
        for _ in range(5):
            await alice.emit("hang")
        with pytest.raises(TimeoutError, match="has not read on"):
            await alice.emit("hang")

    assert not filled(socket)


async def test_an_app_behind_middleware_is_given_its_socket() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, "/live", "io", auth=login())

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    with pytest.raises(RuntimeError, match="no AuthXSocket"):
        SocketTestClient(middleware)
    with pytest.raises(RuntimeError, match="no AuthXSocket"):
        SocketTestClient(FastAPI())
    async with SocketTestClient(middleware, socket=socket) as client:
        assert (await client.connect("alice")).user == "alice"
    async with SocketTestClient(app, path="/elsewhere") as client:
        with pytest.raises(ConnectionError, match="did not accept"):
            await client.connect("alice")


async def test_a_connect_handler_that_fails_is_seen_as_clients_see_it() -> None:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login())

    @socket.on("connect")
    @require_role("admin")
    async def connect() -> None:
        raise Refusal("closed", "Come back at nine", retry=True, data={"opens": 9})

    async with SocketTestClient(app) as client:
        assert (await client.expect_refused("alice")).code == "insufficient_role"
        refusal = await client.expect_refused("alice", roles=["admin"])

        assert (refusal.code, refusal.message, refusal.retry) == ("closed", "Come back at nine", True)
        assert refusal.data == {"code": "closed", "retry": True, "opens": 9}


async def test_one_app_may_be_tested_many_times() -> None:
    app = FastAPI()
    bus = InMemoryBus()
    socket = AuthXSocket(app, auth=login(), client_manager=bus.manager())
    other = FastAPI()
    there = AuthXSocket(other, auth=login(), client_manager=bus.manager())
    for _ in range(3):
        async with SocketTestClient(app) as client, SocketTestClient(other) as elsewhere:
            alice = await client.connect("alice")
            await elsewhere.connect("bob")
            await there.everyone().emit("across")
            await alice.receive("across")
        assert not filled(socket)
    async with SocketTestClient(app):
        pass


@pytest.mark.parametrize("way", ["settle", "obey_clock", "nothing_received", "wait_closed", "receive"])
async def test_a_clock_that_is_moved_is_looked_at_by_whatever_waits(way: str) -> None:
    app, clock = FastAPI(), ManualClock()
    socket = AuthXSocket(app, auth=AuthX(AuthXConfig(JWT_SECRET_KEY=KEY), clock=clock))
    # The server's own timer is too late.
    socket.sio._set_alarm = lambda: None  # type: ignore[method-assign]
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", expires_in=60)
        clock.advance(40 if way == "receive" else 60)
        match way:
            case "settle":
                await client.settle()
            case "obey_clock":
                client.obey_clock()
            case "nothing_received":
                await alice.nothing_received()
            case "wait_closed":
                assert await alice.wait_closed() is not None
            case _:
                assert (await alice.receive("authx:expiring")).data == {"ttl": 20}
        assert len(socket.sio.registry) == (way == "receive")


async def test_every_node_of_a_bus_looks_at_the_clock() -> None:
    bus, clock = InMemoryBus(), ManualClock()
    auth = AuthX(AuthXConfig(JWT_SECRET_KEY=KEY), clock=clock)
    apps = [FastAPI(), FastAPI()]
    here, there = (AuthXSocket(app, auth=auth, client_manager=bus.manager()) for app in apps)
    async with SocketTestClient(apps[0]) as client, SocketTestClient(apps[1]) as elsewhere:
        await client.connect("alice", expires_in=60)
        await elsewhere.connect("alice", expires_in=60)
        clock.advance(60)
        client.obey_clock()
        assert [len(socket.sio.registry) for socket in (here, there)] == [0, 0]
