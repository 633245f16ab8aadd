"""Tokens, sessions and users are ended, and everybody who has to know is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import (
    JWTDecodeError,
    LoginTypeMismatchError,
    RevokedTokenError,
    SessionRevoked,
    TokenInvalidSignatureError,
)
from authx.auth.facade import AuthX
from authx.auth.identity import Identity
from authx.auth.revocation import InMemoryRevocations, Revocation
from authx.auth.revoker import take_all
from authx.auth.sessions import InMemorySessionStore, SessionInfo
from tests.auth.asking import auth_of, bearer, request
from tests.auth.forge import CLAIMS, NOW, SECRET, Clock, b64, ec_pair, forge
from tests.support.settling import until

SLACK = 300
"""Seconds for which records are kept beyond what they end."""


@dataclass
class Records:
    """A store that shows what it was told, and that may be down."""

    down: bool = False
    kept: list[tuple[Revocation, float | None]] = field(default_factory=list)
    asked: list[list[Identity]] = field(default_factory=list)

    async def add(self, revocation: Revocation, *, until: float | None) -> None:
        if self.down:
            raise ConnectionError("revocations")
        self.kept.append((revocation, until))

    async def find(self, identities: Sequence[Identity]) -> list[bool]:
        if self.down:
            raise ConnectionError("revocations")
        self.asked.append(list(identities))
        return [any(known.covers(identity) for known, _ in self.kept) for identity in identities]


class BrokenSessions(InMemorySessionStore):
    """A store of sessions that is down."""

    async def delete(self, session_id: str) -> None:
        raise OSError("sessions")

    async def delete_all_by_user(self, uid: str) -> None:
        raise OSError("sessions")


def login(records: Records, clock: Clock | None = None, **settings: Any) -> AuthX[Any]:
    auth = auth_of(clock, **settings)
    auth.revocations = records
    return auth


async def refused(auth: AuthX[Any], token: str) -> bool:
    """Whether a verified token is not accepted any more."""
    try:
        await auth.check_revocation(token, auth.verifier.identity(token))
    except RevokedTokenError:
        return True
    return False


# --- what is written down ---------------------------------------------------------------------------------


def test_it_is_kept_in_the_process_by_default() -> None:
    """And otherwise where the app says."""
    records = Records()

    assert isinstance(auth_of().revocations, InMemoryRevocations)
    assert AuthX[Any](auth_of().config, revocations=records).revocations is records


@pytest.mark.parametrize("leeway", [0, 5])
async def test_a_token(leeway: int) -> None:
    """It is known by its id, until it would be over anyway; one that has no end, for ever."""
    records = Records()
    auth = login(records, JWT_DECODE_LEEWAY=leeway)
    await auth.revoke_token(forge(CLAIMS))
    await auth.revoke_token(forge({"sub": "ada", "jti": "j2"}))

    assert records.kept == [
        (Revocation(token_id="j1"), NOW + 900 + leeway + SLACK),
        (Revocation(token_id="j2"), None),
    ]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 1},
        {"iat": NOW + 60},
        {"nbf": NOW + 60},
        {"aud": "others"},
        {"aud": ["others"]},
        {"aud": ""},
        {"aud": []},
        {"iss": "others"},
        {"type": "refresh"},
    ],
)
async def test_a_token_that_would_not_do_now(claims: dict[str, Any]) -> None:
    """It may do later or elsewhere, or be the reason why a socket is still open."""
    records = Records()
    auth = login(records, JWT_DECODE_ISSUER="us")
    await auth.revoke_token(forge(CLAIMS | claims))

    assert [known.token_id for known, _ in records.kept] == ["j1"]


@pytest.mark.parametrize(
    ("token", "error"),
    [
        (forge(CLAIMS, secret="x" * 64), TokenInvalidSignatureError),
        ("junk", JWTDecodeError),
        ("", JWTDecodeError),
        (forge({"jti": "j"}), JWTDecodeError),
        (forge(CLAIMS | {"jti": 5}), JWTDecodeError),
        (forge(CLAIMS | {"exp": "soon"}), JWTDecodeError),
        (forge(CLAIMS | {"login_type": "user"}), LoginTypeMismatchError),
        (forge(CLAIMS | {"login_type": "admin", "jti": ""}), ValueError),
        (forge({"sub": "ada", "login_type": "admin"}), ValueError),
    ],
)
async def test_what_is_not_ours_to_end(token: str, error: type[Exception]) -> None:
    """Nothing is written down for what nobody could show, or cannot be known again."""
    records = Records()
    auth = login(records, login_type="admin")
    with pytest.raises(error):
        await auth.revoke_token(token)

    assert records.kept == []


async def test_a_token_by_the_previous_key() -> None:
    """During a key rotation both keys make tokens that can be ended."""
    records = Records()
    auth = login(records, JWT_SECRET_KEY="n" * 64, JWT_PREVIOUS_SECRET_KEY=SECRET)
    await auth.revoke_token(forge(CLAIMS))

    assert len(records.kept) == 1


LONGEST = 20 * 24 * 3600


@pytest.mark.parametrize(
    ("settings", "made", "lasts"),
    [
        ({}, [], LONGEST),
        ({"JWT_DECODE_LEEWAY": 7}, [], LONGEST + 7),
        ({"JWT_REFRESH_TOKEN_EXPIRES": 60}, [], 900),
        ({"JWT_ACCESS_TOKEN_EXPIRES": None}, [], None),
        ({"JWT_REFRESH_TOKEN_EXPIRES": None}, [], None),
        ({}, [timedelta(days=30), timedelta(days=1)], 30 * 24 * 3600),
        ({}, [datetime.fromtimestamp(NOW, UTC) + timedelta(days=50)], 50 * 24 * 3600),
        ({}, [timedelta(days=1)], LONGEST),
    ],
)
async def test_how_long_sessions_and_users_are_kept(
    settings: dict[str, Any], made: list[Any], lasts: float | None
) -> None:
    """Until the last token that was or could have been made by now is over."""
    records = Records()
    auth = login(records, **settings)
    for expiry in made:
        auth.create_access_token("ada", expiry=expiry)
    await auth.revoke_session("s")
    await auth.revoke_user("ada")
    await auth.revoke_user("ada", issued_before=NOW - 5)
    await auth.revoke_user("ada", issued_before=NOW + 100)
    until = None if lasts is None else NOW + lasts + SLACK

    assert records.kept == [
        (Revocation(session="s"), until),
        (Revocation(user="ada", issued_before=NOW), until),
        (Revocation(user="ada", issued_before=NOW - 5), until),
        # Until then, tokens are still made that are ended from the beginning.
        (Revocation(user="ada", issued_before=NOW + 100), None if until is None else until + 100),
    ]


async def test_settings_that_change() -> None:
    """Tokens that were made by other settings count for as long as they last."""
    records = Records()
    auth = login(records)
    auth.create_refresh_token("ada")
    auth.load_config(auth.config.model_copy(update={"JWT_REFRESH_TOKEN_EXPIRES": timedelta(seconds=60)}))
    await auth.revoke_session("s")

    assert [until for _, until in records.kept] == [NOW + LONGEST + SLACK]


async def test_a_clock_that_is_set_back_brings_nothing_back() -> None:
    """A token that was over is good again then, but for the record."""
    clock = Clock(NOW)
    auth = AuthX(AuthXConfig(JWT_SECRET_KEY=SECRET), clock=clock)
    token = auth.create_access_token("ada", expiry=timedelta(seconds=10))
    holder = auth.verifier.identity(token)
    await auth.revoke_token(token)
    clock.now = NOW + 12
    await auth.find_revoked([(token, holder)])
    clock.now = NOW + 9

    assert auth.verifier.identity(token) == holder
    assert await auth.find_revoked([(token, holder)]) == [True]


# --- what it reaches --------------------------------------------------------------------------------------


async def test_a_token_and_no_other() -> None:
    """A token that was ended is refused, and whoever holds another goes on."""
    auth = auth_of()
    ended, other = auth.create_access_token("ada"), auth.create_access_token("ada")
    await auth.revoke_token(ended)

    assert await refused(auth, ended)
    assert not await refused(auth, other)


async def test_a_session_whatever_is_tracked() -> None:
    """Its tokens end with it, without a session store, too."""
    auth = auth_of()
    session = await auth.create_session("ada")
    ended = auth.create_access_token("ada", session=session.session_id)
    other = auth.create_access_token("ada", session="other")
    await auth.revoke_session(session.session_id)

    assert await refused(auth, ended)
    assert not await refused(auth, other)


@pytest.mark.parametrize("how", ["revoke_user", "revoke_all_sessions"])
async def test_a_user(how: str) -> None:
    """All that a user holds, with a session or without; what is made a second later is good."""
    clock = Clock(NOW + 0.5)
    auth = auth_of(clock)
    held = [auth.create_access_token("ada"), auth.create_access_token("ada", session="s")]
    bobs = auth.create_access_token("bob")
    await getattr(auth, how)("ada")

    assert [await refused(auth, token) for token in held] == [True, True]
    assert not await refused(auth, bobs)
    assert await refused(auth, auth.create_access_token("ada"))
    clock.now = NOW + 1
    assert not await refused(auth, auth.create_access_token("ada"))


async def test_a_user_but_for_one_session() -> None:
    """A new password ends all logins but the one it was set in, whose tokens can be made at once."""
    auth = auth_of()
    held = auth.create_access_token("ada", session="here"), auth.create_access_token("ada", session="there")
    await auth.revoke_user("ada", except_session="here")

    assert [await refused(auth, token) for token in held] == [False, True]
    assert not await refused(auth, auth.create_access_token("ada", session="here"))
    # There it is said the other way round, and then nobody is left.
    await auth.revoke_user("ada", except_session="there")
    assert [await refused(auth, token) for token in held] == [True, True]


@pytest.mark.parametrize(
    "moment",
    [
        NOW + 10,
        NOW + 10.0,
        datetime.fromtimestamp(NOW + 10, UTC),
        datetime.fromtimestamp(NOW + 10, timezone(timedelta(hours=5))),
    ],
)
async def test_a_moment(moment: Any) -> None:
    """Unix seconds, or a point in time with its zone; it may lie ahead."""
    clock = Clock()
    auth = auth_of(clock)
    await auth.revoke_user("ada", issued_before=moment)

    clock.now = NOW + 10
    assert await refused(auth, auth.create_access_token("ada"))
    clock.now = NOW + 11
    assert not await refused(auth, auth.create_access_token("ada"))


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), float("nan"), float("inf")])  # noqa: DTZ001
async def test_what_is_no_moment(moment: Any) -> None:
    """A point in time without a zone is another one on each machine."""
    records = Records()
    auth = login(records)
    with pytest.raises(ValueError, match="issued_before"):
        await auth.revoke_user("ada", issued_before=moment)

    assert records.kept == []


async def test_the_other_signature_of_a_token() -> None:
    """Anybody can make a second good signature out of an ECDSA signature; the id is the same."""
    pair = ec_pair()
    auth = auth_of(JWT_ALGORITHM="ES256", JWT_PRIVATE_KEY=pair.private, JWT_PUBLIC_KEY=pair.public)
    token = auth.create_access_token("ada")
    twin = twin_of(token)
    assert twin != token
    assert auth.verifier.identity(twin) == auth.verifier.identity(token)
    await auth.access_token_required(request(headers=bearer(twin)))

    await auth.revoke_token(token)
    assert await refused(auth, twin)
    with pytest.raises(RevokedTokenError):
        await auth.access_token_required(request(headers=bearer(twin)))


def twin_of(token: str) -> str:
    """The same token with the other signature that holds: (r, n - s) for (r, s)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    body, _, signature = token.rpartition(".")
    octets = _unb64(signature)
    r, s = int.from_bytes(octets[:32]), int.from_bytes(octets[32:])
    assert decode_dss_signature(encode_dss_signature(r, order - s)) == (r, order - s)
    return f"{body}.{b64(r.to_bytes(32) + (order - s).to_bytes(32))}"


def _unb64(text: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


# --- the session store ------------------------------------------------------------------------------------


async def test_the_session_store() -> None:
    """Sessions that are ended are dropped from it, as ever."""
    auth = auth_of()
    auth.set_session_store(InMemorySessionStore())
    first, second, third = [await auth.create_session("ada") for _ in range(3)]
    await auth.create_session("bob")

    await auth.revoke_session(first.session_id)
    assert await auth.list_sessions("ada") == [second, third]
    await auth.revoke_user("ada", except_session=third.session_id)
    assert await auth.list_sessions("ada") == [third]
    await auth.revoke_all_sessions("ada")
    assert await auth.list_sessions("ada") == []
    assert len(await auth.list_sessions("bob")) == 1


async def test_sessions_begun_later() -> None:
    """Whose tokens up to a moment are ended keeps the sessions begun after it."""
    auth = auth_of(Clock(NOW + 100))
    store = InMemorySessionStore()
    auth.set_session_store(store)
    for name, begun in (("before", 0), ("then", 50), ("later", 51), ("here", 0)):
        await store.create(
            SessionInfo(session_id=name, uid="ada", created_at=datetime.fromtimestamp(NOW + begun, UTC))
        )
    await auth.revoke_user("ada", issued_before=NOW + 50, except_session="here")

    assert [session.session_id for session in await auth.list_sessions("ada")] == ["later", "here"]


# --- failures, and who hears of it ------------------------------------------------------------------------


async def test_who_watches_hears_of_it_once_it_is_on_record() -> None:
    """Whoever ends something waits until everybody who watches has heard of it, in their order."""
    records = Records()
    auth = login(records)
    heard: list[tuple[str, Revocation]] = []

    async def slow(revocation: Revocation) -> None:
        assert records.kept[-1][0] == revocation
        await asyncio.sleep(0)
        heard.append(("slow", revocation))

    async def quick(revocation: Revocation) -> None:
        heard.append(("quick", revocation))

    auth.watch_revocations(slow)
    auth.watch_revocations(quick)
    await auth.revoke_token(forge(CLAIMS))
    await auth.revoke_session("s")
    await auth.revoke_user("ada", except_session="s")

    assert heard == [(name, revocation) for revocation, _ in records.kept for name in ("quick", "slow")]
    assert auth_of()._listeners == ()


async def test_who_watches_may_stop() -> None:
    auth = auth_of()
    heard: list[str] = []

    async def first(_: Revocation) -> None:
        heard.append("first")

    async def second(_: Revocation) -> None:
        heard.append("second")

    stop = auth.watch_revocations(first)
    auth.watch_revocations(second)
    stop()
    stop()
    await auth.revoke_session("s")

    assert heard == ["second"]


@pytest.mark.parametrize("how", ["revoke_token", "revoke_session", "revoke_user"])
async def test_ending_goes_on_though_its_caller_does_not(how: str) -> None:
    """Who is cancelled may be what is ended: the listeners hear of it, and the sessions are dropped."""
    auth = auth_of()
    auth.set_session_store(InMemorySessionStore())
    session = await auth.create_session("ada")
    listening, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def listener(_: Revocation) -> None:
        listening.set()
        await go_on.wait()
        done.set()

    auth.watch_revocations(listener)
    what = {"revoke_token": auth.create_access_token("ada"), "revoke_session": session.session_id}
    call = asyncio.ensure_future(getattr(auth, how)(what.get(how, "ada")))
    await listening.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go_on.set()
    async with asyncio.timeout(2):
        await done.wait()
    assert (await auth.list_sessions("ada") == []) == (how != "revoke_token")


async def test_what_fails_when_nobody_waits_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    auth = auth_of()
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Records):
        async def add(self, revocation: Revocation, *, until: float | None) -> None:
            asked.set()
            await go_on.wait()
            raise ConnectionError("revocations")

    auth.revocations = Slow()
    call = asyncio.ensure_future(auth.revoke_user("ada"))
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go_on.set()
    await until(lambda: "nobody waits for it" in caplog.text)
    assert "ConnectionError" in caplog.text


async def test_who_fails_to_hear(caplog: pytest.LogCaptureFixture) -> None:
    """The record stands, the others hear of it, and whoever ended it is not bothered."""
    auth = auth_of()
    token = auth.create_access_token("ada")
    heard: list[Revocation] = []

    async def broken(_: Revocation) -> None:
        raise RuntimeError("deaf")

    async def other(revocation: Revocation) -> None:
        heard.append(revocation)

    auth.watch_revocations(broken)
    auth.watch_revocations(other)
    with caplog.at_level(logging.ERROR, "authx.auth.revoker"):
        await auth.revoke_token(token)

    assert await refused(auth, token)
    assert len(heard) == 1
    assert "deaf" in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize("how", ["revoke_token", "revoke_session", "revoke_user", "revoke_all_sessions"])
async def test_a_record_that_cannot_be_made(how: str) -> None:
    """It is raised, and nobody is told that something ended."""
    auth = login(Records(down=True))
    auth.set_session_store(InMemorySessionStore())
    heard: list[Revocation] = []

    async def listener(revocation: Revocation) -> None:
        heard.append(revocation)

    auth.watch_revocations(listener)
    session = await auth.create_session("ada")
    what = {"revoke_token": forge(CLAIMS), "revoke_session": session.session_id}.get(how, "ada")
    with pytest.raises(ConnectionError):
        await getattr(auth, how)(what)

    assert heard == []
    # The session store did its part all the same.
    assert (await auth.list_sessions("ada") == []) == (how != "revoke_token")


@pytest.mark.parametrize("how", ["revoke_session", "revoke_user"])
async def test_a_session_store_that_is_down(how: str) -> None:
    """The record is made and everybody hears of it; then it is raised. Two failures are both told."""
    records = Records()
    auth = login(records)
    auth.set_session_store(BrokenSessions())
    heard: list[Revocation] = []

    async def listener(revocation: Revocation) -> None:
        heard.append(revocation)

    auth.watch_revocations(listener)
    with pytest.raises(OSError, match="sessions"):
        await getattr(auth, how)("x")
    assert [known for known, _ in records.kept] == heard
    assert len(heard) == 1

    records.down = True
    with pytest.raises(ExceptionGroup) as caught:
        await getattr(auth, how)("x")
    assert [str(error) for error in caught.value.exceptions] == ["revocations", "sessions"]


async def test_take_all() -> None:
    """Nothing to do is done."""
    await take_all()


# --- asking -----------------------------------------------------------------------------------------------


async def test_the_order_of_the_questions() -> None:
    """The app's own blocklist first, then the revocations, then the session store."""
    auth = auth_of(JWT_SESSION_TRACKING=True)
    auth.set_session_store(InMemorySessionStore())
    token = auth.create_access_token("ada", session="never begun")
    holder = auth.verifier.identity(token)
    with pytest.raises(SessionRevoked):
        await auth.check_revocation(token, holder)

    await auth.revoke_token(token)
    with pytest.raises(RevokedTokenError):
        await auth.check_revocation(token, holder)
    auth.revocations = Records(down=True)
    with pytest.raises(ConnectionError):
        await auth.check_revocation(token, holder)
    auth.set_token_blocklist(lambda raw: raw == token)
    with pytest.raises(RevokedTokenError):
        await auth.check_revocation(token, holder)


async def test_whose_refusal_it_is() -> None:
    """The exception says of which login."""
    auth = auth_of(login_type="admin")
    token = auth.create_access_token("ada")
    await auth.revoke_token(token)
    with pytest.raises(RevokedTokenError) as caught:
        await auth.check_revocation(token, auth.verifier.identity(token))

    assert caught.value.login_type == "admin"


async def test_many_at_once() -> None:
    """The revocations are asked once for all; the blocklist and the sessions about those that are left."""
    records = Records()
    auth = login(records, JWT_SESSION_TRACKING=True)
    store = InMemorySessionStore()
    auth.set_session_store(store)
    sessions = [await auth.create_session("ada") for _ in range(100)]
    tokens = [auth.create_access_token("ada", session=session.session_id) for session in sessions]
    holders = [(token, auth.verifier.identity(token)) for token in tokens]
    active = [session.last_active for session in sessions]
    asked: list[str] = []

    @auth.set_token_blocklist
    async def blocklist(token: str) -> bool:
        asked.append(token)
        return token == tokens[70]

    await auth.revoke_token(tokens[3])
    await store.delete(sessions[50].session_id)
    found = await auth.find_revoked(holders)

    assert [index for index, ended in enumerate(found) if ended] == [3, 50, 70]
    assert len(found) == 100
    assert [len(identities) for identities in records.asked] == [100]
    assert sorted(asked) == sorted(token for token in tokens if token != tokens[3])
    assert [session.last_active for session in sessions] == active
    assert await auth.find_revoked([]) == []


async def test_not_too_many_questions_at_once() -> None:
    """A blocklist in a database is not asked by everybody in the same moment."""
    auth = auth_of()
    running = most = 0

    @auth.set_token_blocklist
    async def blocklist(token: str) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return False

    token = auth.create_access_token("ada")
    await auth.find_revoked([(token, auth.verifier.identity(token))] * 100)

    assert 1 < most <= 32


@pytest.mark.parametrize("part", ["revocations", "blocklist", "sessions"])
async def test_who_cannot_answer_is_heard(part: str) -> None:
    """Nobody takes silence for a no."""
    records = Records(down=part == "revocations")
    auth = login(records, JWT_SESSION_TRACKING=True)

    class Down(InMemorySessionStore):
        async def get(self, session_id: str) -> SessionInfo | None:
            raise ConnectionError("sessions")

    def blocklist(token: str) -> bool:
        raise ConnectionError("blocklist")

    if part == "sessions":
        auth.set_session_store(Down())
    elif part == "blocklist":
        auth.set_token_blocklist(blocklist)
    token = auth.create_access_token("ada", session="s")
    holder = auth.verifier.identity(token)

    failures: list[BaseException] = []
    if part == "revocations":
        with pytest.raises(ConnectionError, match=part):
            await auth.find_revoked([(token, holder)])
    else:
        assert await auth.find_revoked([(token, holder)]) == [None]
        assert await auth.find_revoked([(token, holder)] * 2, failed=failures.append) == [None, None]
        assert [str(failure) for failure in failures] == [part, part]
    with pytest.raises(ConnectionError, match=part):
        await auth.check_revocation(token, holder)


@pytest.mark.parametrize("answer", ["raised", "cancelled", "lost"])
async def test_one_answer_that_is_lost_takes_nothing_from_the_others(answer: str) -> None:
    """Neither from what the revocations know, nor from what the blocklist says of others."""
    records = Records()
    auth = login(records)
    tokens = [auth.create_access_token("ada") for _ in range(50)]
    await auth.revoke_token(tokens[49])
    failures: list[BaseException] = []

    @auth.set_token_blocklist
    async def blocklist(token: str) -> bool:
        if token == tokens[0]:
            if answer == "lost":
                await asyncio.Event().wait()
            raise asyncio.CancelledError if answer == "cancelled" else RuntimeError("poison")
        return token == tokens[40]

    holders = [(token, auth.verifier.identity(token)) for token in tokens]
    found = await auth.find_revoked(holders, within=0.05, failed=failures.append)

    assert found[0] is None
    assert [index for index, ended in enumerate(found) if ended] == [40, 49]
    assert found.count(False) == 47
    assert [type(failure) for failure in failures] == [
        {"raised": RuntimeError, "cancelled": asyncio.CancelledError, "lost": TimeoutError}[answer]
    ]


async def test_revocations_that_do_not_answer_are_not_waited_for() -> None:
    class Lost(Records):
        async def find(self, identities: Sequence[Identity]) -> list[bool]:
            await asyncio.Event().wait()
            raise AssertionError

    auth = login(Lost())
    with pytest.raises(TimeoutError):
        await auth.find_revoked([], within=0.01)


async def test_who_stops_asking_leaves_no_question_behind() -> None:
    auth = auth_of()
    asked, ended = asyncio.Event(), asyncio.Event()

    @auth.set_token_blocklist
    async def blocklist(token: str) -> bool:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return False

    token = auth.create_access_token("ada")
    call = asyncio.ensure_future(auth.find_revoked([(token, auth.verifier.identity(token))]))
    await asked.wait()
    call.cancel()
    async with asyncio.timeout(2):
        await ended.wait()


# --- clocks that differ -----------------------------------------------------------------------------------


@pytest.mark.parametrize("made_by", ["us", "others"])
async def test_a_clock_that_was_set_back(made_by: str) -> None:
    """What was made before now is ended, whatever our clock says of it; what somebody names, is not moved."""
    clock, records = Clock(), Records()
    auth = login(records, clock, JWT_DECODE_LEEWAY=10)
    if made_by == "us":
        token = auth.create_access_token("ada")
    else:
        token = forge(CLAIMS | {"iat": NOW})
        auth.verifier.identity(token)
    clock.now = NOW - 3
    await auth.revoke_user("ada")
    assert await refused(auth, token)

    records.kept.clear()
    await auth.revoke_user("ada", issued_before=NOW - 3)
    assert not await refused(auth, token)


async def test_a_moment_that_nobody_has_come_to() -> None:
    """Neither a token that is not good yet nor a date that an app writes moves the end of a user."""
    clock, records = Clock(), Records()
    auth = login(records, clock)
    auth.create_access_token("ada", data={"iat": NOW + 10**6})
    with pytest.raises(JWTDecodeError):
        auth.verifier.identity(forge(CLAIMS | {"iat": NOW + 10**6}))
    await auth.revoke_user("ada")

    assert records.kept[0][0].issued_before == NOW


async def test_a_blocklist_that_blocks() -> None:
    """It is called where the one who asks wants it, whoever asks, and here if they do not say."""
    auth = auth_of()
    called: list[str] = []

    async def elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
        called.append("elsewhere")
        return function(*arguments)

    auth.set_token_blocklist(lambda token: False)
    token = auth.create_access_token("ada")
    holder = auth.verifier.identity(token)
    await auth.check_revocation(token, holder)
    assert called == []
    await auth.check_revocation(token, holder, run_sync=elsewhere)
    assert called == ["elsewhere"]
    await auth.find_revoked([(token, holder)] * 2, run_sync=elsewhere)
    assert called == ["elsewhere"] * 3


async def test_a_question_that_an_app_overrides() -> None:
    """It is asked as it always was, where nobody says where to call a function."""

    class Own(AuthX[Any]):
        async def is_token_in_blocklist(self, token: str | None) -> bool:  # type: ignore[override]
            return True

    auth = Own(auth_of().config, clock=Clock())
    token = auth.create_access_token("ada")

    assert await refused(auth, token)
    assert await auth.find_revoked([(token, auth.verifier.identity(token))]) == [True]
    with pytest.raises(RevokedTokenError):
        await auth.access_token_required(request(headers=bearer(token)))
