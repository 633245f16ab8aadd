"""The revoker: ends tokens, sessions and users before their time, and says what was ended."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

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
        await take_all(self._record(Revocation(token_id=token_id), until))

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
        session that goes on. Up to now means also what was made before now by a clock that is ahead of
        ours, or by ours before it was set back, as far as this login has seen such tokens.

        Args:
            user: the user.
            issued_before: the moment, Unix seconds or a ``datetime`` with a zone; now if None. It may be
                in the future.
            except_session: a session that goes on, with its tokens.

        Raises:
            ValueError: the moment has no zone, or is none.
        """
        now = self._verifier.now()
        if issued_before is None:
            moment = max(now, self._verifier.latest_issue, self._issuer.latest_issue)
        else:
            moment = _seconds(issued_before)
        revocation = Revocation(user=user, issued_before=moment, except_session=except_session)
        await take_all(
            self._record(revocation, self._until(moment)),
            self._drop_sessions(user, None if moment >= now else moment, except_session),
        )

    def watch_revocations(self, listener: _Listener) -> Callable[[], None]:
        """Have a function awaited with each revocation from now on, once it is on record.

        What it raises is logged: the record stands. Whoever ends something waits for it; those who listen
        do not wait for each other. What is given ends it.
        """
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

        return stop

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
        self,
        holders: Sequence[tuple[str, Identity]],
        *,
        run_sync: RunSync | None = None,
        within: float | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> list[bool | None]:
        """Say of each of many tokens, and who was made of it, whether it was ended; None is not known.

        The revocations are asked once for all, then the blocklist and the session store for what is left,
        where nobody counts as active for it. One of those answers that is lost is not known, and takes
        nothing from the others.

        Args:
            holders: the tokens, and who was made of each.
            run_sync: calls a blocklist that is not async where it may block; None calls it here.
            within: seconds for the revocations, and again for all else; None waits for ever.
            failed: is told why an answer is not known.

        Raises:
            TimeoutError: the revocations take too long.
            Exception: whatever the revocations raise.
        """
        async with asyncio.timeout(within):
            ended = await self.revocations.find([holder for _, holder in holders])
        # A store that gives too few answers has given none.
        found: list[bool | None] = [one or None for one, _ in zip(ended, holders, strict=True)]
        left = deque(index for index, one in enumerate(found) if one is None)

        async def ask() -> None:
            while left:
                index = left.popleft()
                try:
                    found[index] = await self._is_ended_elsewhere(*holders[index], run_sync)
                except (Exception, asyncio.CancelledError) as error:
                    if _is_cancelled(error):
                        raise
                    if failed is not None:
                        failed(error)

        # So many ask, and none waits for another: an answer that is lost keeps one of them.
        asking = [asyncio.ensure_future(ask()) for _ in range(min(_AT_A_TIME, len(left)))]
        try:
            late = (await asyncio.wait(asking, timeout=within))[1] if asking else ()
        finally:
            for task in asking:
                task.cancel()
        if late and failed is not None:
            failed(TimeoutError(f"{len(late)} answers did not come within {within} s"))
        return found

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
        await asyncio.gather(*(_heard(listener, revocation) for listener in self._listeners))

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


_under_way: set[asyncio.Future[Any]] = set()
"""A loop holds its tasks weakly."""


async def take_all(*steps: Awaitable[None]) -> None:
    """Take several steps; none is left out because another fails, and no failure hides another.

    They are taken to their end also if whoever takes them is cancelled: what a step ends may be what waits
    for it.

    Raises:
        ExceptionGroup: more than one failed. The failure of one is raised as it is.
    """
    taken = asyncio.gather(*steps, return_exceptions=True)
    _under_way.add(taken)
    taken.add_done_callback(_under_way.discard)
    try:
        outcomes = await asyncio.shield(taken)
    except asyncio.CancelledError:
        taken.add_done_callback(_log_failures)
        raise
    failures = [outcome for outcome in outcomes if outcome is not None]
    if len(failures) > 1:
        raise BaseExceptionGroup("ending a login failed in several places", failures)
    if failures:
        raise failures[0]


def _log_failures(taken: asyncio.Future[list[BaseException | None]]) -> None:
    for failure in () if taken.cancelled() else taken.result():
        if failure is not None:
            logger.error("Ending a login failed, and nobody waits for it", exc_info=failure)


async def _heard(listener: _Listener, revocation: Revocation) -> None:
    try:
        await listener(revocation)
    except (Exception, asyncio.CancelledError) as error:
        if _is_cancelled(error):
            raise
        logger.exception("A listener failed to act on a revocation, which stands")


def _is_cancelled(error: BaseException) -> bool:
    """Whether an error ends this task, and is not merely that something it awaited was cancelled."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _seconds(moment: float | datetime) -> float:
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError("issued_before has no zone: which moment it is depends on the machine")
    return moment.timestamp()
