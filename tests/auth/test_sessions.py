"""Login sessions, and where they are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from freezegun import freeze_time

from authx.auth.exceptions import SessionRevoked
from authx.auth.sessions import InMemorySessionStore, SessionInfo, check_session
from authx.auth.types import SessionStoreProtocol

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)


async def kept(*sessions: SessionInfo) -> InMemorySessionStore:
    store = InMemorySessionStore()
    for session in sessions:
        await store.create(session)
    return store


def test_a_session_describes_a_login() -> None:
    """Only the user is needed; the rest is found out or left out."""
    with freeze_time(EARLIER):
        session = SessionInfo(uid="ada")

    assert UUID(session.session_id).version == 4
    assert session.session_id != SessionInfo(uid="ada").session_id
    assert session.model_dump(exclude={"session_id"}) == {
        "uid": "ada",
        "created_at": EARLIER,
        "last_active": EARLIER,
        "ip_address": None,
        "user_agent": None,
        "device_info": None,
        "is_active": True,
    }


def test_times_are_in_utc() -> None:
    """Both times carry a zone, so that they can be compared with any other."""
    session = SessionInfo(uid="ada")

    assert session.created_at.tzinfo is session.last_active.tzinfo is UTC


async def test_the_object_itself_is_kept() -> None:
    """What was put in comes out, active or not."""
    session = SessionInfo(uid="ada")
    store = await kept(session)

    assert await store.get(session.session_id) is session
    session.is_active = False
    assert await store.get(session.session_id) is session
    assert await store.get("unknown") is None


async def test_one_id_is_one_session() -> None:
    """A session takes the place of another with its id."""
    store = await kept(SessionInfo(session_id="s", uid="ada"), SessionInfo(session_id="s", uid="bob"))
    session = await store.get("s")

    assert session is not None
    assert session.uid == "bob"
    assert await store.list_by_user("ada") == []


async def test_update() -> None:
    """Fields that exist are set; unknown fields and unknown sessions are not minded."""
    session = SessionInfo(uid="ada")
    store = await kept(session)
    await store.update(session.session_id, user_agent="curl", is_active=False, colour="red", model_config={})
    await store.update("unknown", user_agent="curl")

    assert (session.user_agent, session.is_active) == ("curl", False)
    assert not hasattr(session, "colour")
    assert SessionInfo.model_config == {}


async def test_delete() -> None:
    """A session that is dropped is gone, and one that never was is no matter."""
    store = await kept(SessionInfo(session_id="s", uid="ada"))
    await store.delete("s")
    await store.delete("s")

    assert await store.get("s") is None


async def test_the_sessions_of_a_user() -> None:
    """A user's active sessions are listed; all of them are dropped, and nobody else's."""
    first, second, ended, other = (
        SessionInfo(session_id=name, uid=uid, is_active=name != "3")
        for name, uid in (("1", "ada"), ("2", "ada"), ("3", "ada"), ("4", "bob"))
    )
    store = await kept(first, second, ended, other)

    assert await store.list_by_user("ada") == [first, second]
    await store.delete_all_by_user("ada")
    assert [await store.get(name) for name in "1234"] == [None, None, None, other]
    await store.delete_all_by_user("nobody")
    assert await store.list_by_user("bob") == [other]


async def test_a_session_that_goes_on() -> None:
    """An active session passes, and only on request is it written down that it is."""
    session = SessionInfo(uid="ada", last_active=EARLIER)
    store: SessionStoreProtocol = await kept(session)

    await check_session(store, session.session_id)
    assert session.last_active == EARLIER
    with freeze_time("2026-02-03 04:05:06"):
        await check_session(store, session.session_id, touch=True)
    assert session.last_active == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize("session_id", ["ended", "unknown"])
async def test_a_session_that_ended(session_id: str) -> None:
    """An ended session and one that never was are refused, and not brought back to life."""
    ended = SessionInfo(session_id="ended", uid="ada", last_active=EARLIER, is_active=False)
    store = await kept(ended)

    with pytest.raises(SessionRevoked):
        await check_session(store, session_id, touch=True)
    assert ended.last_active == EARLIER
