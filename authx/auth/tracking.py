"""Session tracking: login sessions are kept in a store, where the app sets one, and tokens end with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authx.auth.claims import session_of
from authx.auth.identity import Identity
from authx.auth.schema import TokenPayload
from authx.auth.sessions import SessionInfo, check_session
from authx.auth.types import SessionStoreProtocol
from authx.auth.verifier import Verifier

if TYPE_CHECKING:
    # Only its two attributes are read.
    from starlette.requests import Request

__all__ = ("SessionTracking",)


class SessionTracking:
    """Begins and lists login sessions. Without a store nothing is kept, and nothing found."""

    _verifier: Verifier
    """Has the settings."""
    _session_store: SessionStoreProtocol | None = None

    def set_session_store(self, store: SessionStoreProtocol) -> None:
        """Keep login sessions from now on."""
        self._session_store = store

    async def create_session(
        self, uid: str, request: Request | None = None, device_info: dict[str, Any] | None = None
    ) -> SessionInfo:
        """Begin a login session.

        A token made with ``session=`` and its id ends with it.

        Args:
            uid: the user.
            request: the login; the address and the ``User-Agent`` are taken from it.
            device_info: whatever the app knows of the device.
        """
        session = SessionInfo(
            uid=uid,
            ip_address=request.client.host if request is not None and request.client else None,
            user_agent=None if request is None else request.headers.get("user-agent"),
            device_info=device_info,
        )
        if self._session_store is not None:
            await self._session_store.create(session)
        return session

    async def list_sessions(self, uid: str) -> list[SessionInfo]:
        """The active sessions of a user."""
        return [] if self._session_store is None else await self._session_store.list_by_user(uid)

    async def get_session(self, session_id: str) -> SessionInfo | None:
        """A session, active or not; None if there is none."""
        if self._session_store is None:
            return None
        session: SessionInfo | None = await self._session_store.get(session_id)
        return session

    async def check_session(self, holder: Identity | TokenPayload, *, touch: bool | None = None) -> None:
        """Check that the session a verified token belongs to goes on.

        Only where ``JWT_SESSION_TRACKING`` is on and there is a store. A token that names no session
        belongs to none.

        Args:
            holder: who shows the token.
            touch: whether to write down that the session was active now; None leaves that to the settings.

        Raises:
            SessionRevoked: it does not.
        """
        config = self._verifier.config
        if self._session_store is None or not config.JWT_SESSION_TRACKING:
            return
        session = holder.session if isinstance(holder, Identity) else session_of(holder.custom_claims)
        if session is not None:
            if touch is None:
                touch = config.JWT_SESSION_UPDATE_LAST_ACTIVE
            await check_session(self._session_store, session, touch=touch)
