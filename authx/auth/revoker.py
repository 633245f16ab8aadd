"""The revoker: ends tokens, sessions and users before their time, and says what was ended."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from authx.auth.callbacks import Callbacks
from authx.auth.exceptions import RevokedTokenError, SessionRevoked
from authx.auth.identity import Identity
from authx.auth.issuer import Issuer
from authx.auth.revocation import Revocation, Revocations
from authx.auth.tracking import SessionTracking
from authx.auth.types import RunSync

__all__ = ("Revoker", "take_all")

logger = logging.getLogger(__name__)

_Listener: TypeAlias = Callable[[Revocation], Awaitable[None]]

_AT_A_TIME = 32
"""Connections that the blocklist and the session store are asked about at once."""
_SET_BACK = 300
"""Seconds by which a clock may be set back without a token that was over coming back without its record."""


class Revoker(Callbacks, SessionTracking):
    """Ends tokens, sessions and users, and says what was ended.

    The record in :attr:`revocations` comes first, then the listeners hear of it: who misses it can still
    look it up. A record that cannot be made is raised, and then nobody hears of anything.
    """

    revocations: Revocations
    """Where it is kept what was ended."""
    _issuer: Issuer
    _listeners: tuple[_Listener, ...] = ()

    # --- ending ---------------------------------------------------------------------------------------

    async def revoke_token(self, token: str) -> None:
        """End one token, by its ``jti``, however it is signed or spelled. One that is over may be ended.

        Raises:
            JWTDecodeError: it is no token of this login.
            LoginTypeMismatchError: it belongs to another login type.
            ValueError: it has no ``jti``.
        """
        claims = self._verifier.own_claims(token)
        token_id, expires_at = claims.get("jti"), claims.get("exp")
        if not token_id:
            raise ValueError("a token without a jti cannot be ended by itself")
        until = None if expires_at is None else expires_at + self._slack
        await self._record(Revocation(token_id=token_id), until)

    async def revoke_session(self, session_id: str) -> None:
        """End a session and every token that names it, whether it is in the session store or not."""
        revocation = Revocation(session=session_id)
        await take_all(self._record(revocation, self._until()), self._drop_session(session_id))

    async def revoke_all_sessions(self, uid: str) -> None:
        """The same as :meth:`revoke_user`, up to now."""
        await self.revoke_user(uid)

    async def revoke_user(
        self, user: str, *, issued_before: float | datetime | None = None, except_session: str | None = None
    ) -> None:
        """End the tokens of a user made up to a moment, and the sessions begun up to then.

        Tokens hold whole seconds: one made later in the same second is ended too, unless it names the
        session that goes on.

        Args:
            user: the user.
            issued_before: the moment, Unix seconds or a ``datetime`` with a zone; now if None. It may be
                in the future.
            except_session: a session that goes on, with its tokens.

        Raises:
            ValueError: the moment has no zone, or is none.
        """
        now = self._verifier.now()
        moment = now if issued_before is None else _seconds(issued_before)
        revocation = Revocation(user=user, issued_before=moment, except_session=except_session)
        await take_all(
            self._record(revocation, self._until(moment)),
            self._drop_sessions(user, None if moment >= now else moment, except_session),
        )

    def watch_revocations(self, listener: _Listener) -> None:
        """Have a function awaited with each revocation from now on, once it is on record.

        What it raises is logged: the record stands. Whoever ends something waits for it.
        """
        self._listeners = (*self._listeners, listener)

    # --- asking ---------------------------------------------------------------------------------------

    async def check_revocation(
        self, token: str, holder: Identity, *, run_sync: RunSync | None = None
    ) -> None:
        """Check that nobody ended a verified token, its session or its user before their time.

        Args:
            token: the token.
            holder: who was made of it.
            run_sync: calls a blocklist that is not async where it may block; None calls it here.

        Raises:
            RevokedTokenError: the blocklist holds the token, or the revocations do.
            SessionRevoked: the session does not go on.
        """
        await self.check_blocklist(token, run_sync=run_sync)
        await self.check_ended(holder)
        await self.check_session(holder)

    async def find_revoked(
        self, holders: Sequence[tuple[str, Identity]], *, run_sync: RunSync | None = None
    ) -> list[bool]:
        """Say of each of many tokens, and who was made of it, whether it was ended.

        The revocations are asked once for all, then the blocklist and the session store for what is left,
        where nobody counts as active for it. A store that fails is raised.
        """
        revoked = list(await self.revocations.find([holder for _, holder in holders]))
        left = [index for index, ended in enumerate(revoked) if not ended]
        for start in range(0, len(left), _AT_A_TIME):
            some = left[start : start + _AT_A_TIME]
            answers = await asyncio.gather(
                *(self._is_ended_elsewhere(*holders[index], run_sync) for index in some),
                return_exceptions=True,
            )
            for index, answer in zip(some, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                revoked[index] = answer
        return revoked

    async def check_blocklist(self, token: str, *, run_sync: RunSync | None = None) -> None:
        """Raise :exc:`RevokedTokenError` if the blocklist holds a raw token."""
        # Apps that override the question know of no other argument.
        how = {} if run_sync is None else {"run_sync": run_sync}
        if await self.is_token_in_blocklist(token, **how):
            raise RevokedTokenError("Token has been revoked", login_type=self._verifier.login_type)

    async def check_ended(self, holder: Identity) -> None:
        """Raise :exc:`RevokedTokenError` if the revocations hold a token, its session or its user."""
        if any(await self.revocations.find([holder])):
            raise RevokedTokenError("Token has been revoked", login_type=self._verifier.login_type)

    # --- inside ---------------------------------------------------------------------------------------

    async def _record(self, revocation: Revocation, until: float | None) -> None:
        await self.revocations.add(revocation, until=until)
        for listener in self._listeners:
            try:
                await listener(revocation)
            except Exception:
                logger.exception("A listener failed to act on a revocation, which stands")

    @property
    def _slack(self) -> int:
        """Seconds for which a record outlasts what it ends."""
        return (self._verifier.config.JWT_DECODE_LEEWAY or 0) + _SET_BACK

    def _until(self, moment: float = -math.inf) -> float | None:
        """When the last token made up to now, or up to a moment, is over, with slack; None is never."""
        until = max(self._verifier.now(), moment) + self._issuer.longest_lifetime + self._slack
        return None if math.isinf(until) else until

    async def _drop_session(self, session_id: str) -> None:
        if self._session_store is not None:
            await self._session_store.delete(session_id)

    async def _drop_sessions(self, user: str, moment: float | None, except_session: str | None) -> None:
        store = self._session_store
        if store is None:
            return
        if moment is None and except_session is None:
            await store.delete_all_by_user(user)
            return
        for session in await store.list_by_user(user):
            if session.session_id != except_session and (
                moment is None or session.created_at.timestamp() <= moment
            ):
                await store.delete(session.session_id)

    async def _is_ended_elsewhere(self, token: str, holder: Identity, run_sync: RunSync | None) -> bool:
        try:
            await self.check_blocklist(token, run_sync=run_sync)
            await self.check_session(holder, touch=False)
        except (RevokedTokenError, SessionRevoked):
            return True
        return False


async def take_all(*steps: Awaitable[None]) -> None:
    """Take several steps; none is left out because another fails, and no failure hides another.

    Raises:
        ExceptionGroup: more than one failed. The failure of one is raised as it is.
    """
    outcomes = await asyncio.gather(*steps, return_exceptions=True)
    failures = [outcome for outcome in outcomes if outcome is not None]
    if len(failures) > 1:
        raise BaseExceptionGroup("ending a login failed in several places", failures)
    if failures:
        raise failures[0]


def _seconds(moment: float | datetime) -> float:
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError("issued_before has no zone: which moment it is depends on the machine")
    return moment.timestamp()
