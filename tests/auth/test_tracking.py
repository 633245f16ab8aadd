"""Login sessions are kept where the app sets a store."""

from __future__ import annotations

import pytest

from authx.auth.exceptions import SessionRevoked
from authx.auth.identity import Identity
from authx.auth.sessions import InMemorySessionStore
from authx.auth.tracking import SessionTracking
from tests.auth.asking import auth_of, request


async def test_with_a_store() -> None:
    """A session is kept, and its user's are listed."""
    tracking, store = SessionTracking(), InMemorySessionStore()
    tracking.set_session_store(store)
    first, second = await tracking.create_session("ada"), await tracking.create_session("ada")
    await tracking.create_session("bob")

    assert await tracking.get_session(first.session_id) is first
    assert await tracking.list_sessions("ada") == [first, second]
    assert len(await tracking.list_sessions("bob")) == 1


async def test_without_a_store() -> None:
    """A session is made and forgotten."""
    tracking = SessionTracking()
    session = await tracking.create_session("ada")

    assert session.uid == "ada"
    assert await tracking.get_session(session.session_id) is None
    assert await tracking.list_sessions("ada") == []


async def test_where_the_login_came_from() -> None:
    """Address and agent are taken from the request, as far as it has them."""
    tracking = SessionTracking()
    asked = request(headers={"User-Agent": "browser"}, client=("192.0.2.1", 5000))
    seen = await tracking.create_session("ada", asked, {"os": "x"})
    unseen = await tracking.create_session("ada", request())

    assert (seen.ip_address, seen.user_agent, seen.device_info) == ("192.0.2.1", "browser", {"os": "x"})
    assert (unseen.ip_address, unseen.user_agent, unseen.device_info) == (None, None, None)


async def test_check_session() -> None:
    """Only where it is tracked, and kept, and named."""
    login = auth_of(JWT_SESSION_TRACKING=True)
    named, unnamed = Identity(user="ada", session="gone"), Identity(user="ada")

    await login.check_session(named)
    login.set_session_store(InMemorySessionStore())
    await login.check_session(unnamed)
    with pytest.raises(SessionRevoked):
        await login.check_session(named)
    login.config.JWT_SESSION_TRACKING = False
    await login.check_session(named)


@pytest.mark.parametrize("touch", [True, False])
async def test_a_session_that_is_used(touch: bool) -> None:
    """Its last activity is written down, unless the settings say otherwise."""
    login = auth_of(JWT_SESSION_TRACKING=True, JWT_SESSION_UPDATE_LAST_ACTIVE=touch)
    login.set_session_store(InMemorySessionStore())
    session = await login.create_session("ada")
    began = session.last_active
    await login.check_session(Identity(user="ada", session=session.session_id))

    assert (session.last_active > began) == touch


async def test_a_session_that_is_only_asked_about() -> None:
    """Who asks may say that it is no sign of life."""
    login = auth_of(JWT_SESSION_TRACKING=True)
    login.set_session_store(InMemorySessionStore())
    session = await login.create_session("ada")
    began = session.last_active
    await login.check_session(Identity(user="ada", session=session.session_id), touch=False)

    assert session.last_active == began
