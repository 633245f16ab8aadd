"""The heap of marks."""

from dataclasses import dataclass
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from authx.socket.expiry import Due, Expiry


def test_a_warning_and_then_the_end() -> None:
    expiry = Expiry(expiring_before=60)
    expiry.set("a", now=0, end=900)

    assert expiry.next == 840
    assert expiry.due(839.9) == Due()
    assert expiry.due(840) == Due(expiring=["a"])
    assert expiry.next == 900
    assert expiry.due(899.9) == Due()
    assert expiry.due(900) == Due(over=["a"])
    assert (len(expiry), expiry._heap, expiry.due(10_000)) == (0, [], Due())


def test_where_there_is_little_time_the_warning_is_due_when_a_third_is_left() -> None:
    expiry = Expiry(expiring_before=60)
    expiry.set("a", now=100, end=190)

    assert expiry.next == 160


def test_a_late_look_finds_the_end_and_no_warning() -> None:
    expiry = Expiry(expiring_before=60)
    expiry.set("a", now=0, end=900)
    expiry.set("b", now=0, end=930)

    assert expiry.due(900) == Due(expiring=["b"], over=["a"])


def test_no_warning_is_given_where_none_is_wanted() -> None:
    expiry = Expiry(expiring_before=0)
    expiry.set("a", now=0, end=900)

    assert expiry.due(899) == Due()
    assert expiry.due(900) == Due(over=["a"])


def test_what_was_said_last_counts() -> None:
    expiry = Expiry(expiring_before=60)
    expiry.set("a", now=0, end=900)
    expiry.set("a", now=0, end=2000)
    assert expiry.due(1000) == Due()

    expiry.set("a", now=1000, end=1090)
    assert expiry.due(1060) == Due(expiring=["a"])
    expiry.set("a", now=1060, end=None)
    assert (expiry.next, expiry.due(5000)) == (None, Due())


def test_who_is_discarded_is_neither_warned_nor_ended() -> None:
    expiry = Expiry(expiring_before=60)
    expiry.set("a", now=0, end=900)
    expiry.set("b", now=0, end=900)
    expiry.discard("a")
    expiry.discard("nobody")

    assert expiry.due(900) == Due(over=["b"])


def test_the_dead_are_cleared_away_when_they_are_more_than_the_living() -> None:
    expiry = Expiry(expiring_before=60)
    for number in range(1000):
        expiry.set("stays", now=0, end=5000 + number)
        expiry.set(str(number), now=0, end=900)
        assert len(expiry._heap) <= max(64, 2 * len(expiry))
    for number in range(1000):
        expiry.discard(str(number))
        assert len(expiry._heap) <= max(64, 2 * len(expiry))
    assert expiry.due(4950) == Due()
    assert expiry.due(6000) == Due(over=["stays"])


def test_what_is_left_after_clearing_away_is_in_order() -> None:
    for seed in range(20):
        order = Random(seed)
        expiry = Expiry(expiring_before=0)
        ends = {str(number): order.randrange(1, 1000) for number in range(300)}
        for sid, end in ends.items():
            expiry.set(sid, now=0, end=end)
        for sid in order.sample(sorted(ends), 200):
            expiry.discard(sid)
            del ends[sid]
        for now in range(0, 1001, 10):
            over = {sid for sid, end in ends.items() if end <= now}
            assert set(expiry.due(now).over) == over
            ends = {sid: end for sid, end in ends.items() if sid not in over}


@dataclass
class Promise:
    warn: float
    end: float
    warned: bool = False


SIDS = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), SIDS, st.integers(1, 500)),
        st.tuples(st.just("discard"), SIDS, st.just(0)),
        st.tuples(st.just("look"), SIDS, st.integers(-200, 300)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_is_a_table_that_is_looked_through_each_time(steps: list[tuple[str, str, int]]) -> None:
    expiry, table, now = Expiry(expiring_before=60), dict[str, Promise](), 0.0
    for step, sid, amount in steps:
        if step == "set":
            end = now + amount
            expiry.set(sid, now=now, end=end)
            table[sid] = Promise(end - min(60, (end - now) / 3), end)
        elif step == "discard":
            expiry.discard(sid)
            table.pop(sid, None)
        else:
            now += amount
            due = expiry.due(now)
            over = {each for each, promise in table.items() if promise.end <= now}
            table = {sid: promise for sid, promise in table.items() if sid not in over}
            warned = {sid for sid, promise in table.items() if promise.warn <= now and not promise.warned}
            for each in warned:
                table[each].warned = True
            assert (set(due.over), set(due.expiring)) == (over, warned)
            assert len(due.over) + len(due.expiring) == len(over) + len(warned)
        assert len(expiry) == len(table)
        marks = [promise.end if promise.warned else promise.warn for promise in table.values()]
        assert (expiry.next is None) == (not marks)
        assert expiry.next is None or expiry.next <= min(marks)
