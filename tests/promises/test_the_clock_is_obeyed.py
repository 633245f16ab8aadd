"""Promise 5: a socket is only ever as valid as its token."""

import asyncio
import json
import logging
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
import socketio
from fastapi import Depends, FastAPI

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.auth.identity import Identity
from authx.auth.policy import PolicyContext, PolicyEngine, PolicyRule
from authx.socket import (
    Connection,
    CurrentIdentity,
    Denial,
    SocketRouter,
    guard,
    rate_limit,
    require_fresh,
    require_policy,
    require_role,
    require_scope,
)
from authx.socket.testing import ClientConnection, ManualClock, SocketTestClient
from tests.auth.forge import ec_pair
from tests.support import wire
from tests.support.logins import KEY, cookie_header, csrf_of, login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled
from tests.support.wire import Opener

opened = pytest.mark.parametrize("opened", wire.OPENERS)


class House:
    """An app on a clock that stands still."""

    def __init__(self, *, leeway: int = 0, **options: Any) -> None:
        self.clock = ManualClock(1_700_000_000.0)
        self.app = FastAPI()
        config = AuthXConfig(
            JWT_SECRET_KEY=KEY, JWT_TOKEN_LOCATION=["headers", "cookies"], JWT_DECODE_LEEWAY=leeway
        )
        self.auth = AuthX(config, clock=self.clock)
        self.socket = AuthXSocket(self.app, auth=self.auth, **options)
        self.ran: list[Any] = []

        @self.socket.on("work")
        async def work(me: CurrentIdentity) -> str:
            self.ran.append(me.user)
            return me.user

    def client(self) -> SocketTestClient:
        return SocketTestClient(self.app)


def stop_the_timer(socket: AuthXSocket) -> None:
    """Nothing looks at the clock by itself any more: a timer as late as can be."""
    socket.sio._set_alarm = lambda: None  # type: ignore[method-assign]
    socket.sio._cancel_alarm()


def a_token(house: House, user: str = "alice", *, lasts: float = 900, **options: Any) -> str:
    return house.auth.create_access_token(user, expiry=timedelta(seconds=lasts), **options)


async def refresh(connection: ClientConnection, token: Any) -> Any:
    return await connection.call("authx:refresh", {"token": token})


# The end -------------------------------------------------------------------------------------------------


@opened
async def test_a_connection_is_warned_and_ends_when_its_token_does(opened: Opener) -> None:
    """On the real clock, with nobody sending anything."""
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, expiring_before=0.4)
    async with serving(app) as url, opened(url) as alice, opened(url) as bob:
        for client, seconds in ((alice, 0.6), (bob, 60)):
            token = auth.create_access_token("alice", expiry=timedelta(seconds=seconds))
            await client.connect({"token": token})

        expiring = await alice.receive_event("authx:expiring")
        assert 0 < expiring.args[0]["ttl"] <= 0.4
        closing = await alice.receive_event("authx:closing")
        assert closing.args == [{"code": "token_expired", "message": "The token has expired", "retry": True}]
        assert (await alice.receive()).type is wire.PacketType.DISCONNECT
        assert [connection.user for connection in socket.sio.registry] == ["alice"]
        assert not bob.events("authx:closing")


@pytest.mark.parametrize(("leeway", "grace"), [(0, 0.0), (5, 0.0), (0, 10.0), (5, 10.0)])
async def test_the_end_is_that_of_the_token_and_the_leeway_and_the_grace(leeway: int, grace: float) -> None:
    house = House(leeway=leeway, grace=grace)
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        assert alice.session["expires_at"] == house.clock.now + 100
        assert alice.session["ttl"] == 100 + leeway + grace

        house.clock.advance(99.9 + leeway + grace)
        assert await alice.call("work") == "alice"
        house.clock.advance(0.1)
        closing = await alice.wait_closed()

        assert closing is not None
        assert (closing.code, closing.retry) == ("token_expired", True)
        assert (await client.expect_refused(token=a_token(house, lasts=-1 - leeway))).code == "token_expired"


@pytest.mark.parametrize(("lifetime", "warned_before"), [(900, 60), (90, 30), (180, 60)])
async def test_the_warning_comes_a_minute_before_or_a_third_of_the_time_there_is(
    lifetime: float, warned_before: float
) -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=lifetime)
        house.clock.advance(lifetime - warned_before - 0.5)
        await alice.nothing_received()
        house.clock.advance(0.5)

        assert (await alice.receive("authx:expiring")).data == {"ttl": warned_before}
        house.clock.advance(1)
        await alice.nothing_received("authx:expiring")


async def test_a_token_without_an_end_is_never_warned_and_never_ends() -> None:
    house = House()
    house.auth.config.JWT_ACCESS_TOKEN_EXPIRES = None
    async with house.client() as client:
        alice = await client.connect("alice")
        assert (alice.session["expires_at"], alice.session["ttl"]) == (None, None)
        assert house.socket.sio._alarm is None

        house.clock.advance(10**9)
        assert await alice.call("work") == "alice"
        await alice.nothing_received()


async def test_a_clock_that_is_set_back_ends_nobody_early_and_warns_nobody_twice() -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=90)
        house.clock.advance(60)
        await alice.receive("authx:expiring")
        house.clock.advance(-3600)
        await alice.nothing_received()
        house.clock.advance(3600 + 29)
        await alice.nothing_received()
        assert await alice.call("work") == "alice"
        house.clock.advance(1)
        assert await alice.wait_closed() is not None


async def test_a_clock_that_jumps_ahead_is_noticed_by_itself() -> None:
    """As after a suspend: the timer is not set for the far end."""
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=900)
        house.clock.advance(1000)
        # Nothing of the test client's, which would have the server look.
        await asyncio.wait_for(alice._inbox.until(lambda: alice._inbox.ended or None, what="", timeout=5), 5)
        assert alice._inbox.closing is not None


# A late timer --------------------------------------------------------------------------------------------


async def test_no_event_passes_a_late_timer() -> None:
    """It reaches no guard either."""
    house = House()
    stop_the_timer(house.socket)

    @house.socket.on("guarded")
    @guard(lambda connection: house.ran.append("judged"))
    async def guarded() -> None:
        house.ran.append("guarded")

    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        house.clock.advance(100)
        with pytest.raises(ConnectionError):
            await alice.call("guarded")
        await house.socket.sio.settle()

        assert house.ran == []
        closing = await alice.wait_closed()
        assert closing is not None
        assert closing.code == "token_expired"


async def test_no_event_starts_that_waited_for_its_turn_until_the_end() -> None:
    house = House(max_in_flight=1)
    stop_the_timer(house.socket)
    go_on = asyncio.Event()

    @house.socket.on("slow")
    async def slow() -> None:
        await go_on.wait()

    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        await alice.emit("slow")
        await alice.emit("work")
        house.clock.advance(100)
        go_on.set()
        await house.socket.sio.settle()

        assert house.ran == []


async def test_no_handler_runs_whose_guards_took_until_the_end() -> None:
    house = House()
    stop_the_timer(house.socket)
    judging, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> bool:
        judging.set()
        await go_on.wait()
        return True

    @house.socket.on("guarded")
    @guard(slow)
    async def guarded() -> None:
        house.ran.append("guarded")

    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        await alice.emit("guarded")
        await judging.wait()
        house.clock.advance(100)
        go_on.set()
        await house.socket.sio.settle()

        assert house.ran == []


async def test_no_answer_is_taken_after_the_end() -> None:
    house = House()
    stop_the_timer(house.socket)
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        asking = asyncio.create_task(house.socket.to_user("alice").call("sure?"))
        question = await alice.receive("sure?")
        house.clock.advance(100)
        await question.acknowledge("yes")

        assert [reply.outcome for reply in await asking] == ["left"]


async def test_no_answer_is_given_after_the_end() -> None:
    house = House()
    stop_the_timer(house.socket)

    @house.socket.on("secret")
    async def secret() -> str:
        house.clock.advance(100)
        return "secret"

    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        with pytest.raises(ConnectionError):
            await alice.call("secret")


@pytest.mark.parametrize(
    "way", ["to_user", "everyone", "emit", "send", "emit to sid", "call", "ask", "callback"]
)
async def test_no_emit_passes_a_late_timer(way: str) -> None:
    house = House()
    stop_the_timer(house.socket)
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        await client.connect("bob", expires_in=900)
        house.clock.advance(100)
        socket = house.socket
        match way:
            case "to_user":
                assert (await socket.to_user("alice").emit("news")).devices == 0
            case "everyone":
                assert (await socket.everyone().emit("news")).devices == 1
            case "emit":
                await socket.emit("news")
            case "send":
                await socket.send("news")
            case "emit to sid":
                await socket.emit("news", to=alice.sid)
            case "callback":
                await socket.emit("news", to=alice.sid, callback=lambda: None)
            case "ask":
                assert await socket.to_user("alice").call("news") == []
            case _:
                with pytest.raises(socketio.exceptions.TimeoutError):
                    await socket.call("news", to=alice.sid, timeout=0.01)

        assert await alice.wait_closed() is not None
        assert [event.name for event in alice.received()] == []
        assert await socket.to_user("alice").connections() == []


async def test_nothing_of_a_binary_event_passes_where_the_transport_is_open_still() -> None:
    """Frames of bytes do not say what they belong to."""
    house = House()
    stop_the_timer(house.socket)
    house.socket.on("work", lambda: "done", namespace="/other")
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        other = await alice.connect("/other", auth={"token": client.token("alice", expires_in=900)})
        house.clock.advance(100)
        await house.socket.emit("news", b"x", to=alice.sid)
        assert await alice.wait_closed() is not None
        assert await other.call("work") == "done"


async def test_nobody_is_asked_any_more_whose_time_ended_while_the_others_were() -> None:
    house = House()
    stop_the_timer(house.socket)
    async with house.client() as client:
        first = await client.connect("alice", expires_in=900)
        second = await client.connect("alice", expires_in=100)
        emit = house.socket.sio.manager.emit

        async def slowly(*args: Any, **kwargs: Any) -> None:
            await emit(*args, **kwargs)
            house.clock.advance(100)

        house.socket.sio.manager.emit = slowly
        replies = await house.socket.to_user("alice").call("news", timeout=0.05)

        assert [reply.outcome for reply in replies] == ["timeout", "left"]
        assert [event.name for event in first.received()] == ["news"]
        assert second.received() == []


async def test_an_emit_from_a_bus_does_not_pass_either() -> None:
    """Its receivers are picked by the manager, which asks nobody."""
    house = House()
    stop_the_timer(house.socket)

    @house.socket.on("work", namespace="/other")
    async def work() -> None:
        pass

    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        other = await alice.connect("/other", auth={"token": client.token("alice", expires_in=900)})
        house.clock.advance(100)
        manager = house.socket.sio.manager
        await manager.emit("text", "x", namespace="/", room=None)
        await manager.emit("asks", "x", namespace="/", room=alice.sid, callback=lambda: None)
        await manager.emit("text", "x", namespace="/other", room=None)
        await manager.emit("bytes", b"x", namespace="/other", room=None)

        assert await alice.wait_closed() is not None
        assert alice.received() == []
        assert (await other.receive("bytes")).data == b"x"
        assert [event.name for event in other.received()] == ["text", "bytes"]


async def test_nothing_of_a_binary_emit_from_a_bus_passes_either() -> None:
    house = House()
    stop_the_timer(house.socket)
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        house.clock.advance(100)
        await house.socket.sio.manager.emit("bytes", b"x", namespace="/", room=None)

        assert await alice.wait_closed() is not None


async def test_a_question_from_a_bus_does_not_pass_either() -> None:
    house = House()
    stop_the_timer(house.socket)
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        house.clock.advance(100)
        manager = house.socket.sio.manager
        await manager.emit("asks", "x", namespace="/", room=alice.sid, callback=lambda: None)

        assert await alice.wait_closed() is not None
        assert alice.received() == []


@pytest.mark.parametrize("grace", [0, 1000])
async def test_an_arrival_whose_token_ended_while_the_app_thought_about_it_is_refused(grace: float) -> None:
    """Grace is for who is in."""
    house = House(grace=grace)

    @house.socket.on("connect")
    async def connect(sid: str) -> None:
        house.clock.advance(100)

    async with house.client() as client:
        refusal = await client.expect_refused("alice", expires_in=100)

        assert (refusal.code, refusal.retry) == ("token_expired", True)
        assert not len(house.socket.sio.registry)


async def test_who_is_over_takes_nobodys_place() -> None:
    house = House(max_connections_per_user=1)
    stop_the_timer(house.socket)
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        house.clock.advance(100)
        again = await alice.connect("/", auth={"token": a_token(house, lasts=100)})
        assert again.user == "alice"

        house.clock.advance(100)
        assert (await client.connect("alice")).user == "alice"


async def test_who_ends_while_another_comes_in_is_not_pushed_out() -> None:
    house = House(max_connections_per_user=1, when_full="drop_oldest")
    stop_the_timer(house.socket)
    coming: list[str] = []

    @house.socket.on("connect")
    async def connect(sid: str) -> None:
        if coming:
            house.clock.advance(100)
        coming.append(sid)

    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100)
        await client.connect("alice", expires_in=900)
        closing = await alice.wait_closed()
        assert closing is not None
        assert closing.code == "token_expired"


async def test_the_clock_costs_nothing_where_there_is_nothing_to_end() -> None:
    app = FastAPI()
    socket = AuthXSocket(app)
    async with SocketTestClient(app) as client:
        alice = await client.connect()
        socket.sio.obey_clock()
        assert alice.is_connected
        assert (socket.sio._alarm, socket.sio._sweep) == (None, None)
        assert (await alice.expect_denied("authx:refresh", {"token": "t"})).code == "unknown_event"


async def test_there_is_one_timer_for_all_and_nothing_is_left_of_those_who_left() -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=900)
        for _ in range(200):
            await (await client.connect("bob", expires_in=900)).hang_up()
        server = house.socket.sio
        assert len(server._expiry) == 1
        assert len(server._expiry._heap) <= 65
        assert server._alarm is not None
        await alice.hang_up()
        await until(lambda: not filled(house.socket))
        assert server._expiry._heap == []


# Refresh in place ----------------------------------------------------------------------------------------


@opened
async def test_a_token_is_refreshed_on_the_open_connection(opened: Opener) -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("write")
    @require_scope("chat:write")
    async def write() -> bool:
        return True

    async with serving(app) as url, opened(url) as alice:
        first = auth.create_access_token("alice", expiry=timedelta(seconds=1), data={"roles": ["guest"]})
        await alice.connect({"token": first})
        assert (await alice.emit("write"))[0]["error"]["code"] == "insufficient_scope"
        newer = auth.create_access_token("alice", scopes=["chat:write"], data={"roles": ["host"]})

        [answer] = await alice.emit("authx:refresh", {"token": newer})

        assert answer["scopes"] == ["chat:write"]
        assert answer["roles"] == ["host"]
        assert answer["expires_at"] == pytest.approx(auth.verifier.claims(newer)["exp"])
        assert 890 < answer["ttl"] <= 900
        assert await alice.emit("write") == [True]
        assert (await socket.to_role("guest").emit("news")).devices == 0
        assert (await socket.to_role("host").emit("news")).devices == 1


async def test_a_refreshed_connection_ends_with_the_newer_token_and_is_warned_again() -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=90)
        house.clock.advance(60)
        assert (await alice.receive("authx:expiring")).data == {"ttl": 30}

        answer = await refresh(alice, a_token(house, lasts=90))
        assert answer == {"scopes": [], "roles": [], "expires_at": house.clock.now + 90, "ttl": 90}

        house.clock.advance(59)
        await alice.nothing_received()
        house.clock.advance(1)
        assert (await alice.receive("authx:expiring")).data == {"ttl": 30}
        house.clock.advance(29)
        assert await alice.call("work") == "alice"
        house.clock.advance(1)
        assert await alice.wait_closed() is not None


async def test_a_shorter_token_shortens_the_time() -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=900)
        await refresh(alice, a_token(house, lasts=10))
        house.clock.advance(10)
        assert await alice.wait_closed() is not None


async def test_session_and_rooms_follow_the_newer_token() -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", session="first", roles=["a", "b"])
        await refresh(alice, a_token(house, session="second", data={"roles": ["b", "c"]}))

        rooms = house.socket.sio.manager.rooms["/"]
        mine = {room for room, members in rooms.items() if room and alice.sid in members}
        assert mine == {
            "authx:user:alice",
            "authx:role:b",
            "authx:role:c",
            "authx:session:second",
        }


def older(house: House) -> str:
    return a_token(house, data={"iat": house.clock.now - 1})


def revoked(house: House) -> str:
    token = a_token(house)
    house.auth.set_token_blocklist(lambda shown: shown == token)
    return token


def of_another_login(house: House) -> str:
    other = AuthX(house.auth.config, login_type="admin", clock=house.clock)
    return other.create_access_token("alice")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda house: a_token(house, "mallory"), "invalid_token"),
        (lambda house: "nonsense", "invalid_token"),
        (lambda house: 7, "invalid_token"),
        (lambda house: None, "missing_token"),
        (older, "invalid_token"),
        (lambda house: house.auth.create_refresh_token("alice"), "wrong_token_type"),
        (of_another_login, "wrong_token_type"),
        (lambda house: a_token(house, lasts=-1), "token_expired"),
        (revoked, "token_revoked"),
    ],
    ids=[
        "another user",
        "garbage",
        "no text",
        "nothing",
        "older",
        "refresh token",
        "another login",
        "expired",
        "revoked",
    ],
)
async def test_a_token_that_will_not_do_changes_nothing(make: Any, code: str) -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=100, scopes=["a"], roles=["r"], session="s")
        [connection] = house.socket.sio.registry
        before = (connection.identity, connection.credential, house.socket.sio._expiry._terms.copy())

        denial = await alice.expect_denied("authx:refresh", {"token": make(house)})

        assert denial.code == code
        assert (
            connection.identity,
            connection.credential,
            house.socket.sio._expiry._terms,
        ) == before
        assert await alice.call("work") == "alice"
        house.clock.advance(100)
        assert await alice.wait_closed() is not None


@pytest.mark.parametrize("arguments", [(), ("text",), ([],), ({"token": "t"}, 1)])
async def test_what_is_no_token_is_invalid(arguments: tuple[Any, ...]) -> None:
    house = House()
    async with house.client() as client:
        alice = await client.connect("alice")
        assert (await alice.expect_denied("authx:refresh", *arguments)).code == "validation_error"
        await alice.emit("authx:refresh", *arguments)
        told = (await alice.receive("exception")).data
        assert (told["event"], told["error"]["code"]) == ("authx:refresh", "validation_error")


async def test_a_token_without_a_date_is_older_than_one_with() -> None:
    house = House()
    undated = house.auth.create_access_token("alice")
    claims = house.auth.verifier.claims(undated)
    del claims["iat"], claims["jti"]
    undated = jwt.encode(claims, KEY, "HS256")
    async with house.client() as client:
        dated = await client.connect("alice")
        assert (await dated.expect_denied("authx:refresh", {"token": undated})).code == "invalid_token"

        free = await client.connect(token=undated)
        assert (await refresh(free, a_token(house, scopes=["a"])))["scopes"] == ["a"]


async def test_the_same_token_again_is_a_success_that_changes_nothing() -> None:
    house = House()
    heard: list[str] = []

    @house.socket.on_refresh
    def refreshed(sid: str) -> None:
        heard.append(sid)

    async with house.client() as client:
        token = a_token(house, scopes=["a"])
        alice = await client.connect(token=token)
        await house.socket.update_user("alice", scopes=["b"])
        house.clock.advance(10)

        answer = await refresh(alice, token)
        await client.settle()

        assert (answer["scopes"], answer["ttl"]) == (["b"], 890)
        assert heard == []


async def test_nobody_never_becomes_somebody() -> None:
    house = House(allow_anonymous=True)
    async with house.client() as client:
        nobody = await client.connect()
        denial = await nobody.expect_denied("authx:refresh", {"token": a_token(house)})
        assert denial.code == "missing_token"
        assert [connection.identity for connection in house.socket.sio.registry] == [None]


async def test_where_headers_are_no_place_neither_is_the_event() -> None:
    app, auth = FastAPI(), login("cookies")
    AuthXSocket(app, auth=auth)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        token = auth.create_access_token("alice")
        assert (await alice.expect_denied("authx:refresh", {"token": token})).code == "missing_token"


async def test_a_refresh_waits_for_no_handler_and_for_no_other_refresh() -> None:
    house = House(max_in_flight=1)
    asked, go_on, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def blocklist(token: str) -> bool:
        if asked.is_set():
            return False
        asked.set()
        await go_on.wait()
        return False

    @house.socket.on("slow")
    async def slow() -> None:
        await release.wait()

    async with house.client() as client:
        alice = await client.connect("alice")
        house.auth.set_token_blocklist(blocklist)
        await alice.emit("slow")
        await alice.emit("slow")
        waiting = asyncio.create_task(refresh(alice, a_token(house, scopes=["a"])))
        await asked.wait()
        for _ in range(3):
            denial = await alice.expect_denied("authx:refresh", {"token": a_token(house)})
            assert denial.code == "rate_limited"
        go_on.set()
        assert (await waiting)["scopes"] == ["a"]
        assert (await refresh(alice, a_token(house, scopes=["b"])))["scopes"] == ["b"]
        release.set()


async def test_a_refresh_does_not_outlive_the_token_it_was_asked_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The store takes its time, and neither the newer token nor the connection is good any more."""
    house = House()

    async def blocklist(token: str) -> bool:
        if slow:
            house.clock.advance(50)
        return False

    slow: list[bool] = []
    async with house.client() as client:
        alice = await client.connect("alice", expires_in=900)
        ending = await client.connect("bob", expires_in=90)
        house.auth.set_token_blocklist(blocklist)
        slow.append(True)
        denial = await alice.expect_denied("authx:refresh", {"token": a_token(house, lasts=50)})
        assert denial.code == "token_expired"

        with pytest.raises(ConnectionError):
            await refresh(ending, a_token(house, "bob"))
        assert [connection.user for connection in house.socket.sio.registry] == ["alice"]
        await client.settle()
    assert "can't be refreshed" not in caplog.text


async def test_a_refresh_that_waits_for_a_store_ends_with_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    asked = asyncio.Event()

    async def blocklist(token: str) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return False

    async with house.client() as client:
        alice = await client.connect("alice")
        house.auth.set_token_blocklist(blocklist)
        await alice.emit("authx:refresh", {"token": a_token(house)})
        await asked.wait()
        await alice.hang_up()
        assert not filled(house.socket)
    assert "can't be refreshed" not in caplog.text


async def test_an_event_in_flight_is_never_given_a_mix() -> None:
    house = House()
    in_flight, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        in_flight.set()
        await go_on.wait()

    def scopes_of_the_request(payload: Any = Depends(house.auth.access_token_required)) -> list[str]:
        return list(payload.scopes)

    def scopes_of_the_identity(me: CurrentIdentity, maybe: Identity | None) -> list[str]:
        assert maybe is me
        return sorted(me.scopes)

    @house.socket.on("mixed")
    async def mixed(
        me: CurrentIdentity,
        _: Any = Depends(wait),
        request: Any = Depends(scopes_of_the_request),
        identity: Any = Depends(scopes_of_the_identity),
    ) -> Any:
        return [sorted(me.scopes), request, identity]

    async with house.client() as client:
        alice = await client.connect("alice", scopes=["old"])
        call = asyncio.create_task(alice.call("mixed"))
        await in_flight.wait()
        await refresh(alice, a_token(house, scopes=["new"]))
        go_on.set()

        assert await call == [["old"], ["old"], ["old"]]
        assert await alice.call("mixed") == [["new"], ["new"], ["new"]]


async def test_guards_are_judged_on_the_newer_token_also_those_that_were_at_it() -> None:
    house = House()
    judging, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> bool:
        judging.set()
        await go_on.wait()
        return True

    @house.socket.on("guarded")
    @guard(slow)
    @require_scope("old")
    async def guarded() -> None:
        house.ran.append("guarded")

    async with house.client() as client:
        alice = await client.connect("alice", scopes=["old"])
        call = asyncio.create_task(alice.expect_denied("guarded"))
        await judging.wait()
        await refresh(alice, a_token(house, scopes=["new"]))
        go_on.set()

        assert (await call).code == "insufficient_scope"
        assert house.ran == []


async def test_the_app_hears_of_a_refresh_as_of_a_connect() -> None:
    house = House()
    heard: list[Any] = []

    def made() -> str:
        return "made"

    @house.socket.on_refresh
    async def refreshed(
        sid: str, connection: Connection, me: CurrentIdentity, value: Any = Depends(made)
    ) -> None:
        heard.append((sid, connection.sid, sorted(me.scopes), value))

    async with house.client() as client:
        alice = await client.connect("alice")
        await refresh(alice, a_token(house, scopes=["a"]))
        await client.settle()
        assert heard == [(alice.sid, alice.sid, ["a"], "made")]

        await alice.expect_denied("authx:refresh", {"token": "garbage"})
        await client.settle()
        assert len(heard) == 1


async def test_what_the_app_makes_of_a_refresh_undoes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    house = House()

    @house.socket.on_refresh(namespace="/chat")
    def refreshed(me: CurrentIdentity) -> None:
        raise RuntimeError("bad luck")

    @house.socket.on("who", namespace="/chat")
    async def who(me: CurrentIdentity) -> list[str]:
        return sorted(me.scopes)

    async with house.client() as client:
        alice = await client.connect("alice", namespace="/chat")
        assert (await refresh(alice, a_token(house, scopes=["a"])))["scopes"] == ["a"]
        await client.settle()
        assert await alice.call("who") == ["a"]
    assert "the refresh handler of /chat failed" in caplog.text


async def test_so_many_refreshes_are_under_way_as_the_app_can_hear_of() -> None:
    house = House(max_in_flight=1)
    release = asyncio.Event()
    heard: list[str] = []

    @house.socket.on_refresh
    async def refreshed(sid: str) -> None:
        await release.wait()
        heard.append(sid)

    async with house.client() as client:
        alice = await client.connect("alice")
        for _ in range(5):
            await refresh(alice, a_token(house))
        denial = await alice.expect_denied("authx:refresh", {"token": a_token(house)})
        assert denial.code == "rate_limited"
        release.set()
        await client.settle()
        assert heard == [alice.sid] * 5


# Who may be in a namespace -------------------------------------------------------------------------------


async def fails(connection: Connection) -> bool:
    if "broken" in connection.identity.scopes:  # type: ignore[union-attr]
        raise RuntimeError("bad luck")
    return True


def guarded_house() -> House:
    house = House()
    admin = SocketRouter(namespace="/admin", guards=[require_role("admin"), fails])

    @admin.on("greet")
    async def greet() -> str:
        return "hello"

    house.socket.include_router(admin)

    @house.socket.on("connect", namespace="/own")
    @require_role("admin")
    async def connect() -> None:
        pass

    return house


@pytest.mark.parametrize("namespace", ["/admin", "/own"])
@pytest.mark.parametrize("way", ["refresh", "update"])
async def test_a_namespace_that_one_may_no_longer_be_in_is_left(namespace: str, way: str) -> None:
    house = guarded_house()
    async with house.client() as client:
        alice = await client.connect("alice", namespace=namespace, roles=["admin"])
        elsewhere = await alice.connect("/")
        if way == "refresh":
            await alice.emit("authx:refresh", {"token": a_token(house)})
        else:
            assert await house.socket.update_user("alice", roles=[]) == 2
        closing = await alice.wait_closed()

        assert closing is not None
        assert (closing.code, closing.retry) == ("insufficient_role", False)
        assert elsewhere.is_connected
        assert await elsewhere.call("work") == "alice"


async def test_who_is_sent_away_by_a_guard_is_not_called_back() -> None:
    house = House()
    fresh = SocketRouter(namespace="/fresh", guards=[require_fresh()])
    fresh.on("greet")(lambda: None)
    house.socket.include_router(fresh)
    async with house.client() as client:
        alice = await client.connect("alice", namespace="/fresh", fresh=True)
        await alice.emit("authx:refresh", {"token": a_token(house)})
        closing = await alice.wait_closed()
        assert closing is not None
        assert (closing.code, closing.retry) == ("fresh_token_required", False)


async def test_who_cannot_be_judged_does_not_stay(caplog: pytest.LogCaptureFixture) -> None:
    house = guarded_house()
    async with house.client() as client:
        alice = await client.connect("alice", namespace="/admin", roles=["admin"])
        await house.socket.update_user("alice", scopes=["broken"])
        closing = await alice.wait_closed()

        assert closing is not None
        assert (closing.code, closing.retry) == ("internal_error", True)
    assert "the guards of /admin failed" in caplog.text


async def test_a_guard_that_is_cut_off_lets_nobody_stay() -> None:
    """Whatever cuts it off: what it awaits, or the task that has the rights changed."""
    house = House()
    judging = asyncio.Event()
    cut: list[str] = []

    async def slow(connection: Connection) -> bool:
        if "await" in cut:
            raise asyncio.CancelledError
        if "task" in cut:
            judging.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return False
        return True

    router = SocketRouter(namespace="/slow", guards=[slow])
    router.on("greet")(lambda: None)
    house.socket.include_router(router)
    async with house.client() as client:
        for way in ("await", "task", "await in a refresh"):
            cut.clear()
            alice, tab = [await client.connect("alice", namespace="/slow") for _ in range(2)]
            cut.extend(way.split())
            if way == "task":
                task = asyncio.create_task(house.socket.update_user("alice", scopes=["a"]))
                await judging.wait()
                task.cancel()
            elif way == "await":
                await house.socket.update_user("alice", scopes=["a"])
            else:
                for each in (alice, tab):
                    await each.emit("authx:refresh", {"token": a_token(house)})
            await client.settle()
            assert not len(house.socket.sio.registry)


async def test_a_store_that_is_cut_off_is_a_failure_like_others() -> None:
    house = House()

    async def blocklist(token: str) -> bool:
        raise asyncio.CancelledError

    async with house.client() as client, http(house) as requests:
        alice = await client.connect("alice")
        house.auth.set_token_blocklist(blocklist)
        for _ in range(2):
            denial = await alice.expect_denied("authx:refresh", {"token": a_token(house)})
            assert denial.code == "internal_error"
        headers = of_cookie(house, a_token(house))
        response = await requests.post("/ws/refresh", json={"key": alice.session["key"]}, headers=headers)
        assert response.status_code == 500


async def test_a_limit_says_how_often_not_who_may_stay() -> None:
    house = House()
    house.socket.include_router(limited := SocketRouter(namespace="/chat", guards=[rate_limit("1/hour")]))
    limited.on("say")(lambda: None)
    async with house.client() as client:
        alice = await client.connect("alice", namespace="/chat")
        for _ in range(3):
            await refresh(alice, a_token(house))
        assert alice.is_connected


async def test_a_verdict_about_who_one_was_counts_no_longer() -> None:
    house = House()
    go_on = [asyncio.Event(), asyncio.Event()]
    asked: list[int] = []

    async def slow(connection: Connection) -> bool:
        identity = connection.identity
        assert identity is not None
        if "admin" in identity.roles and not asked:
            return True
        number = len(asked)
        asked.append(number)
        verdict = "admin" in identity.roles
        await go_on[number].wait()
        return verdict

    router = SocketRouter(namespace="/admin", guards=[slow])
    router.on("greet")(lambda: None)
    house.socket.include_router(router)
    async with house.client() as client:
        alice = await client.connect("alice", namespace="/admin", roles=["admin"])
        narrowed = asyncio.create_task(house.socket.update_user("alice", roles=[]))
        await until(lambda: len(asked) == 1)
        widened = asyncio.create_task(house.socket.update_user("alice", roles=["admin"]))
        await until(lambda: len(asked) == 2)
        for each in go_on:
            each.set()
        await asyncio.gather(narrowed, widened)
        await alice.nothing_received()
        assert len(house.socket.sio.registry) == 1


# Other rights without another token -------------------------------------------------------------------------


async def test_rights_are_changed_without_another_token_until_the_next_one() -> None:
    house = House()

    @house.socket.on("write")
    @require_scope("chat:write")
    async def write() -> bool:
        return True

    async with house.client() as client:
        alice = await client.connect("alice", scopes=["chat:write"], roles=["host"])
        bob = await client.connect("bob", scopes=["chat:write"], roles=["host"])

        assert await house.socket.update_user("alice", scopes=["chat:read"]) == 1
        await client.settle()
        await alice.nothing_received()

        assert (await alice.expect_denied("write")).code == "insufficient_scope"
        assert await bob.call("write") is True
        assert alice.session == {**alice.session, "scopes": ["chat:read"], "roles": ["host"]}
        assert len(alice.session["key"]) >= 32
        [identity] = [c.identity for c in house.socket.sio.registry if c.user == "alice"]
        assert identity is not None
        assert identity.overridden

        assert await house.socket.update_user("alice", roles=["guest"]) == 1
        assert (await house.socket.to_role("host").emit("news")).devices == 1
        assert (await house.socket.to_role("guest").emit("news")).devices == 1
        assert (await alice.expect_denied("write")).code == "insufficient_scope"

        await refresh(alice, a_token(house, scopes=["chat:write"]))
        assert await alice.call("write") is True
        [identity] = [c.identity for c in house.socket.sio.registry if c.user == "alice"]
        assert identity is not None
        assert not identity.overridden
        assert await house.socket.update_user("nobody", roles=["x"]) == 0

        stop_the_timer(house.socket)
        house.clock.advance(900)
        assert await house.socket.update_user("alice", roles=["x"]) == 0


@pytest.mark.parametrize("values", ["chat:write", [1], b"x"])
async def test_rights_that_are_no_collection_of_strings_are_a_mistake(values: Any) -> None:
    house = House()
    async with house.client() as client:
        await client.connect("alice", scopes=["a"])
        for name in ("scopes", "roles"):
            with pytest.raises(TypeError, match=name):
                await house.socket.update_user("alice", **{name: values})
        [connection] = house.socket.sio.registry
        assert connection.identity is not None
        assert connection.identity.scopes == {"a"}


# Refresh over HTTP ------------------------------------------------------------------------------------------


def of_cookie(house: House, token: str, **more: str) -> dict[str, str]:
    return {**cookie_header(house.auth, token), "X-CSRF-TOKEN": csrf_of(house.auth, token), **more}


def http(house: House) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=house.app)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


async def test_a_cookie_client_refreshes_over_http(caplog: pytest.LogCaptureFixture) -> None:
    """Over real transports: the page's websocket beside its request."""
    caplog.set_level(logging.DEBUG)
    house = House()
    async with serving(house.app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        first = a_token(house, lasts=100)
        headers = {**cookie_header(house.auth, first), "Origin": url}
        async with wire.websocket(url, headers=headers) as alice:
            await alice.connect({"csrf_token": csrf_of(house.auth, first)})
            key = (await alice.receive_event("authx:session")).args[0]["key"]
            newer = a_token(house, scopes=["a"])

            response = await http.post(
                "/ws/refresh", json={"key": key}, headers=of_cookie(house, newer, Origin=url)
            )

            assert response.status_code == 200
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["access-control-allow-origin"] == url
            assert response.json() == {
                "scopes": ["a"],
                "roles": [],
                "expires_at": house.clock.now + 900,
                "ttl": 900,
            }
            house.clock.advance(100)
            assert await alice.emit("work") == ["alice"]
            [connection] = house.socket.sio.registry
            assert connection.credential is not None
            assert (connection.credential.place, connection.credential.token) == ("cookie", newer)
    assert key not in caplog.text


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"X-CSRF-TOKEN": "wrong"}, 403, "csrf_failed"),
        ({"X-CSRF-TOKEN": None}, 403, "csrf_failed"),
        ({"Origin": "https://evil.test"}, 403, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "origin_not_allowed"),
        ({"Cookie": None}, 401, "missing_token"),
        ({"Cookie": "access_token_cookie=garbage"}, 401, "invalid_token"),
    ],
)
async def test_the_rules_for_cookies_hold_for_a_refresh(
    change: dict[str, str | None], status: int, code: str
) -> None:
    house = House()
    async with house.client() as client, http(house) as requests:
        alice = await client.connect("alice", expires_in=100)
        headers = {**of_cookie(house, a_token(house, scopes=["a"])), **change}
        response = await requests.post(
            "/ws/refresh",
            json={"key": alice.session["key"]},
            headers={name: value for name, value in headers.items() if value is not None},
        )

        assert response.status_code == status
        assert response.json()["error"]["code"] == code
        assert set(response.json()["error"]) == {"code", "message", "retry"}
        assert [connection.identity.scopes for connection in house.socket.sio.registry] == [frozenset()]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("user", "options", "status", "code"),
    [
        ("mallory", {}, 401, "invalid_token"),
        ("alice", {"lasts": -1}, 401, "token_expired"),
        ("alice", {"data": {"iat": 1_600_000_000}}, 401, "invalid_token"),
    ],
)
async def test_the_rules_for_tokens_hold_for_a_refresh_over_http(
    user: str, options: dict[str, Any], status: int, code: str
) -> None:
    house = House()
    async with house.client() as client, http(house) as requests:
        alice = await client.connect("alice")
        token = a_token(house, user, scopes=["a"], **options)
        headers = {**cookie_header(house.auth, token), "X-CSRF-TOKEN": _csrf_unchecked(token)}
        response = await requests.post("/ws/refresh", json={"key": alice.session["key"]}, headers=headers)

        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert [connection.identity.scopes for connection in house.socket.sio.registry] == [frozenset()]  # type: ignore[union-attr]


def _csrf_unchecked(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["csrf"])


async def test_a_key_that_opens_nothing_is_told_nothing() -> None:
    house = House()
    async with house.client() as client, http(house) as requests:
        gone = await client.connect("alice")
        await gone.hang_up()
        nobody = "x" * len(gone.session["key"])
        answers = []
        for key in (gone.session["key"], nobody, "", "\ud800", "é"):
            response = await requests.post(
                "/ws/refresh",
                content=json.dumps({"key": key}),
                headers=of_cookie(house, a_token(house)),
            )
            answers.append((response.status_code, response.text))
        assert len(set(answers)) == 1
        assert answers[0][0] == 404


async def test_no_refresh_over_http_passes_a_late_timer() -> None:
    house = House()
    stop_the_timer(house.socket)
    async with house.client() as client, http(house) as requests:
        alice = await client.connect("alice", expires_in=100)
        house.clock.advance(100)
        headers = of_cookie(house, a_token(house))
        response = await requests.post("/ws/refresh", json={"key": alice.session["key"]}, headers=headers)

        assert response.status_code == 404
        assert await alice.wait_closed() is not None


async def test_where_cookies_are_no_place_neither_is_the_request() -> None:
    app, auth = FastAPI(), login()
    AuthXSocket(app, auth=auth)
    transport = httpx.ASGITransport(app=app)
    async with (
        SocketTestClient(app) as client,
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as requests,
    ):
        alice = await client.connect("alice")
        token = auth.create_access_token("alice")
        response = await requests.post(
            "/ws/refresh",
            json={"key": alice.session["key"]},
            headers={**cookie_header(auth, token), "X-CSRF-TOKEN": csrf_of(auth, token)},
        )
        assert (response.status_code, response.json()["error"]["code"]) == (401, "missing_token")


@pytest.mark.parametrize("end", ["clock", "revocation"])
async def test_a_connection_that_ended_while_it_was_judged_is_none_over_http(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()

    async def slow(connection: Connection) -> bool:
        if connection.identity is not None and connection.identity.scopes:
            if end == "clock":
                house.clock.advance(100)
            else:
                await house.auth.revoke_user("alice")
        return True

    router = SocketRouter(namespace="/slow", guards=[slow])
    router.on("greet")(lambda: None)
    house.socket.include_router(router)
    stop_the_timer(house.socket)
    async with house.client() as client, http(house) as requests:
        alice = await client.connect("alice", namespace="/slow")
        response = await requests.post(
            "/ws/refresh",
            json={"key": alice.session["key"]},
            headers=of_cookie(house, a_token(house, lasts=100, scopes=["a"])),
        )
        assert response.status_code == 404
        assert await alice.wait_closed() is not None
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_page_that_may_no_longer_be_there_hears_so_over_http() -> None:
    house = guarded_house()
    async with house.client() as client, http(house) as requests:
        alice = await client.connect("alice", namespace="/admin", roles=["admin"])
        response = await requests.post(
            "/ws/refresh",
            json={"key": alice.session["key"]},
            headers=of_cookie(house, a_token(house)),
        )
        assert (response.status_code, response.json()["error"]["code"]) == (403, "insufficient_role")
        closing = await alice.wait_closed()
        assert closing is not None
        assert closing.code == "insufficient_role"


# What took its time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", ["revoked", "over", "narrowed", "changed"])
async def test_what_a_dependency_waited_for_is_judged_again_before_the_handler_runs(
    meanwhile: str,
) -> None:
    house = House()
    waiting, go_on = asyncio.Event(), asyncio.Event()
    cleaned: list[str] = []

    async def slow() -> Any:
        waiting.set()
        await go_on.wait()
        try:
            yield
        except BaseException as error:
            cleaned.append(type(error).__name__)
            raise
        else:
            cleaned.append("well")

    @house.socket.exception_handler(Exception)
    def answer(_: Connection, error: Exception) -> None:
        house.ran.append(error)
        raise error

    @house.socket.on("pay")
    @require_scope("pay")
    @rate_limit("1/hour")
    async def pay(me: CurrentIdentity, _: Any = Depends(slow)) -> list[str]:
        house.ran.append("paid")
        return sorted(me.scopes)

    stop_the_timer(house.socket)
    async with house.client() as client:
        alice = await client.connect("alice", scopes=["pay"], expires_in=100)
        call = asyncio.create_task(alice.call("pay"))
        await waiting.wait()
        if meanwhile == "revoked":
            await house.auth.revoke_user("alice")
        elif meanwhile == "over":
            house.clock.advance(100)
        else:
            # Once is once, however often it is judged.
            scopes = {"narrowed": [], "changed": ["pay", "more"]}[meanwhile]
            await house.socket.update_user("alice", scopes=scopes)
        go_on.set()
        if meanwhile == "changed":
            assert await call == ["pay"]
            assert (house.ran, cleaned) == (["paid"], ["well"])
        elif meanwhile == "narrowed":
            with pytest.raises(Denial, match="insufficient_scope"):
                await call
            assert (house.ran, cleaned) == ([], ["Denial"])
        else:
            with pytest.raises(ConnectionError):
                await call
            await client.settle()
            # Cleaned up as after a failure, which nobody else hears of.
            assert (house.ran, cleaned) == ([], ["_Ended"])


async def test_no_connection_waits_for_the_guards_of_another() -> None:
    house = House(connect_timeout=0.3)

    async def hangs(connection: Connection) -> None:
        assert connection.identity is not None
        if connection.identity.overridden:
            await asyncio.Event().wait()

    house.socket.include_router(slow := SocketRouter(namespace="/slow", guards=[guard(hangs)]))
    house.socket.include_router(admin := SocketRouter(namespace="/admin", guards=[require_role("admin")]))
    for router in (slow, admin):
        router.on("greet")(lambda: None)
    async with house.client() as client:
        stuck = await client.connect("alice", namespace="/slow", roles=["admin"])
        host = await client.connect("alice", namespace="/admin", roles=["admin"])
        plain = await client.connect("alice", roles=["admin"])
        narrowing = asyncio.create_task(house.socket.update_user("alice", roles=[]))
        # Before anything else has a turn.
        await asyncio.sleep(0)
        assert {connection.namespace for connection in house.socket.sio.registry} == {"/", "/slow"}
        assert (await house.socket.everyone().in_namespace("/admin").emit("secret")).devices == 0
        closing = await host.wait_closed()
        assert closing is not None
        assert closing.code == "insufficient_role"
        await until(lambda: plain.session["roles"] == [])
        assert not narrowing.done()
        # Who is not judged in time is ended.
        assert await narrowing == 3
        closing = await stuck.wait_closed()
        assert closing is not None
        assert (closing.code, closing.retry) == ("internal_error", True)
        assert plain.is_connected


@pytest.mark.parametrize("way", ["event", "update"])
async def test_a_guard_in_a_thread_has_no_longer_either(way: str, caplog: pytest.LogCaptureFixture) -> None:
    house = House(connect_timeout=0.1)
    release, hang = threading.Event(), [False]

    def hangs(_: Connection) -> None:
        if hang[0]:
            release.wait(10)

    house.socket.include_router(router := SocketRouter(guards=[guard(hangs)]))
    router.on("greet")(lambda: None)
    async with house.client() as client:
        alice = await client.connect("alice")
        hang[0] = True
        if way == "event":
            await alice.emit("authx:refresh", {"token": a_token(house)})
        else:
            assert await house.socket.update_user("alice", scopes=["a"]) == 1
        closing = await alice.wait_closed()
        assert closing is not None
        assert closing.code == "internal_error"
        release.set()
    assert "the guards took longer than 0.1 s" in caplog.text
    assert not filled(house.socket)


# Other rights, wherever they are read ---------------------------------------------------------------------


async def test_other_roles_are_read_by_dependencies_and_policies_and_touch_no_scopes() -> None:
    house = House()

    def admins(context: PolicyContext, rule: PolicyRule) -> bool:
        return context.payload is not None and "admin" in context.payload.custom_claims["roles"]

    engine = PolicyEngine([PolicyRule("allow", ["*"], ["*"], evaluators=[admins])])

    def is_admin(payload: Any = Depends(house.auth.access_token_required)) -> list[str]:
        found: list[str] = payload.custom_claims["roles"]
        return found

    @house.socket.on("roles")
    async def roles(found: Any = Depends(is_admin)) -> Any:
        return found

    @house.socket.on("kick")
    @require_policy(engine, "kick", "anybody")
    async def kick() -> bool:
        return True

    writing = house.auth.scopes_required("wr")

    @house.socket.on("write")
    async def write(_: Any = Depends(writing)) -> bool:
        return True

    async with house.client() as client:
        alice = await client.connect("alice", roles=["admin"])
        assert await alice.call("roles") == ["admin"]
        assert await alice.call("kick") is True
        await house.socket.update_user("alice", roles=["guest"])
        assert await alice.call("roles") == ["guest"]
        assert (await alice.expect_denied("kick")).code == "policy_denied"
        await house.socket.update_user("alice", scopes=["wr"])
        assert await alice.call("roles") == ["guest"]
        assert await alice.call("write") is True

        # A dependency of AuthX reads the list only, and goes on doing so.
        bob = await client.connect("bob", claims={"scope": "wr"})
        assert (await bob.expect_denied("write")).code == "insufficient_scope"
        await house.socket.update_user("bob", roles=[])
        assert (await bob.expect_denied("write")).code == "insufficient_scope"


async def test_the_rights_of_one_login_are_not_those_of_another() -> None:
    house = House()
    other = login("cookies", JWT_ACCESS_COOKIE_NAME="other")
    now = int(house.clock.now)

    of_other = other.token_required(verify_csrf=False)

    @house.socket.on("whose")
    async def whose(payload: Any = Depends(of_other)) -> Any:
        return [payload.sub, payload.scopes]

    claims = {"iat": now, "exp": 9e9, "type": "access"}
    own = jwt.encode({"sub": "alice", **claims}, KEY, algorithm="HS256")
    strange = jwt.encode({"sub": "bob", **claims}, KEY, algorithm="HS256")
    async with house.client() as client:
        alice = await client.connect(token=own, headers={"Cookie": f"other={strange}"})
        assert await alice.call("whose") == ["bob", None]
        await house.socket.update_user("alice", scopes=["wide"])
        assert await alice.call("whose") == ["bob", None]


async def test_a_second_signature_of_the_same_token_brings_no_rights_back() -> None:
    keys = ec_pair()
    app = FastAPI()
    config = AuthXConfig(JWT_ALGORITHM="ES256", JWT_PRIVATE_KEY=keys.private, JWT_PUBLIC_KEY=keys.public)
    auth = AuthX(config, clock=ManualClock(1_700_000_000.0))
    socket = AuthXSocket(app, auth=auth, namespaces=["/"])
    claims = {"sub": "alice", "iat": 1_700_000_000, "exp": 1_700_000_900, "scopes": ["w"], "type": "access"}
    token = jwt.encode(claims, keys.private, algorithm="ES256")
    head, _, signature = token.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    turned = (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    twin = f"{head}.{urlsafe_b64encode(raw[:32] + turned).rstrip(b'=').decode()}"
    async with SocketTestClient(app) as client:
        alice = await client.connect(token=token)
        await socket.update_user("alice", scopes=[])
        for same in (token, twin):
            assert (await refresh(alice, same))["scopes"] == []


async def test_an_event_counts_once_however_often_it_is_judged() -> None:
    house = House()
    judging, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Connection) -> None:
        judging.set()
        await go_on.wait()

    @house.socket.on("once")
    @guard(slow)
    @rate_limit("1/hour")
    async def once(me: CurrentIdentity) -> list[str]:
        return sorted(me.scopes)

    async with house.client() as client:
        alice = await client.connect("alice")
        call = asyncio.create_task(alice.call("once"))
        await judging.wait()
        await house.socket.update_user("alice", scopes=["a"])
        go_on.set()
        assert await call == ["a"]
        assert (await alice.expect_denied("once")).code == "rate_limited"


async def test_who_gives_up_a_refresh_stops_no_guard() -> None:
    """The newer token holds already, and so does what the guards say of it."""
    house = House()
    judging, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> bool:
        assert connection.identity is not None
        if "a" not in connection.identity.scopes:
            return True
        judging.set()
        await go_on.wait()
        return False

    house.socket.include_router(router := SocketRouter(guards=[guard(slow)]))
    router.on("greet")(lambda: None)
    async with house.client() as client, http(house) as requests:
        alice = await client.connect("alice")
        headers = of_cookie(house, a_token(house, scopes=["a"]))
        call = asyncio.create_task(
            requests.post("/ws/refresh", json={"key": alice.session["key"]}, headers=headers)
        )
        await judging.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        closing = await alice.wait_closed()
        assert closing is not None
        assert closing.code == "policy_denied"
