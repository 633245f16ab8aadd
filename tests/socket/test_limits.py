"""Limits that know who somebody is."""

import asyncio
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from authx import AuthXSocket
from authx.auth.identity import Identity
from authx.socket import Connection, Refusal
from authx.socket.exceptions import Closing
from authx.socket.limits import FailureThrottle, UserLimits, WhenFull
from authx.socket.registry import Registry
from authx.socket.testing import ManualClock, SocketTestClient
from authx.socket.testing.connection import ClientConnection
from tests.support import wire
from tests.support.logins import login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import tables

# --- the connections of a user ----------------------------------------------------------------------------


def one(
    sid: str, namespace: str = "/", *, transport: str = "", user: str | None = "alice", **names: Any
) -> Connection:
    identity = None if user is None else Identity(user=user, **names)
    return Connection(
        sid=sid,
        namespace=namespace,
        device=sid,
        transport=transport or sid,
        identity=identity,
        admitted_as=identity,
        connected_at=0.0,
    )


def holding(*connections: Connection) -> Registry:
    registry = Registry()
    for connection in connections:
        registry.add(connection)
    return registry


def test_without_limits_there_is_room_for_everybody() -> None:
    registry = holding(*map(one, "abc"))

    assert UserLimits(registry).make_room(one("d")) == {}


def test_one_too_many_is_refused() -> None:
    registry = holding(one("a"), one("b"))

    assert UserLimits(registry, most=3).make_room(one("c")) == {}
    with pytest.raises(Refusal) as caught:
        UserLimits(registry, most=2).make_room(one("c"))
    assert (caught.value.code, caught.value.retry) == ("too_many_connections", False)


def test_or_the_oldest_ends() -> None:
    oldest, newer = one("a"), one("b")
    registry = holding(oldest, newer)

    ending = UserLimits(registry, most=2, when_full="drop_oldest").make_room(one("c"))

    assert list(ending) == [oldest]
    assert (ending[oldest].code, ending[oldest].retry) == ("too_many_connections", False)


def test_each_namespace_and_each_user_has_a_count_of_its_own() -> None:
    limits = UserLimits(holding(one("a", "/x"), one("b", user="bob")), most=1)

    assert limits.make_room(one("c")) == {}


def test_nobody_is_not_counted() -> None:
    limits = UserLimits(holding(one("a", user=None), one("b", user=None)), most=1, single_session=True)

    assert limits.make_room(one("c", user=None)) == {}


@pytest.mark.parametrize(
    "names",
    [{"session": "s2"}, {"token_id": "t2"}, {}, {"session": "t1"}, {"session": "s2", "token_id": "t1"}],
)
def test_another_login_ends_those_before_it_in_all_namespaces(names: dict[str, str]) -> None:
    here, there = one("a", token_id="t1"), one("b", "/x", token_id="t1")
    limits = UserLimits(holding(here, there, one("c", user="bob")), single_session=True)

    ending = limits.make_room(one("d", **names))

    assert set(ending) == {here, there}
    told = ending[here]
    assert (told.code, told.message, told.retry) == (
        "too_many_connections",
        "The user connected elsewhere",
        False,
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"session": "s1", "token_id": "t1"}, {"session": "s1", "token_id": "t2"}),
        ({"token_id": "t1"}, {"token_id": "t1"}),
    ],
    ids=["session", "token"],
)
def test_one_login_may_have_many_connections(first: dict[str, str], second: dict[str, str]) -> None:
    limits = UserLimits(holding(one("a", **first)), single_session=True)

    assert limits.make_room(one("b", **second)) == {}


def test_tokens_that_nothing_tells_apart_are_logins_of_their_own() -> None:
    older = one("a")

    assert set(UserLimits(holding(older), single_session=True).make_room(one("b"))) == {older}


def test_what_comes_over_one_transport_is_one_login() -> None:
    limits = UserLimits(holding(one("a", transport="d", token_id="t1")), single_session=True)

    assert limits.make_room(one("b", "/x", transport="d", token_id="t2")) == {}


@pytest.mark.parametrize("shown", ["t1", "t2"])
def test_a_connection_that_was_refreshed_is_not_at_war_with_its_siblings(shown: str) -> None:
    """One tab has a new token by now, and the other comes with that, or with the one of before."""
    refreshed = one("a", token_id="t1")
    registry = holding(refreshed)
    refreshed.identity = Identity(user="alice", token_id="t2")

    assert UserLimits(registry, single_session=True).make_room(one("c", token_id=shown)) == {}


def test_who_ends_with_another_login_takes_no_room() -> None:
    older = one("a", session="s1")

    ending = UserLimits(holding(older), most=1, single_session=True).make_room(one("b", session="s2"))

    assert {sid.sid: said.message for sid, said in ending.items()} == {"a": "The user connected elsewhere"}


@pytest.mark.parametrize(
    "options",
    [{"max_connections_per_user": 0}, {"when_full": "drop"}, {"max_failures_per_address": 0}],
    ids=str,
)
def test_limits_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        AuthXSocket(FastAPI(), auth=login(), **options)


# --- the same over the wire -------------------------------------------------------------------------------


def limited(**options: Any) -> FastAPI:
    app = FastAPI()
    socket = AuthXSocket(app, auth=login(), namespaces=["/", "/x"], **options)

    @socket.on("tell")
    async def tell(text: str) -> int:
        return (await socket.to_user("alice").emit("told", text)).devices

    return app


async def ended(connection: ClientConnection) -> Closing:
    closing = await connection.wait_closed()
    assert closing is not None
    return closing


async def test_a_page_with_two_namespaces_counts_once_in_each() -> None:
    async with SocketTestClient(limited(max_connections_per_user=1)) as client:
        page = await client.connect("alice")
        await page.connect("/x")

        assert (await client.expect_refused("alice")).code == "too_many_connections"
        assert (await client.expect_refused("alice", namespace="/x")).code == "too_many_connections"
        await client.connect("bob")
        await page.disconnect()
        await client.connect("alice")


async def test_who_has_made_room_is_told_and_hears_nothing_more() -> None:
    async with SocketTestClient(limited(max_connections_per_user=2, when_full="drop_oldest")) as client:
        oldest, second = await client.connect("alice"), await client.connect("alice")

        third = await client.connect("alice")

        assert await third.call("tell", "hi") == 2
        told = await ended(oldest)
        assert (told.code, told.retry) == ("too_many_connections", False)
        assert oldest.received("told") == []
        assert second.is_connected
        await second.receive("told")


async def test_the_newest_login_ends_the_others() -> None:
    async with SocketTestClient(limited(single_session=True)) as client:
        page = await client.connect("alice", session="s1")
        beside = await page.connect("/x")
        tab = await client.connect("alice", session="s1")
        assert page.is_connected

        newest = await client.connect("alice", session="s2")

        assert await newest.call("tell", "hi") == 1
        for connection in (page, beside, tab):
            assert (await ended(connection)).message == "The user connected elsewhere"


async def test_tabs_of_one_login_refresh_at_different_times_and_stay() -> None:
    """With tokens that name no session; whoever comes with one that nobody here has seen is somebody else."""
    async with SocketTestClient(limited(single_session=True)) as client:
        first, second, third = (client.token("alice") for _ in range(3))
        page = await client.connect(token=first)
        await page.call("authx:refresh", {"token": second})
        tab, another = await client.connect(token=first), await client.connect(token=second)
        await page.nothing_received()
        assert page.is_connected
        assert tab.is_connected

        await client.connect(token=third)

        for connection in (page, tab, another):
            assert (await ended(connection)).code == "too_many_connections"


@pytest.mark.parametrize("when_full", get_args(WhenFull))
async def test_those_who_arrive_at_once_are_no_more_than_may(when_full: WhenFull) -> None:
    app = limited(max_connections_per_user=3, when_full=when_full)
    socket: AuthXSocket = app.state.authx_socket
    together = asyncio.Barrier(20)
    admitted: list[int] = []

    @socket.on("connect")
    async def connect() -> None:
        await together.wait()

    async with SocketTestClient(app) as client:

        async def arrive() -> str | None:
            try:
                await client.connect("alice")
            except Refusal as refusal:
                return refusal.code
            finally:
                admitted.append(len(socket.sio.registry))
            return None

        refusals = await asyncio.gather(*(arrive() for _ in range(20)))
        await client.settle()

        assert max(admitted) == len(socket.sio.registry) == 3
        assert refusals.count("too_many_connections") == (17 if when_full == "refuse" else 0)
        assert tables(socket)["arrivals"] == {}


async def test_who_can_not_enter_ends_nobody() -> None:
    app = limited(max_connections_per_user=1, when_full="drop_oldest")
    socket: AuthXSocket = app.state.authx_socket

    class Unkeepable:
        hashed = 0

        def __hash__(self) -> int:
            self.hashed += 1
            if self.hashed > 2:
                raise RuntimeError("no more")
            return 1

    async with SocketTestClient(app) as client:
        first = await client.connect("alice")

        @socket.on("connect")
        async def connect(sid: str) -> None:
            await socket.enter_room(sid, Unkeepable())

        assert (await client.expect_refused("alice")).code == "internal_error"
        assert await first.call("tell", "still here") == 1


# --- the failures of an address ---------------------------------------------------------------------------


def throttle(most: int | None = 2, **options: Any) -> tuple[FailureThrottle, ManualClock]:
    clock = ManualClock(1000.0)
    return FailureThrottle(most, clock=clock, **options), clock


def is_refused(failures: FailureThrottle, address: str | None) -> bool:
    try:
        failures.check(address)
    except Refusal:
        return True
    return False


def test_an_address_waits_until_its_minute_is_over() -> None:
    failures, clock = throttle()
    failures.count("192.0.2.1", "invalid_token")
    clock.advance(20.5)
    assert not is_refused(failures, "192.0.2.1")
    failures.count("192.0.2.1", "csrf_failed")

    with pytest.raises(Refusal) as caught:
        failures.check("192.0.2.1")
    assert (caught.value.code, caught.value.retry) == ("rate_limited", True)
    assert caught.value.details == {"retry_after": 40}
    assert not is_refused(failures, "192.0.2.2")
    clock.advance(39.5)
    assert not is_refused(failures, "192.0.2.1")
    failures.count("192.0.2.1", "invalid_token")
    assert not is_refused(failures, "192.0.2.1")


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("missing_token", False),
        ("invalid_token", True),
        ("wrong_token_type", True),
        ("csrf_failed", True),
        ("origin_not_allowed", False),
        ("token_revoked", True),
        ("token_expired", False),
        ("store_unavailable", False),
        ("connect_timeout", False),
        ("internal_error", False),
        ("rate_limited", False),
        ("validation_error", False),
    ],
)
def test_only_the_credential_counts(code: str, counts: bool) -> None:
    failures, _ = throttle(1)

    failures.count("192.0.2.1", code)

    assert is_refused(failures, "192.0.2.1") is counts


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        (None, None, True),
        (None, "", True),
        (None, "a name that a client chose", True),
        (None, "::", False),
        (None, "0.0.0.0", False),
    ],
)
def test_what_counts_together(first: str | None, second: str | None, same: bool) -> None:
    failures, _ = throttle(1)

    failures.count(first, "invalid_token")

    assert is_refused(failures, second) is same


def test_it_may_be_off() -> None:
    failures, _ = throttle(None)
    for _ in range(1000):
        failures.count("192.0.2.1", "invalid_token")

    assert not is_refused(failures, "192.0.2.1")
    assert len(failures) == 0


def test_only_so_many_addresses_are_remembered_and_none_for_longer_than_it_counts() -> None:
    failures, clock = throttle(1, most_addresses=3)
    for last in range(5):
        failures.count(f"192.0.2.{last}", "invalid_token")
        clock.advance(1)

    assert [is_refused(failures, f"192.0.2.{last}") for last in range(5)] == [False, False, True, True, True]
    assert len(failures) == 3
    clock.advance(60)
    failures.count("192.0.2.9", "invalid_token")
    assert len(failures) == 1


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", None])),
        max_size=60,
    )
)
def test_nobody_is_refused_for_what_others_did_or_for_less_than_may(
    steps: list[tuple[float, str | None]],
) -> None:
    """Beside a plain list of all that happened."""
    failures, clock = throttle(3)
    begun: dict[str | None, list[float]] = {}
    for wait, address in steps:
        clock.advance(wait)
        window = begun.setdefault(address, [])
        if window and clock.now >= window[0] + 60:
            window.clear()
        assert is_refused(failures, address) is (len(window) >= 3)
        failures.count(address, "invalid_token")
        window.append(clock.now)


async def test_further_handshakes_of_the_address_are_refused_over_the_wire() -> None:
    async with SocketTestClient(limited(max_failures_per_address=2)) as client:
        for _ in range(2):
            assert (await client.expect_refused(token="guess")).code == "invalid_token"

        refusal = await client.expect_refused("alice")

        assert (refusal.code, refusal.retry) == ("rate_limited", True)
        assert 0 < refusal.details["retry_after"] <= 60
        await client.connect("alice", address="192.0.2.7")


async def test_a_hundred_failures_a_minute_are_what_an_address_has() -> None:
    async with SocketTestClient(limited()) as client:
        codes = [(await client.expect_refused(token="guess")).code for _ in range(101)]

    assert codes == ["invalid_token"] * 100 + ["rate_limited"]


EVIL = {"Origin": "https://evil.test"}


async def test_a_strange_page_locks_nobody_out() -> None:
    """Whatever it has the browser of a visitor send, the visitor may connect."""
    async with SocketTestClient(limited(max_failures_per_address=1)) as client:
        for shown in ({}, {"token": "guess"}, {"auth": {"token": 5}}):
            assert (await client.expect_refused(headers=EVIL, **shown)).code == "origin_not_allowed"
        assert (await client.expect_refused()).code == "missing_token"
        await client.connect("alice")
        assert (await client.expect_refused(auth={"token": 5})).code == "invalid_token"
        assert (await client.expect_refused("alice")).code == "rate_limited"


async def test_a_transport_that_only_guesses_is_closed() -> None:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, namespaces=["/", "/x"])
    async with serving(app) as url, wire.websocket(url) as stranger, wire.websocket(url) as alice:
        token = auth.create_access_token("alice")
        await alice.connect({"token": token})
        for _ in range(10):
            assert (await stranger.connect({"token": "guess"})).data["data"]["code"] == "invalid_token"
            await alice.connect({"token": "guess"}, "/x")
        await until(lambda: len(socket.sio._devices) == 1)
        with pytest.raises((ConnectionError, TimeoutError)):
            await stranger.connect({"token": token})
        # Who has been let in may be mistaken as often as they like.
        await alice.connect({"token": token}, "/x")
        assert len(socket.sio.registry) == 2
