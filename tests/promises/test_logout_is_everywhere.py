"""Promise 6: what is revoked ends on every open socket, before anybody can notice that it had not."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.auth.identity import Identity
from authx.auth.revocation import InMemoryRevocations, Revocation
from authx.auth.sessions import InMemorySessionStore
from authx.socket import Connection, CurrentIdentity, SocketRouter, guard
from authx.socket.testing import ManualClock, SocketTestClient
from tests.support import wire
from tests.support.logins import KEY, login
from tests.support.server import serving
from tests.support.settling import until
from tests.support.tables import filled
from tests.support.wire import Opener, PacketType

opened = pytest.mark.parametrize("opened", wire.OPENERS)


def served(**options: Any) -> tuple[FastAPI, AuthX, AuthXSocket]:
    app, auth = FastAPI(), login()
    socket = AuthXSocket(app, auth=auth, **options)
    socket.on("work")(lambda me: me)
    app.get("/me", dependencies=[Depends(auth.access_token_required)])(lambda: "you")
    auth.handle_errors(app)
    return app, auth, socket


class FailingRevocations(InMemoryRevocations):
    """A store that can be down, and be slow."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.asked = 0
        self.wait: Callable[[], Awaitable[None]] | None = None

    async def find(self, identities: Sequence[Identity]) -> list[bool]:
        self.asked += 1
        found = await super().find(identities)
        if self.wait is not None:
            await self.wait()
        if self.down:
            raise ConnectionError("the store is down")
        return found


def stored(revocations: InMemoryRevocations, **options: Any) -> tuple[FastAPI, AuthX, AuthXSocket]:
    app = FastAPI()
    auth = AuthX(AuthXConfig(JWT_SECRET_KEY=KEY), revocations=revocations)
    return app, auth, AuthXSocket(app, auth=auth, **options)


async def revoke(auth: AuthX, way: str, token: str) -> None:
    match way:
        case "token":
            await auth.revoke_token(token)
        case "session":
            await auth.revoke_session("s1")
        case "all sessions":
            await auth.revoke_all_sessions("alice")
        case _:
            await auth.revoke_user("alice")


WAYS = ["token", "session", "all sessions", "user"]


@opened
@pytest.mark.parametrize("way", WAYS)
async def test_a_revoked_socket_is_told_and_ends_and_comes_back_nowhere(opened: Opener, way: str) -> None:
    app, auth, socket = served()
    token = auth.create_access_token("alice", session="s1")
    bobs = auth.create_access_token("bob", session="s2")
    async with (
        serving(app) as url,
        opened(url) as alice,
        opened(url) as tab,
        opened(url) as bob,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        await alice.connect({"token": token})
        await tab.connect({"token": token})
        await bob.connect({"token": bobs})

        await revoke(auth, way, token)

        assert [connection.user for connection in socket.sio.registry] == ["bob"]
        assert (await socket.to_user("alice").emit("news")).devices == 0
        assert (await socket.everyone().emit("news")).devices == 1
        for client in (alice, tab):
            closing = await client.receive_event("authx:closing")
            assert closing.args == [
                {"code": "token_revoked", "message": "The token has been revoked", "retry": False}
            ]
            assert (await client.receive()).type is PacketType.DISCONNECT
            assert not client.events("news")
        again = await alice.connect({"token": token})
        assert again.data["data"] == {"code": "token_revoked", "retry": False}
        assert (await http.get("/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
        assert (await http.get("/me", headers={"Authorization": f"Bearer {bobs}"})).status_code == 200
        assert len(await bob.emit("work", 1)) == 1
        await until(lambda: bob.events("news"))


async def test_what_a_revocation_does_not_cover_stays() -> None:
    app, auth, _ = served()
    async with SocketTestClient(app) as client:
        here = await client.connect("alice", session="here")
        there = await client.connect("alice", session="there")
        loose = await client.connect("alice")

        await auth.revoke_user("alice", except_session="here")

        for gone in (there, loose):
            assert await gone.wait_closed() is not None
        await here.nothing_received()
        assert here.is_connected

        await auth.revoke_session("elsewhere")
        await auth.revoke_token(client.token("alice", session="here"))
        await client.settle()
        assert here.is_connected


async def test_who_was_refreshed_is_found_by_the_newer_token_and_session_only() -> None:
    app, auth, _ = served()
    async with SocketTestClient(app) as client:
        first = client.token("alice", session="s1")
        second = client.token("alice", session="s2")
        alice = await client.connect(token=first)
        await alice.call("authx:refresh", {"token": second})

        await auth.revoke_token(first)
        await auth.revoke_session("s1")
        await alice.nothing_received()
        assert alice.is_connected

        await auth.revoke_session("s2")
        assert await alice.wait_closed() is not None


async def test_a_disconnect_handler_may_revoke_and_nobody_waits_for_it() -> None:
    app, auth, socket = served()
    done = asyncio.Event()

    @socket.on("disconnect")
    async def disconnect(connection: Connection) -> None:
        assert connection.user is not None
        await auth.revoke_user(connection.user)
        done.set()

    async with SocketTestClient(app) as client:
        await client.connect("alice")
        await client.connect("alice")
        async with asyncio.timeout(2):
            await auth.revoke_user("alice")
            assert not len(socket.sio.registry)
            await done.wait()
        await client.settle()
        assert not socket.sio._departures


async def test_a_handler_may_revoke_its_own_user() -> None:
    app, auth, socket = served()

    @socket.on("log out")
    async def log_out(me: CurrentIdentity) -> str:
        await auth.revoke_user(me.user)
        return "never told"

    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        with pytest.raises(ConnectionError):
            await alice.call("log out")
        closing = await alice.wait_closed()
        assert closing is not None
        assert (closing.code, closing.retry) == ("token_revoked", False)


# Races ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", ["store", "connect handler"])
async def test_a_revocation_that_came_in_meanwhile_still_refuses_an_arrival(way: str, moment: str) -> None:
    revocations = FailingRevocations()
    app, auth, socket = stored(revocations)

    @socket.on("connect")
    async def connect() -> None:
        if moment == "connect handler":
            await revoke(auth, way, token)

    async with SocketTestClient(app) as client:
        token = client.token("alice", session="s1")
        if moment == "store":
            # It has said already that all is well.
            revocations.wait = lambda: revoke(auth, way, token)
        refusal = await client.expect_refused(token=token)

        assert (refusal.code, refusal.retry) == ("token_revoked", False)
        assert not len(socket.sio.registry)
        assert not socket.sio._notices


@pytest.mark.parametrize("way", WAYS)
async def test_a_revocation_that_came_in_meanwhile_still_refuses_a_refresh(way: str) -> None:
    revocations = FailingRevocations()
    app, auth, socket = stored(revocations)
    async with SocketTestClient(app) as client:
        newer = client.token("alice", session="s1")
        alice = await client.connect("alice", session="s0")
        if way in ("token", "session"):
            revocations.wait = lambda: revoke(auth, way, newer)
            assert (await alice.expect_denied("authx:refresh", {"token": newer})).code == "token_revoked"
            assert alice.is_connected
        else:
            revocations.wait = lambda: revoke(auth, way, newer)
            with pytest.raises(ConnectionError):
                await alice.call("authx:refresh", {"token": newer})
            assert not len(socket.sio.registry)
        await client.settle()
        assert not socket.sio._notices


async def test_a_store_that_cannot_be_asked_refuses_a_refresh(caplog: pytest.LogCaptureFixture) -> None:
    revocations = FailingRevocations()
    app, _, _ = stored(revocations)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice", scopes=["a"])
        revocations.down = True
        newer = client.token("alice", scopes=["b"])
        denial = await alice.expect_denied("authx:refresh", {"token": newer})
        assert denial.code == "store_unavailable"
        assert newer not in caplog.text


# The sweep -----------------------------------------------------------------------------------------------


async def test_what_nobody_told_us_is_found_by_the_sweep() -> None:
    """Another process wrote it into the store, and the message was lost."""
    revocations = FailingRevocations()
    app, _, _ = stored(revocations, sweep_interval=0.01)
    async with SocketTestClient(app) as client:
        alice, bob = await client.connect("alice"), await client.connect("bob")
        await revocations.add(Revocation(user="alice", issued_before=9e9), until=None)

        closing = await alice.wait_closed()
        assert closing is not None
        assert (closing.code, closing.retry) == ("token_revoked", False)
        assert bob.is_connected


async def test_the_sweep_asks_the_blocklist_in_a_thread_and_the_session_store() -> None:
    app = FastAPI()
    auth = AuthX(AuthXConfig(JWT_SECRET_KEY=KEY, JWT_SESSION_TRACKING=True))
    store = InMemorySessionStore()
    auth.set_session_store(store)
    AuthXSocket(app, auth=auth, sweep_interval=0.01)
    threads: set[threading.Thread] = set()
    blocked: list[str] = []

    @auth.set_token_blocklist
    def blocklist(token: str) -> bool:
        threads.add(threading.current_thread())
        return token in blocked

    async with SocketTestClient(app) as client:
        session = await auth.create_session("bob")
        active = session.last_active
        alice = await client.connect(token=(token := client.token("alice")))
        bob = await client.connect("bob", session=session.session_id)
        active = session.last_active
        blocked.append(token)
        assert await alice.wait_closed() is not None
        assert bob.is_connected
        assert session.last_active == active
        await store.delete(session.session_id)
        assert await bob.wait_closed() is not None
    assert threading.current_thread() not in threads


async def test_a_store_that_fails_ends_nobody_and_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "authx.socket.revocation")
    revocations = FailingRevocations()
    app, _, _ = stored(revocations, sweep_interval=0.001)
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        revocations.down = True
        for _ in range(2):
            revocations.asked = 0
            await until(lambda: revocations.asked > 3)
        assert alice.is_connected
        revocations.down = False
        await until(lambda: "it can be told again" in caplog.text)
        assert caplog.text.count("it can't be told which connections were revoked") == 1

        revocations.down = True
        await until(lambda: caplog.text.count("it can't be told which") == 2)
        revocations.down = False
        await revocations.add(Revocation(user="alice", issued_before=9e9), until=None)
        assert await alice.wait_closed() is not None


@pytest.mark.parametrize("answer", ["cancelled", "too few"])
async def test_no_failure_of_a_store_is_the_end_of_the_sweep(
    answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    failing = [False]

    class Odd(FailingRevocations):
        async def find(self, identities: Sequence[Identity]) -> list[bool]:
            if failing[0]:
                self.asked += 1
                if answer == "cancelled":
                    raise asyncio.CancelledError
                return []
            return await super().find(identities)

    revocations = Odd()
    app, auth, _ = stored(revocations, sweep_interval=0.001)
    if answer == "too few":
        find, auth.find_revoked = auth.find_revoked, None  # type: ignore[method-assign, assignment]

        async def too_few(holders: Any, **how: Any) -> list[bool | None]:
            return [*await revocations.find([])] if failing[0] else await find(holders, **how)

        auth.find_revoked = too_few  # type: ignore[method-assign]
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        failing[0], revocations.asked = True, 0
        await until(lambda: revocations.asked > 2)
        failing[0] = False
        assert alice.is_connected
        await revocations.add(Revocation(user="alice", issued_before=9e9), until=None)
        assert await alice.wait_closed() is not None
    assert "it can't be told which connections were revoked" in caplog.text


async def test_who_is_refreshed_during_a_pass_is_not_ended_for_the_older_token() -> None:
    revocations = FailingRevocations()
    app, _, socket = stored(revocations, sweep_interval=0.001)
    async with SocketTestClient(app) as client:
        older, newer = client.token("alice"), client.token("alice")
        alice = await client.connect(token=older)
        swept, go_on = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            revocations.wait = None
            swept.set()
            await go_on.wait()

        revocations.wait = wait
        [connection] = socket.sio.registry
        assert connection.identity is not None
        await revocations.add(Revocation(token_id=connection.identity.token_id), until=None)
        await swept.wait()
        await alice.call("authx:refresh", {"token": newer})
        go_on.set()
        asked = revocations.asked
        await until(lambda: revocations.asked > asked + 1)
        assert alice.is_connected


def timer_of(socket: AuthXSocket) -> Any:
    sweep = socket.sio._sweep
    assert sweep is not None
    return sweep._timer


async def test_who_leaves_during_a_pass_is_ended_once() -> None:
    revocations = FailingRevocations()
    app, _, socket = stored(revocations, sweep_interval=0.001)
    goodbyes: list[str] = []
    swept, go_on = asyncio.Event(), asyncio.Event()

    @socket.on("disconnect")
    def disconnect(sid: str) -> None:
        goodbyes.append(sid)

    async def wait() -> None:
        revocations.wait = None
        swept.set()
        await go_on.wait()

    async with SocketTestClient(app) as client:
        alice, bob = await client.connect("alice"), await client.connect("bob")
        await revocations.add(Revocation(user="alice", issued_before=9e9), until=None)
        await revocations.add(Revocation(user="bob", issued_before=9e9), until=None)
        swept.clear()
        revocations.wait = wait
        await swept.wait()
        await socket.disconnect(alice.sid)
        go_on.set()
        closing = await bob.wait_closed()
        assert closing is not None
        assert closing.code == "token_revoked"
        await client.settle()
        assert sorted(goodbyes) == sorted([alice.sid, bob.sid])
        # Nobody is left to ask about.
        assert timer_of(socket) is None


async def test_a_pass_ends_with_the_app(caplog: pytest.LogCaptureFixture) -> None:
    revocations = FailingRevocations()
    app, _, socket = stored(revocations, sweep_interval=0.001)
    swept = asyncio.Event()

    async def wait() -> None:
        swept.set()
        await asyncio.Event().wait()

    async with SocketTestClient(app) as client:
        await client.connect("alice")
        revocations.wait = wait
        await swept.wait()
    assert not filled(socket)
    assert timer_of(socket) is None
    assert "it can't be told" not in caplog.text


async def test_the_sweep_is_there_while_there_are_connections_only() -> None:
    revocations = FailingRevocations()
    app, _, socket = stored(revocations, sweep_interval=1000)
    assert timer_of(socket) is None
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        timer = timer_of(socket)
        assert timer is not None
        await client.connect("bob")
        assert timer_of(socket) is timer
        # It is not waited for.
        async with asyncio.timeout(1):
            await client.settle()
        await alice.hang_up()
        assert timer_of(socket) is timer
    assert timer_of(socket) is None
    assert timer.cancelled()
    assert not filled(socket)


async def test_passes_come_one_after_the_other() -> None:
    revocations = FailingRevocations()
    app, _, socket = stored(revocations, sweep_interval=0.001)
    under_way, go_on = [0, 0], asyncio.Event()

    async def wait() -> None:
        under_way[0] += 1
        under_way[1] = max(under_way)
        await go_on.wait()
        under_way[0] -= 1

    async with SocketTestClient(app) as client:
        await client.connect("alice")
        revocations.wait = wait
        await until(lambda: under_way[0])
        assert timer_of(socket) is None
        assert socket.sio._sweep is not None
        socket.sio._sweep.start()
        assert timer_of(socket) is None
        go_on.set()
        asked = revocations.asked
        await until(lambda: revocations.asked > asked)
        revocations.wait = None
        assert under_way[1] == 1


async def test_many_are_asked_about_in_chunks() -> None:
    sizes: list[int] = []

    class Counting(InMemoryRevocations):
        async def find(self, identities: Sequence[Identity]) -> list[bool]:
            sizes.append(len(identities))
            return await super().find(identities)

    app, _, socket = stored(Counting(), sweep_interval=1000)
    async with SocketTestClient(app) as client:
        for _ in range(3):
            await client.connect("alice")
        sizes.clear()
        sweep = socket.sio._sweep
        assert sweep is not None
        sweep._at_once = 2
        await sweep._pass()
        assert sizes == [2, 1]


async def test_a_login_holds_no_socket_that_nobody_else_holds() -> None:
    auth = login()
    socket = weakref.ref(AuthXSocket(FastAPI(), auth=auth))
    gc.collect()
    assert socket() is None
    await auth.revoke_user("alice")


# What a store must not be able to do ---------------------------------------------------------------------


def quickly(socket: AuthXSocket) -> None:
    """Wait for answers for a moment only, so that the test does not have to."""
    sweep = socket.sio._sweep
    assert sweep is not None
    assert sweep._within == 1.0
    sweep._within = 0.02


@pytest.mark.parametrize("lost", ["blocklist", "revocations"])
async def test_an_answer_that_is_lost_is_not_the_end_of_the_sweep(
    lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    revocations = FailingRevocations()
    app, auth, socket = stored(revocations, sweep_interval=0.001)
    quickly(socket)
    lose, asked = [False], [0]
    blocked: set[str] = set()

    async def never() -> None:
        if lose[0]:
            asked[0] += 1
            await asyncio.Event().wait()

    @auth.set_token_blocklist
    async def blocklist(token: str) -> bool:
        if lost == "blocklist" and token not in blocked:
            await never()
        return token in blocked

    async with SocketTestClient(app) as client:
        token = client.token("alice")
        alice, bob = await client.connect(token=token), await client.connect("bob")
        revocations.wait = never if lost == "revocations" else None
        lose[0] = True
        await until(lambda: asked[0] > 2)
        assert caplog.text.count("it can't be told which connections were revoked") == 1
        blocked.add(token)
        lose[0] = lost == "blocklist"
        # Also while the answer about another is lost every time.
        assert await alice.wait_closed() is not None
        assert bob.is_connected


@pytest.mark.parametrize("by", ["record", "blocklist"])
async def test_one_whose_answer_fails_spares_nobody_else(by: str) -> None:
    revocations = FailingRevocations()
    app, auth, _ = stored(revocations, sweep_interval=0.001)
    blocked: set[str] = set()
    poison = [""]

    @auth.set_token_blocklist
    def blocklist(token: str) -> bool:
        if token == poison[0]:
            raise RuntimeError("poison")
        return token in blocked

    async with SocketTestClient(app) as client:
        tokens = [client.token("mallory"), client.token("alice")]
        mallory, alice = [await client.connect(token=token) for token in tokens]
        poison[0] = tokens[0]
        if by == "record":
            await revocations.add(Revocation(user="alice", issued_before=9e9), until=None)
        else:
            blocked.add(tokens[1])
        assert await alice.wait_closed() is not None
        assert mallory.is_connected


async def test_a_store_that_fails_about_some_is_asked_about_the_others() -> None:
    class Picky(FailingRevocations):
        async def find(self, identities: Sequence[Identity]) -> list[bool]:
            if picky and any(identity.user == "mallory" for identity in identities):
                raise ConnectionError("not that one")
            return await super().find(identities)

    revocations, picky = Picky(), False
    app, _, socket = stored(revocations, sweep_interval=1000)
    async with SocketTestClient(app) as client:
        mallory, alice = await client.connect("mallory"), await client.connect("alice")
        sweep = socket.sio._sweep
        assert sweep is not None
        sweep._at_once = 1
        picky = True
        await revocations.add(Revocation(user="alice", issued_before=9e9), until=None)
        failures = await sweep._pass()
        assert [str(failure) for failure in failures] == ["not that one"]
        assert await alice.wait_closed() is not None
        assert mallory.is_connected


async def test_a_blocklist_that_hangs_in_threads_takes_only_a_few_of_them() -> None:
    app, auth, socket = served(sweep_interval=0.001)
    quickly(socket)
    release, hang, calls = threading.Event(), [False], [0]

    @auth.set_token_blocklist
    def blocklist(token: str) -> bool:
        if hang[0]:
            calls[0] += 1
            release.wait(10)
        return False

    @socket.on("where")
    def where() -> str:
        return threading.current_thread().name

    async with SocketTestClient(app) as client:
        clients = [await client.connect(f"user {number}") for number in range(20)]
        hang[0] = True
        sweep = socket.sio._sweep
        assert sweep is not None
        await until(lambda: sweep._is_failing)
        passes = 0

        async def count() -> list[BaseException]:
            nonlocal passes
            passes += 1
            return await sweep_pass()

        sweep_pass, sweep._pass = sweep._pass, count  # type: ignore[method-assign]
        await until(lambda: passes > 2)
        assert calls[0] == len(sweep._threads) == 8
        assert await clients[0].call("where")
        hang[0] = False
        release.set()
        await until(lambda: not sweep._is_failing)


# Clocks ----------------------------------------------------------------------------------------------------


async def test_whoever_is_logged_out_everywhere_is_though_our_clock_was_set_back() -> None:
    clock = ManualClock()
    app, auth = FastAPI(), AuthX(AuthXConfig(JWT_SECRET_KEY=KEY, JWT_DECODE_LEEWAY=10), clock=clock)
    ahead = AuthX(AuthXConfig(JWT_SECRET_KEY=KEY), clock=ManualClock(clock.now + 5))
    AuthXSocket(app, auth=auth, namespaces=["/"])
    async with SocketTestClient(app) as client:
        bob = await client.connect(token=ahead.create_access_token("bob"))
        clock.advance(1)
        await auth.revoke_user("bob")
        assert await bob.wait_closed() is not None

        clock.advance(10)
        token = client.token("alice")
        alice = await client.connect(token=token)
        clock.advance(-3)
        await auth.revoke_user("alice")
        assert await alice.wait_closed() is not None
        clock.advance(10)
        assert (await client.expect_refused(token=token)).code == "token_revoked"
        # And nobody is kept out for longer than it takes.
        await client.connect("alice")


# Who revokes, and from where -----------------------------------------------------------------------------


async def test_a_route_in_a_thread_with_a_loop_of_its_own_may_revoke_and_change_rights() -> None:
    app, auth, socket = served()
    gone: list[str | None] = []
    loops: set[asyncio.AbstractEventLoop] = set()

    @socket.on("disconnect")
    async def disconnect(connection: Connection) -> None:
        loops.add(asyncio.get_running_loop())
        gone.append(connection.user)

    async def judges(_: Connection) -> None:
        loops.add(asyncio.get_running_loop())

    router = SocketRouter(guards=[guard(judges)])
    router.on("guarded")(lambda: None)
    socket.include_router(router)

    # FastAPI keeps the functions of routes in a cache of its own: they had better not hold the socket.
    @app.post("/narrow")
    def narrow(request: Request) -> int:
        here: AuthXSocket = request.app.state.authx_socket
        return asyncio.run(here.update_user("bob", scopes=["b"]))

    @app.post("/ban")
    def ban(request: Request) -> list[str | None]:
        here: AuthXSocket = request.app.state.authx_socket
        assert isinstance(here.auth, AuthX)
        asyncio.run(here.auth.revoke_user("alice"))
        return [connection.user for connection in here.sio.registry]

    async with (
        serving(app) as url,
        wire.websocket(url) as alice,
        wire.websocket(url) as bob,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        await alice.connect({"token": auth.create_access_token("alice")})
        await bob.connect({"token": auth.create_access_token("bob", scopes=["a"])})
        assert (await http.post("/narrow")).json() == 1
        assert (await http.post("/ban")).json() == ["bob"]
        assert (await alice.receive_event("authx:closing")).args[0]["code"] == "token_revoked"
        await until(lambda: gone == ["alice"])
        assert len(loops) == 1
        await until(
            lambda: [event.args[0]["scopes"] for event in bob.events("authx:session")][-1:] == [["b"]]
        )


def test_where_the_loop_of_the_connections_is_closed_nobody_is_left_to_end() -> None:
    app, auth, socket = served()

    async def live() -> None:
        async with SocketTestClient(app) as client:
            await client.connect("alice")

    asyncio.run(live())
    asyncio.run(auth.revoke_user("alice"))
    assert asyncio.run(socket.update_user("alice", scopes=[])) == 0


async def test_a_guard_may_revoke_whom_it_judges() -> None:
    class Slow(InMemorySessionStore):
        async def delete_all_by_user(self, uid: str) -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await super().delete_all_by_user(uid)

    app, auth, socket = served()
    auth.set_session_store(Slow())
    went_on: list[str] = []

    async def expels(connection: Connection) -> bool:
        assert connection.identity is not None
        if "bad" in connection.identity.scopes:
            await auth.revoke_user(connection.identity.user)
            went_on.append(connection.identity.user)
        return True

    router = SocketRouter(guards=[guard(expels)])
    router.on("x")(lambda: None)
    socket.include_router(router)
    async with SocketTestClient(app) as client:
        session = await auth.create_session("alice")
        alice = await client.connect("alice", session=session.session_id)
        bad = client.token("alice", session=session.session_id, scopes=["bad"])
        await alice.emit("authx:refresh", {"token": bad})
        closing = await alice.wait_closed()
        assert closing is not None
        assert closing.code == "token_revoked"
        await client.settle()
        assert went_on == ["alice"]
        assert await auth.list_sessions("alice") == []


async def test_sockets_do_not_wait_for_others_who_listen_nor_for_who_gives_up() -> None:
    app, auth = FastAPI(), login()
    asked = asyncio.Event()

    async def audit(_: Revocation) -> None:
        asked.set()
        await asyncio.Event().wait()

    auth.watch_revocations(audit)
    AuthXSocket(app, auth=auth, namespaces=["/"])
    async with SocketTestClient(app) as client:
        alice = await client.connect("alice")
        call = asyncio.ensure_future(auth.revoke_user("alice"))
        await asked.wait()
        call.cancel()
        assert await alice.wait_closed() is not None


async def test_a_login_forgets_the_sockets_that_are_gone() -> None:
    auth = login()
    sockets = [AuthXSocket(FastAPI(), auth=auth) for _ in range(3)]
    counts = [len(auth._listeners)]
    sockets.clear()
    gc.collect()
    assert [*counts, len(auth._listeners)] == [3, 0]
