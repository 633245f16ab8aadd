"""Login sessions: who is logged in, since when, and on what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, Field

from authx.auth.clock import system_clock
from authx.auth.exceptions import SessionRevoked
from authx.auth.types import SessionStoreProtocol

__all__ = ("InMemorySessionStore", "SessionInfo", "check_session")


def _now() -> datetime:
    return datetime.fromtimestamp(system_clock(), UTC)


class SessionInfo(BaseModel):
    """One login of a user."""

    session_id: str = Field(default_factory=lambda: str(uuid4()))
    uid: str
    created_at: datetime = Field(default_factory=_now)
    """In UTC."""
    last_active: datetime = Field(default_factory=_now)
    """In UTC."""
    ip_address: str | None = None
    user_agent: str | None = None
    device_info: dict[str, Any] | None = None
    """Whatever the app knows of the device."""
    is_active: bool = True
    """False for one that ended and is kept for the record."""


class InMemorySessionStore:
    """Keeps sessions in this process, for as long as it runs: for tests, and for small apps.

    The objects themselves are kept, so a change to one is a change in the store.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, SessionInfo] = {}

    async def create(self, session: SessionInfo) -> None:
        """Keep a session, in place of one with the same id."""
        self._sessions[session.session_id] = session

    async def get(self, session_id: str) -> SessionInfo | None:
        """Give a session, active or not; None if there is none."""
        return self._sessions.get(session_id)

    async def update(self, session_id: str, **kwargs: Any) -> None:
        """Change fields of a session; unknown ids and fields are ignored."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        for name, value in kwargs.items():
            if name in type(session).model_fields:
                setattr(session, name, value)

    async def delete(self, session_id: str) -> None:
        """Drop a session, if there is one."""
        self._sessions.pop(session_id, None)

    async def list_by_user(self, uid: str) -> list[SessionInfo]:
        """Give the active sessions of a user."""
        return [session for session in self._sessions.values() if session.uid == uid and session.is_active]

    async def delete_all_by_user(self, uid: str) -> None:
        """Drop all sessions of a user."""
        self._sessions = {
            session_id: session for session_id, session in self._sessions.items() if session.uid != uid
        }


async def check_session(store: SessionStoreProtocol, session_id: str, *, touch: bool = False) -> None:
    """Check that a session goes on.

    Args:
        store: where sessions are kept.
        session_id: the session a token belongs to.
        touch: whether to write down that it was active now.

    Raises:
        SessionRevoked: it was ended, or there never was one.
    """
    session = await store.get(session_id)
    if session is None or not session.is_active:
        raise SessionRevoked("Session has been revoked")
    if touch:
        await store.update(session_id, last_active=_now())
