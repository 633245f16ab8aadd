"""What was ended is kept for as long as it matters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authx.auth.identity import Identity
from authx.auth.revocation import InMemoryRevocations, Revocation, Revocations, holder_of
from authx.auth.schema import TokenPayload
from tests.auth.forge import NOW, Clock


def user(until: float = NOW, except_session: str | None = None, name: str = "ada") -> Revocation:
    """The revocation of a user's tokens made until a moment."""
    return Revocation(user=name, issued_before=until, except_session=except_session)


# --- one revocation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"token_id": "t", "session": "s"},
        {"session": "s", "user": "ada", "issued_before": NOW},
        {"user": "ada"},
        {"user": "ada", "issued_before": math.nan},
        {"user": "ada", "issued_before": math.inf},
        {"token_id": "t", "issued_before": NOW},
        {"session": "s", "except_session": "s"},
    ],
)
def test_what_is_no_revocation(what: dict[str, Any]) -> None:
    """One thing is ended at a time, and of a user it is known which tokens."""
    with pytest.raises(ValueError, match=r"revocation|issued_before"):
        Revocation(**what)


@pytest.mark.parametrize("name", ["token_id", "session", "user"])
def test_names_are_strings(name: str) -> None:
    """A number would be kept, and would never be the string in a token."""
    with pytest.raises(TypeError):
        Revocation(**{name: 42, "issued_before": NOW if name == "user" else None})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("revocation", "identity", "covers"),
    [
        (Revocation(token_id="t"), Identity("ada", token_id="t"), True),
        (Revocation(token_id="t"), Identity("ada", token_id="u", session="t"), False),
        (Revocation(token_id="t"), Identity("ada"), False),
        (Revocation(session="s"), Identity("ada", session="s"), True),
        (Revocation(session="s"), Identity("ada", session="r", token_id="s"), False),
        (Revocation(session="s"), Identity("ada"), False),
        (user(), Identity("ada", issued_at=NOW - 1), True),
        (user(), Identity("ada", issued_at=NOW), True),
        (user(), Identity("ada", issued_at=NOW + 1), False),
        (user(), Identity("ada"), True),
        (user(), Identity("bob", issued_at=NOW - 1), False),
        (user(except_session="s"), Identity("ada", session="s", issued_at=NOW - 1), False),
        (user(except_session="s"), Identity("ada", session="r", issued_at=NOW - 1), True),
        (user(except_session="s"), Identity("ada", issued_at=NOW - 1), True),
        (user(0.0), Identity("ada", issued_at=0.0), True),
        (user(0.0), Identity("ada", issued_at=1.0), False),
    ],
)
def test_covers(revocation: Revocation, identity: Identity, covers: bool) -> None:
    """Tokens by their id, those of a session, those of a user up to the moment, but not of one session."""
    assert revocation.covers(identity) is covers


# --- every store ------------------------------------------------------------------------------------------


@dataclass
class Kept:
    """A store, the clock it goes by, and whoever is asked about."""

    store: Revocations
    clock: Clock

    async def ended(self, *identities: Identity) -> list[bool]:
        return await self.store.find(identities)


def in_memory() -> Kept:
    clock = Clock()
    return Kept(InMemoryRevocations(clock=clock, monotonic=clock), clock)


STORES: dict[str, Callable[[], Kept]] = {"memory": in_memory}
"""Every implementation of the Protocol; another one is added here and goes through the same tests."""


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest) -> Kept:
    return STORES[request.param]()


PHONE = Identity("ada", session="phone", token_id="a", issued_at=NOW)
LAPTOP = Identity("ada", session="laptop", token_id="b", issued_at=NOW)
SCRIPT = Identity("ada", token_id="c", issued_at=NOW)
BOB = Identity("bob", session="bobs", token_id="d", issued_at=NOW)
EVERYBODY = (PHONE, LAPTOP, SCRIPT, BOB)


async def test_nothing_is_ended_at_first(kept: Kept) -> None:
    assert await kept.ended(*EVERYBODY, Identity("eve")) == [False] * 5
    assert await kept.ended() == []


@pytest.mark.parametrize(
    ("revocation", "ended"),
    [
        (Revocation(token_id="a"), [True, False, False, False]),
        (Revocation(session="laptop"), [False, True, False, False]),
        (user(), [True, True, True, False]),
        (user(except_session="phone"), [False, True, True, False]),
        (user(NOW - 1), [False, False, False, False]),
    ],
)
@pytest.mark.parametrize("until", [NOW + 10, None])
async def test_what_is_kept_is_found(
    kept: Kept, revocation: Revocation, ended: list[bool], until: float | None
) -> None:
    """By whoever asks, about as many as they like, in their order; and again, if it is ended again."""
    for _ in range(2):
        await kept.store.add(revocation, until=until)
        assert await kept.ended(*EVERYBODY) == ended
        assert await kept.ended(*reversed(EVERYBODY)) == ended[::-1]


async def test_a_text_is_one_name_of_one_kind(kept: Kept) -> None:
    """A token is no session, and a session no user, though they are called the same."""
    await kept.store.add(Revocation(token_id="x"), until=None)

    assert await kept.ended(Identity("x", session="x", token_id="y")) == [False]
    await kept.store.add(Revocation(session="z"), until=None)
    assert await kept.ended(Identity("z", session="y", token_id="z")) == [False]


async def test_it_is_kept_until_its_end(kept: Kept) -> None:
    """Up to the last moment, and by the latest end that was asked for."""
    revocations = Revocation(token_id="a"), Revocation(session="laptop"), user(name="bob")
    for revocation in revocations:
        await kept.store.add(revocation, until=NOW + 20)
        await kept.store.add(revocation, until=NOW + 10)
    kept.clock.now = NOW + 19.5

    assert await kept.ended(PHONE, LAPTOP, BOB) == [True, True, True]
    for revocation in revocations:
        await kept.store.add(revocation, until=None)
    kept.clock.now = NOW + 1e9
    assert await kept.ended(PHONE, LAPTOP, BOB) == [True, True, True]


async def test_an_end_that_has_passed(kept: Kept) -> None:
    """There is nothing to keep, and nothing fails."""
    await kept.store.add(Revocation(token_id="a"), until=NOW - 1)


@given(
    revocations=st.lists(
        st.tuples(
            st.one_of(
                st.builds(Revocation, token_id=st.sampled_from("ab")),
                st.builds(Revocation, session=st.sampled_from("ab")),
                st.builds(
                    Revocation,
                    user=st.sampled_from(["ada", "bob"]),
                    issued_before=st.integers(-2, 12).map(lambda offset: NOW + offset),
                    except_session=st.sampled_from([None, "a", "b", "c"]),
                ),
            ),
            st.one_of(st.none(), st.integers(-1, 8)),
            st.integers(-1, 3),
        ),
        max_size=12,
    )
)
@example([(user(NOW + 1, "a"), 1, 0), (user(NOW, "b"), 1, 0), (user(NOW, "c"), 8, 3)])
@example([(user(NOW, "a"), 8, 0), (user(NOW + 1, "b"), 1, 0), (user(NOW + 2, "c"), 1, 3)])
@pytest.mark.parametrize("kind", STORES)
async def test_it_says_what_a_list_of_all_would_say(
    kind: str, revocations: list[tuple[Revocation, float | None, float]]
) -> None:
    """Whatever is ended, in whatever order, however the clock goes: a plain list that never forgets agrees.

    Until its end each revocation is found. Whatever is found was once ended. A clock that is set back
    does not bring back what was forgotten.
    """
    kept = STORES[kind]()
    latest = kept.clock.now
    everything: list[tuple[Revocation, float]] = []
    asked = [
        Identity(name, session=session, token_id=token_id, issued_at=issued_at)
        for name in ("ada", "bob")
        for session in (None, "a", "b", "c", "d")
        for token_id in (None, "a")
        for issued_at in (None, NOW - 1, NOW, NOW + 1, NOW + 12)
    ]
    for revocation, lasts, passes in revocations:
        until = None if lasts is None else kept.clock.now + lasts
        await kept.store.add(revocation, until=until)
        everything.append((revocation, math.inf if until is None else until))
        kept.clock.now += passes
        latest = max(latest, kept.clock.now)
        for identity, found in zip(asked, await kept.ended(*asked), strict=True):
            ends = [until for other, until in everything if other.covers(identity)]
            if any(end > latest for end in ends):
                assert found
            elif not ends:
                assert not found


# --- in memory --------------------------------------------------------------------------------------------


@dataclass
class Counted:
    """A store in memory, and how much it holds."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.store = InMemoryRevocations(clock=self.clock, monotonic=self.clock)

    @property
    def size(self) -> int:
        store = self.store
        marks = sum(map(len, store._users.values()))
        return len(store._tokens) + len(store._sessions) + len(store._users) + marks + len(store._ends)


async def test_memory_is_given_back() -> None:
    """When all have ended nothing is left, whoever looks first."""
    for look in ("add", "find"):
        counted = Counted()
        for index in range(100):
            for revocation in (
                Revocation(token_id=f"{index}"),
                Revocation(session=f"{index}"),
                user(NOW, name=f"{index}"),
            ):
                await counted.store.add(revocation, until=NOW + 1 + index)
        assert counted.size == 100 * 3 * 2 + 100
        counted.clock.now = NOW + 50
        await counted.store.find([])
        assert counted.size == 50 * 3 * 2 + 50
        counted.clock.now = NOW + 101
        if look == "add":
            await counted.store.add(Revocation(token_id="over"), until=NOW)
        else:
            await counted.store.find([])
        assert counted.size == 0


@pytest.mark.parametrize("until", [5.0, math.inf])
async def test_who_ends_the_same_again_and_again_takes_no_more_room(until: float) -> None:
    """Neither does a user with ever other sessions to go on, nor an end that is put off."""
    counted = Counted()
    sizes = set()
    for index in range(200):
        end = None if math.isinf(until) else NOW + until + index / 100
        await counted.store.add(Revocation(token_id="t"), until=end)
        await counted.store.add(Revocation(session="s"), until=end)
        await counted.store.add(user(NOW + index), until=end)
        await counted.store.add(user(NOW + index, except_session=f"{index}", name="bob"), until=end)
        sizes.add(counted.size)

    # A token, a session, a user with one mark and one with two, and what of them has an end to look for.
    assert max(sizes) == 1 + 1 + 2 + 3 + (4 if until == 5.0 else 0)
    counted.clock.now = NOW + 1000
    await counted.store.find([])
    assert (counted.size == 0) == (until == 5.0)


async def test_a_clock_that_is_put_forward_and_right_again_brings_nothing_back() -> None:
    clock, monotonic = Clock(), Clock(0)
    store = InMemoryRevocations(clock=clock, monotonic=monotonic)
    for revocation in (Revocation(token_id="a"), Revocation(session="laptop"), user(NOW - 1), user(NOW, "x")):
        await store.add(revocation, until=NOW + 10)
    for passed in (0, 9):
        monotonic.now = passed
        clock.now = NOW + 1e6
        assert await store.find([PHONE, LAPTOP, SCRIPT]) == [True, True, True]
        clock.now = NOW + passed
        assert await store.find([PHONE, LAPTOP, SCRIPT]) == [True, True, True]
    monotonic.now, clock.now = 10, NOW + 10
    assert await store.find([PHONE, LAPTOP, SCRIPT]) == [False, False, False]
    assert not any((store._tokens, store._sessions, store._users, store._ends))


async def test_a_clock_that_is_set_back_has_further_to_go() -> None:
    """Until the record is over by both clocks, and it is not looked at without pause meanwhile."""
    clock, monotonic = Clock(), Clock(0)
    store = InMemoryRevocations(clock=clock, monotonic=monotonic)
    await store.add(Revocation(token_id="a"), until=NOW + 10)
    await store.add(user(NOW), until=NOW + 10)
    clock.now, monotonic.now = NOW - 20, 10
    assert await store.find([PHONE, LAPTOP]) == [True, True]
    clock.now, monotonic.now = NOW + 10 - 1e-6, 40
    assert await store.find([PHONE, LAPTOP]) == [True, True]
    assert [moment for moment, _, _ in store._ends] == [41, 41]
    clock.now, monotonic.now = NOW + 10, 41
    assert await store.find([PHONE, LAPTOP]) == [False, False]
    assert not any((store._tokens, store._users, store._ends))


@pytest.mark.parametrize("first", [0, 1])
async def test_a_mark_ends_though_another_of_its_user_stays(first: int) -> None:
    """The one that stays says no more than it did."""
    counted = Counted()
    marks = (user(NOW + 10, "a"), NOW + 5), (user(NOW, "b"), None)
    for revocation, until in (marks[first], marks[1 - first]):
        await counted.store.add(revocation, until=until)
    late = Identity("ada", issued_at=NOW + 10)
    assert await counted.store.find([late]) == [True]

    counted.clock.now = NOW + 5
    assert await counted.store.find([late]) == [False]
    assert await counted.store.find([Identity("ada", issued_at=NOW)]) == [True]


# --- whom a payload stands for ----------------------------------------------------------------------------


def test_the_holder_of_a_payload() -> None:
    """The user, the session, the id and the moment are those of the token."""
    claims = {"sub": "ada", "jti": "j", "iat": NOW, "session_id": "s"}

    assert holder_of(TokenPayload.from_claims(claims)) == Identity(
        "ada", session="s", token_id="j", issued_at=NOW
    )


def test_a_payload_makes_things_up() -> None:
    """An id and a moment that are not the token's own are none: a revocation must not go by them."""
    payload = TokenPayload.from_claims({"sub": "ada"})

    assert (payload.jti, payload.iat) != (None, None)
    assert holder_of(payload) == Identity("ada")


@pytest.mark.parametrize(
    ("claim", "claims", "expected"),
    [
        ("email", {"email": "a@b"}, "a@b"),
        ("iss", {"iss": "home"}, "home"),
        ("email", {}, "ada"),
        ("email", {"email": 5}, "ada"),
        ("email", {"email": ""}, "ada"),
    ],
)
def test_the_user_of_a_payload(claim: str, claims: dict[str, Any], expected: str) -> None:
    """The claim of the settings names the user, where it does."""
    payload = TokenPayload.from_claims({"sub": "ada", **claims})

    assert holder_of(payload, claim).user == expected


def test_claims_with_another_meaning() -> None:
    """A session that is no string is none: an app may have meant something else by it."""
    assert holder_of(TokenPayload.from_claims({"sub": "ada", "session_id": 5})).session is None


@pytest.mark.parametrize(
    ("iat", "expected"),
    [
        (NOW + 0.5, NOW + 0.5),
        (datetime.fromtimestamp(NOW, UTC), NOW),
        (None, None),
    ],
)
def test_the_moment_of_a_payload(iat: Any, expected: float | None) -> None:
    """Apps make payloads by themselves, with whatever moment."""
    assert holder_of(TokenPayload(sub="ada", iat=iat)).issued_at == expected
