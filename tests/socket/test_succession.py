"""Which token may follow which."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.identity import Claims, Identity
from authx.socket.credential import Credential
from authx.socket.exceptions import Refusal
from authx.socket.handshake import Proof
from authx.socket.succession import check_follows, is_current
from tests.support.connections import connected

ALICE = Identity(user="alice", login_type="app", token_id="t1", issued_at=100.0, expires_at=200.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"issued_at": 100.0, "token_id": "t2"},
        {"issued_at": 101.0, "expires_at": None},
        {"session": "s2", "scopes": frozenset({"a"}), "roles": frozenset({"b"}), "fresh": True},
    ],
)
def test_a_token_that_was_not_made_earlier_may_follow(changes: dict[str, object]) -> None:
    check_follows(ALICE, replace(ALICE, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user": "bob"}, "invalid_token"),
        ({"login_type": "admin"}, "wrong_token_type"),
        ({"login_type": None}, "wrong_token_type"),
        ({"issued_at": 99.0}, "invalid_token"),
        ({"issued_at": None}, "invalid_token"),
    ],
)
def test_no_other_may(changes: dict[str, object], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_follows(ALICE, replace(ALICE, **changes))  # type: ignore[arg-type]
    assert refused.value.code == code


def test_where_nobody_knows_how_old_the_current_one_is_any_may_follow() -> None:
    check_follows(replace(ALICE, issued_at=None), ALICE)
    check_follows(replace(ALICE, issued_at=None), replace(ALICE, issued_at=None))


TIMES = st.none() | st.integers(0, 5).map(float)


@given(st.lists(TIMES, min_size=1, max_size=8))
def test_it_never_goes_back_in_time(times: list[float | None]) -> None:
    current, newest = ALICE, 100.0
    for time in times:
        newer = replace(ALICE, issued_at=None if time is None else 98 + time)
        try:
            check_follows(current, newer)
        except Refusal:
            continue
        assert newer.issued_at is not None
        assert newer.issued_at >= newest
        current, newest = newer, newer.issued_at


def proof(token_id: str | None, token: str = "token") -> Proof:
    return Proof(replace(ALICE, token_id=token_id), Credential(token, "payload"))


def test_the_current_token_is_known_by_its_id() -> None:
    here = connected(ALICE, credential=Credential("token", "cookie"))
    assert is_current(here, proof("t1", "written otherwise"))
    assert not is_current(here, proof("t2"))
    assert not is_current(here, proof(None))
    assert not is_current(connected(None), proof("t1"))


def test_without_an_id_it_is_known_by_all_that_it_says() -> None:
    """Not by its text: a signature may have a twin. Rights that were changed since are not the token's."""
    claims = {"sub": "alice", "iat": 100, "scopes": ["a"]}
    current = replace(
        ALICE,
        token_id=None,
        overridden=frozenset({"scopes"}),
        claims=Claims(claims | {"scopes": []}),
    )
    here = connected(current, credential=Credential("token", "cookie"))

    def shown(**changes: object) -> Proof:
        identity = replace(ALICE, token_id=None, claims=Claims(claims | changes))
        return Proof(identity, Credential("another text", "payload"))

    assert is_current(here, shown())
    assert not is_current(here, shown(iat=101))
    assert not is_current(here, shown(exp=300))
    assert not is_current(here, proof("t1"))
