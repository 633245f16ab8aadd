"""Promises 5 and 6: whatever happens in whatever order, a socket is only ever as valid as its login.

Hypothesis makes up histories: people connect, refresh, lose their logins and their rights, the clock moves,
the app and the clients send. After each step everything is compared with a model (``model.py``): who is
connected, who is in which room, who received what, which handler ran, what everybody was told at the end.

Timers are late in every history: when the clock has moved, none of them runs before the next step.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.auth.revocation import Revocation
from authx.socket import Connection, Denial, Refusal, SocketRouter, require_role, require_scope
from authx.socket.testing import ManualClock, SocketTestClient
from tests.promises.model import GRACE, WARNING, Client, Model, Token
from tests.support.logins import KEY
from tests.support.tables import filled

T = TypeVar("T")

START = 1_800_000_000
USERS = ("alice", "bob")
ROOMS = ("hall", "attic")
SCOPES = ("read", "write")
ROLES = ("admin", "member")
NAMESPACES = ("/", "/admin")
MOST_AT_ONCE = 6

users = st.sampled_from(USERS)
rooms = st.sampled_from(ROOMS)
namespaces = st.sampled_from(NAMESPACES)
scopes = st.frozensets(st.sampled_from(SCOPES))
roles = st.frozensets(st.sampled_from(ROLES))
named = st.sampled_from("1234")
sessions = st.none() | named
"""Of each user."""
lifetimes = st.sampled_from((10, 30, 2000, None))
anyone = st.integers(0, 999)
"""Which one of those that there are."""
late = st.sampled_from((0, 0, 5, 15, 35, 110))
"""Seconds that have passed without any timer, when something is sent."""

RUNS_IN_CI = bool(os.environ.get("CI"))
EXAMPLES = 270 if RUNS_IN_CI else 40
STEPS = 50
steps: Counter[str] = Counter()
cases: Counter[str] = Counter()
"""What has come up that must not stay away, or the rest would prove little."""

CASES = (
    *(
        f"a connect: {code}"
        for code in (None, "invalid_token", "token_expired", "token_revoked", "insufficient_role")
    ),
    *(f"a refresh: {code}" for code in (None, "invalid_token", "token_expired", "token_revoked", "over")),
    *(f"{what} while somebody is over" for what in ("an emit", "an event", "a refresh", "an update")),
    "the sweep finds somebody",
    "a warning",
)


class Login:
    """The app under test, and what its handlers saw."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        config = AuthXConfig(
            JWT_SECRET_KEY=KEY, JWT_TOKEN_LOCATION=["headers"], JWT_ACCESS_TOKEN_EXPIRES=None
        )
        self.auth = AuthX(config, clock=self.clock)
        self.app = FastAPI()
        self.socket = AuthXSocket(
            self.app,
            auth=self.auth,
            grace=GRACE,
            expiring_before=WARNING,
            connect_timeout=600.0,
            max_failures_per_address=None,
        )
        self.handled: list[tuple[str, str]] = []
        self.refreshed: list[str] = []
        for namespace, guards in (("/", []), ("/admin", [require_role("admin")])):
            router = SocketRouter(namespace=namespace, guards=guards)
            router.on("write", require_scope("write")(self._handler("write")))
            router.on("rule", require_role("admin")(self._handler("rule")))
            router.on("join", self._join)
            router.on("leave", self._leave)
            self.socket.include_router(router)
            self.socket.on_refresh(namespace=namespace)(self._refreshed)

    def _handler(self, event: str) -> Any:
        async def handle(number: int, room: str, here: Connection) -> int:
            self.handled.append((here.sid, event))
            audience = self.socket.to_room(room).in_namespace(here.namespace)
            return (await audience.emit("said", number)).devices

        return handle

    async def _join(self, room: str, here: Connection) -> None:
        self.handled.append((here.sid, "join"))
        await self.socket.enter_room(here.sid, room, here.namespace)

    async def _leave(self, room: str, here: Connection) -> None:
        self.handled.append((here.sid, "leave"))
        await self.socket.leave_room(here.sid, room, here.namespace)

    async def _refreshed(self, here: Connection) -> None:
        self.refreshed.append(here.sid)


class History(RuleBasedStateMachine):
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(START)
        self.numbers = 0
        self.login = Login()
        self.client = SocketTestClient(self.login.app, timeout=5.0)
        self.run(self.client.__aenter__())

    @initialize(data=st.data())
    def some_are_there(self, data: st.DataObject) -> None:
        for _ in range(3):
            who, what = data.draw(st.tuples(users, sessions)), data.draw(st.tuples(scopes, roles))
            self.connect(self.token(*who, *what, data.draw(lifetimes)), "/", 0)

    def teardown(self) -> None:
        self.run(self.client.__aexit__(None, None, None))
        assert filled(self.login.socket) == {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # --- the clock ------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((1, 2, 4, 8, 15, 30, 300, -1, -3, -30)))
    def the_clock_moves(self, seconds: int) -> None:
        steps["clock"] += 1
        self.move_clock(seconds)
        # No turn for any timer: whoever is over now is still there when the next step begins.
        self.check_tables()

    def move_clock(self, seconds: int) -> None:
        self.obey_clock()
        self.login.clock.advance(seconds)
        self.model.now += seconds

    def be_late(self, seconds: int, what: str) -> None:
        """Let time pass that nobody has looked at when the next thing is done."""
        self.move_clock(seconds)
        if self.model.obey_clock():
            cases[f"{what} while somebody is over"] += 1

    def obey_clock(self) -> None:
        async def look() -> None:
            self.login.socket.sio.obey_clock()
            await self.client.settle()

        self.run(look())
        self.model.obey_clock()

    # --- coming and going -----------------------------------------------------------------------------

    def token(
        self,
        user: str,
        session: str | None,
        scopes: frozenset[str],
        roles: frozenset[str],
        lifetime: int | None,
    ) -> Token:
        number = len(self.model.tokens)
        session = None if session is None else f"{user}-{session}"
        raw = self.client.token(
            user,
            session=session,
            scopes=sorted(scopes),
            roles=sorted(roles),
            expires_in=lifetime,
            claims={"jti": f"token {number}"},
        )
        now = self.model.now
        expires_at = None if lifetime is None else now + lifetime
        token = Token(raw, f"token {number}", user, session, scopes, roles, now, expires_at)
        self.model.tokens.append(token)
        return token

    @precondition(lambda self: len(self.model.live) < MOST_AT_ONCE)
    @rule(
        user=users,
        session=sessions,
        scopes=scopes,
        roles=roles,
        lifetime=lifetimes,
        namespace=namespaces,
        on=anyone,
    )
    def somebody_logs_in_and_connects(
        self,
        user: str,
        session: str | None,
        scopes: frozenset[str],
        roles: frozenset[str],
        lifetime: int | None,
        namespace: str,
        on: int,
    ) -> None:
        self.connect(self.token(user, session, scopes, roles, lifetime), namespace, on)

    @precondition(lambda self: len(self.model.live) < MOST_AT_ONCE)
    @rule(which=anyone, namespace=namespaces, on=anyone)
    def somebody_connects_with_a_token_of_before(self, which: int, namespace: str, on: int) -> None:
        self.connect(self.model.tokens[which % len(self.model.tokens)], namespace, on)

    def connect(self, token: Token, namespace: str, on: int) -> None:
        """Over one of the transports that are open and not yet in the namespace, or over a new one."""
        self.obey_clock()
        taken = {client.transport for client in self.model.live if client.namespace == namespace}
        free = [client for client in self.model.live if client.transport not in taken]
        expected = self.model.objection(token)
        if expected is None and namespace == "/admin" and "admin" not in token.roles:
            expected = "insufficient_role"
        if free and on % 2:
            beside = free[on % len(free)].device
            work = beside.connect(namespace, auth={"token": token.raw})
        else:
            work = self.client.connect(token=token.raw, namespace=namespace)
        cases[f"a connect: {expected}"] += 1
        if expected is not None:
            with pytest.raises(Refusal, match=expected):
                self.run(work)
        else:
            device = self.run(work)
            told = sorted(token.scopes), sorted(token.roles)
            found = Client(token, namespace, device.transport, device, token.scopes, token.roles, told)
            self.model.clients.append(found)
            self.model.time(found)
            assert device.session["user"] == token.user
            assert device.session["expires_at"] == token.expires_at
            assert device.session["ttl"] == self.model.ttl(found)
        self.check("connect")

    def one(self, which: int) -> Client:
        return self.model.live[which % len(self.model.live)]

    @precondition(lambda self: self.model.live)
    @rule(which=anyone, altogether=st.booleans())
    def somebody_leaves(self, which: int, altogether: bool) -> None:
        """A namespace, or with all that is on the transport."""
        self.obey_clock()
        if self.model.live:
            client = self.one(which)
            leaving = [one for one in self.model.live if one.transport is client.transport]
            self.run(client.device.hang_up() if altogether else client.device.disconnect())
            for one in leaving if altogether else [client]:
                self.model.end(one, None)
        self.check("hang up" if altogether else "leave")

    # --- newer tokens and other rights -----------------------------------------------------------------

    @precondition(lambda self: self.model.live)
    @rule(
        which=anyone,
        session=sessions,
        scopes=scopes,
        roles=roles,
        lifetime=lifetimes,
        other=st.sampled_from((False, False, True)),
        late=late,
    )
    def somebody_refreshes(
        self,
        which: int,
        session: str | None,
        scopes: frozenset[str],
        roles: frozenset[str],
        lifetime: int | None,
        other: bool,
        late: int,
    ) -> None:
        client = self.one(which)
        user = next(user for user in USERS if user != client.user) if other else client.user
        self.refresh(client, self.token(user, session, scopes, roles, lifetime), late)

    @precondition(lambda self: self.model.live)
    @rule(which=anyone, token=anyone, late=late)
    def somebody_refreshes_with_a_token_of_before(self, which: int, token: int, late: int) -> None:
        self.refresh(self.one(which), self.model.tokens[token % len(self.model.tokens)], late)

    def refresh(self, client: Client, token: Token, late: int) -> None:
        self.be_late(late, "a refresh")
        expected = self.model.refresh(client, token) if client.live else "over"
        shown = {"token": token.raw}
        if not client.live:
            with pytest.raises(ConnectionError):
                self.run(client.device.call("authx:refresh", shown))
        elif expected is None:
            assert self.run(client.device.call("authx:refresh", shown)) == {
                "expires_at": client.token.expires_at,
                "ttl": self.model.ttl(client),
                "scopes": sorted(client.scopes),
                "roles": sorted(client.roles),
            }
        else:
            assert self.run(client.device.expect_denied("authx:refresh", shown)).code == expected
        cases[f"a refresh: {expected}"] += 1
        self.check("refresh")

    @rule(user=users, scopes=st.none() | scopes, roles=st.none() | roles, late=late)
    def the_app_changes_rights(
        self, user: str, scopes: frozenset[str] | None, roles: frozenset[str] | None, late: int
    ) -> None:
        self.be_late(late, "an update")
        changed = self.model.update_user(user, scopes, roles)
        assert self.run(self.login.socket.update_user(user, scopes=scopes, roles=roles)) == changed
        self.check("update")

    # --- revocation -----------------------------------------------------------------------------------

    def somebodys_token(self, which: int) -> Token:
        """Of one who is connected, or was once, or was refused."""
        live, known = self.model.live, self.model.tokens
        return self.one(which).token if which % 2 and live else known[which % len(known)]

    @rule(which=anyone, all_of_the_session=st.booleans())
    def a_token_or_its_session_is_revoked(self, which: int, all_of_the_session: bool) -> None:
        self.obey_clock()
        token = self.somebodys_token(which)
        if all_of_the_session and token.session is not None:
            self.run(self.login.auth.revoke_session(token.session))
            covers = self.model.revoke_session(token.session)
        else:
            self.run(self.login.auth.revoke_token(token.raw))
            covers = self.model.revoke_token(token)
        self.model.end_covered(covers)
        self.check("revoke")

    @rule(which=anyone, ago=st.sampled_from((None, 0, 3, 10, 30, -5)), spares=sessions)
    def a_user_is_revoked(self, which: int, ago: int | None, spares: str | None) -> None:
        """Everything, or all but one session."""
        self.obey_clock()
        user = self.somebodys_token(which).user
        spared = None if spares is None else f"{user}-{spares}"
        before = None if ago is None else self.model.now - ago
        self.run(self.login.auth.revoke_user(user, issued_before=before, except_session=spared))
        # Without a moment it is all that was ever made, also before the clock was set back.
        made = max((token.issued_at for token in self.model.tokens), default=self.model.now)
        moment = max(self.model.now, made) if before is None else before
        self.model.end_covered(self.model.revoke_user(user, moment, spared))
        self.check("revoke user")

    @rule(which=anyone)
    def a_token_is_revoked_and_nobody_told(self, which: int) -> None:
        """As when a message between nodes is lost; the sweep finds it."""
        self.obey_clock()
        token = self.somebodys_token(which)
        self.run(self.login.auth.revocations.add(Revocation(token_id=token.id), until=None))
        self.model.revoke_token(token)
        self.check("revoke unheard")

    @precondition(lambda self: self.model.live)
    @rule()
    def the_node_sweeps(self) -> None:
        self.obey_clock()
        sweep = self.login.socket.sio._sweep
        assert sweep is not None
        self.run(sweep._pass())
        cases["the sweep finds somebody"] += any(
            map(self.model.is_revoked, (one.token for one in self.model.live))
        )
        self.model.end_covered(self.model.is_revoked)
        self.check("sweep")

    # --- sending --------------------------------------------------------------------------------------

    @rule(
        to=st.one_of(
            st.tuples(st.just("user"), users),
            st.tuples(st.just("role"), st.sampled_from(ROLES)),
            st.tuples(st.just("session"), st.tuples(users, named).map("-".join)),
            st.tuples(st.just("room"), rooms),
            st.just(("everyone", "")),
        ),
        namespace=namespaces,
        less=st.none() | users,
        late=late,
    )
    def the_app_emits(self, to: tuple[str, str], namespace: str, less: str | None, late: int) -> None:
        kind, name = to
        self.numbers += 1
        self.be_late(late, "an emit")
        room = {"room": name, "everyone": None}.get(kind, f"authx:{kind}:{name}")
        audience = (
            self.login.socket.everyone()
            if kind == "everyone"
            else getattr(self.login.socket, f"to_{kind}")(name)
        )
        audience = audience.in_namespace(namespace)
        if less is not None:
            audience = audience.except_user(less)
        receivers = [client for client in self.model.members(namespace, room) if client.user != less]
        for client in receivers:
            client.heard.append(("news", (self.numbers,)))
        delivery = self.run(audience.emit("news", self.numbers))
        assert delivery.devices == len({client.transport for client in receivers})
        self.check(f"emit to {kind}")

    @precondition(lambda self: self.model.live)
    @rule(which=anyone, event=st.sampled_from(("write", "rule")), room=rooms, late=late)
    def a_client_sends_what_is_guarded(self, which: int, event: str, room: str, late: int) -> None:
        client = self.one(which)
        self.numbers += 1
        self.be_late(late, "an event")
        may = "write" in client.scopes if event == "write" else "admin" in client.roles
        work = client.device.call(event, self.numbers, room)
        if not client.live:
            with pytest.raises(ConnectionError):
                self.run(work)
        elif may:
            self.model.handled.append((client.device.sid, event))
            receivers = self.model.members(client.namespace, room)
            for receiver in receivers:
                receiver.heard.append(("said", (self.numbers,)))
            assert self.run(work) == len({receiver.transport for receiver in receivers})
        else:
            with pytest.raises(Denial) as caught:
                self.run(work)
            assert caught.value.code == ("insufficient_scope" if event == "write" else "insufficient_role")
        self.check(f"event {event}")

    @precondition(lambda self: self.model.live)
    @rule(which=anyone, room=rooms, enters=st.sampled_from((True, True, False)))
    def a_client_enters_or_leaves_a_room(self, which: int, room: str, enters: bool) -> None:
        client = self.one(which)
        event = "join" if enters else "leave"
        self.obey_clock()
        if client.live:
            self.run(client.device.call(event, room))
            self.model.handled.append((client.device.sid, event))
            (client.rooms.add if enters else client.rooms.discard)(room)
        self.check(f"event {event}")

    # --- comparing ------------------------------------------------------------------------------------

    def check(self, step: str) -> None:
        steps[step] += 1
        self.run(self.check_told())
        self.check_tables()

    def check_tables(self) -> None:
        """Who is connected, and who is in which room."""
        server = self.login.socket.sio
        live = self.model.live
        assert {one.sid for one in server.registry} == {client.device.sid for client in live}
        expected: dict[Any, dict[Any, set[str]]] = {}
        for client in live:
            # A sid is a room without being kept as one.
            for room in client.all_rooms - {client.device.sid}:
                expected.setdefault(client.namespace, {}).setdefault(room, set()).add(client.device.sid)
        found = {
            namespace: {room: set(members) for room, members in of_namespace.items()}
            for namespace, of_namespace in server.manager.rooms.items()
        }
        assert found == expected
        for connection in server.registry:
            [client] = [client for client in live if client.device.sid == connection.sid]
            identity = connection.identity
            assert identity is not None
            assert (identity.user, identity.scopes, identity.roles, identity.session, identity.token_id) == (
                client.user,
                client.scopes,
                client.roles,
                client.token.session,
                client.token.id,
            )

    async def check_told(self) -> None:
        """What everybody has received, and what the app has heard."""
        await self.client.settle()
        for transport in {client.transport for client in self.model.clients}:
            await transport.round_trip()
        assert self.login.handled == self.model.handled
        assert self.login.refreshed == self.model.refreshed
        for client in self.model.clients:
            inbox = client.device._inbox
            received = [(event.name, event.args) for event in inbox.events]
            assert [event for event in received if event[0] != "authx:expiring"] == client.heard
            warnings = [args[0]["ttl"] for name, args in received if name == "authx:expiring"]
            if not client.may_have_missed_the_last or len(warnings) == len(client.warnings):
                assert warnings == client.warnings
            else:
                assert warnings == client.warnings[:-1]
            cases["a warning"] += len(warnings)
            assert inbox.ended is not client.live
            said = inbox.closing
            assert (None if said is None else (said.code, said.retry)) == client.closing
            assert (client.device.session["scopes"], client.device.session["roles"]) == client.told


@pytest.mark.timeout(300)
def test_a_socket_is_only_ever_as_valid_as_its_login(capsys: pytest.CaptureFixture[str]) -> None:
    steps.clear()
    cases.clear()
    with asyncio.Runner() as runner:
        History.runner = runner
        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                derandomize=True,
                # Not the one that explains, which traces every line there is.
                phases=(Phase.generate, Phase.shrink),
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    with capsys.disabled():
        # For who reads the log of CI.
        print(f"\n{steps.total()} steps: {dict(steps.most_common())}; {dict(cases.most_common())}")  # noqa: T201
    if RUNS_IN_CI:
        assert steps.total() >= 10_000
        assert [case for case in CASES if not cases[case]] == []
