"""What came for a connection, and waiting for it."""

import asyncio

import pytest

from authx.socket.testing.inbox import Event, Inbox


def event(name: str, *args: object) -> Event:
    return Event(name, args)


async def test_events_are_given_once_each_in_order_and_by_name() -> None:
    inbox = Inbox("sid")
    for taken in (event("a", 1), event("b"), event("a", 2)):
        inbox.take(taken)

    assert inbox.next_unread("b") == event("b")
    assert [inbox.next_unread(None), inbox.next_unread("a")] == [event("a", 1), event("a", 2)]
    assert inbox.next_unread(None) is None
    assert [found.name for found in inbox.events] == ["a", "b", "a"]


def test_an_event_has_its_first_argument_at_hand() -> None:
    assert [event("a").data, event("a", 1, 2).data] == [None, 1]


async def test_an_event_is_acknowledged_if_the_server_asked_for_it() -> None:
    answers: list[object] = []

    async def answer(*values: object) -> None:
        answers.extend(values)

    await Event("a", (), answer).acknowledge(1, 2)
    assert answers == [1, 2]
    with pytest.raises(RuntimeError, match="no acknowledgement of 'a'"):
        await event("a").acknowledge()


async def test_what_the_library_says_is_no_event_of_the_app() -> None:
    inbox = Inbox("sid")
    inbox.take(event("authx:session", {"user": "alice"}))
    inbox.take(event("authx:closing", {"code": "token_expired", "message": "Late", "retry": True}))

    assert inbox.session == {"user": "alice"}
    assert inbox.closing is not None
    assert (inbox.closing.code, inbox.closing.message, inbox.closing.retry) == ("token_expired", "Late", True)
    assert inbox.events == []


async def test_several_may_wait_for_different_things() -> None:
    inbox = Inbox("sid")
    waiting = [
        asyncio.create_task(inbox.until(lambda name=name: inbox.next_unread(name), what=name, timeout=5))  # type: ignore[misc]
        for name in ("a", "b")
    ]
    await asyncio.sleep(0)
    inbox.take(event("b"))
    assert await waiting[1] == event("b")
    inbox.take(event("a"))
    assert await waiting[0] == event("a")


async def test_waiting_ends_with_the_time_or_with_the_connection() -> None:
    inbox = Inbox("sid")
    inbox.take(event("other"))
    with pytest.raises(TimeoutError, match=r"the event 'a' did not come .* unread: \[Event\(name='other'"):
        await inbox.until(lambda: inbox.next_unread("a"), what="the event 'a'", timeout=0)
    inbox.end()
    with pytest.raises(ConnectionError, match="ended without it"):
        await inbox.until(lambda: inbox.next_unread("a"), what="it", timeout=5)
    assert await inbox.until(lambda: inbox.next_unread(None), what="it", timeout=5) == event("other")


def test_an_answer_that_nobody_waits_for_is_not_kept() -> None:
    inbox = Inbox("sid")
    inbox.answer(1, ("forged",))

    assert inbox.answers == {}
