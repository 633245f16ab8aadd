"""How connections go on with a newer token, or with other rights: the same user, the same connection.

What changes, changes in one step: identity, credential, rooms, tables and the end. Events in flight were
judged before it or after it, and are never given a mix.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.credential import Credential
from authx.socket.exceptions import Closing, Denial, SocketError
from authx.socket.failures import as_failure, is_cancelled
from authx.socket.handshake import Handshake, Proof
from authx.socket.revocation import Watch
from authx.socket.rooms import identity_rooms
from authx.socket.succession import check_follows, is_current
from authx.socket.tenure import Tenure
from authx.socket.thread import HAND_OVER
from authx.socket.wire import REFRESH_EVENT, SESSION_EVENT, refresh_body, session_body

__all__ = ("Renewal",)

logger = logging.getLogger(__name__)


class Renewal(Tenure):
    """Changes who connections are while they are open.

    Args:
        judge_timeout: Seconds that the guards have to judge a connection that has changed.
        options: Of :class:`Tenure`, ``socketio.AsyncServer`` and ``engineio.AsyncServer``.
    """

    def __init__(self, *, judge_timeout: float, **options: Any) -> None:
        super().__init__(**options)
        self._judge_timeout = judge_timeout
        self._refreshing: dict[str, asyncio.Task[None]] = {}
        """By the sid that shows a newer token at this moment."""

    # A newer token ------------------------------------------------------------------------------------

    async def refresh_by_cookie(
        self, handshake: Handshake, key: str, fields: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Let the connection with ``key`` go on with the token in the cookie of a request.

        Args:
            handshake: What the request shows.
            key: The secret of the connection.
            fields: Of the request's body, where the CSRF value may be.

        Returns:
            The answer; None if there is no such connection.

        Raises:
            SocketError: if it is not let go on; nothing has changed then.
        """
        with self._notices.watch() as watch:
            proof = await self._door.renew_by_cookie(handshake, fields)
            self.obey_clock()
            connection = self.registry.with_key(key)
            if connection is None:
                return None
            answer = await self._renew(connection, proof, watch)
        self.obey_clock()
        return None if connection.ended else answer

    async def _handle_refresh(self, connection: Connection, ack: int | None, arguments: list[Any]) -> None:
        """Take ``authx:refresh {token}``. It waits for none of the connection's events, and runs alone."""
        if connection.sid in self._refreshing:
            self._tell_outcome(connection, REFRESH_EVENT, ack, (), Denial("rate_limited"))
        else:
            self._refreshing[connection.sid] = self._spawn(self._run_refresh(connection, ack, arguments))

    async def _run_refresh(self, connection: Connection, ack: int | None, arguments: list[Any]) -> None:
        values: tuple[Any, ...] = ()
        failure: SocketError | None = None
        try:
            values = (await self._refresh_by_event(connection, arguments),)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            failure = as_failure(error)
            if failure.code in ("internal_error", "store_unavailable"):
                logger.exception("a connection to %s can't be refreshed", connection.namespace)
        self._refreshing.pop(connection.sid, None)
        self._tell_outcome(connection, REFRESH_EVENT, ack, values, failure)

    async def _refresh_by_event(self, connection: Connection, arguments: list[Any]) -> dict[str, Any]:
        if len(arguments) != 1:
            raise Denial("validation_error")
        with self._notices.watch() as watch:
            proof = await self._door.renew_by_event(arguments[0])
            self.obey_clock()
            return await self._renew(connection, proof, watch)

    async def _renew(self, connection: Connection, proof: Proof, watch: Watch) -> dict[str, Any]:
        """Let ``connection`` go on by a newer token; the answer for its client.

        Raises:
            SocketError: if it may not. Nothing has changed then, or a guard has ended it.
        """
        current = connection.identity
        if current is None or connection.ended:
            # Nobody never becomes somebody, and what has ended stays ended.
            raise Denial("missing_token")
        check_follows(current, proof.identity)
        self._check_still_good(proof.identity, watch)
        if is_current(connection, proof):
            return refresh_body(current, ttl=self._ttl(current))
        if self._backlogs[connection.sid].is_full:
            # The app's hook would have to wait in there.
            raise Denial("rate_limited")
        self._reassign(connection, proof.identity, proof.credential)
        self._time(connection)
        # The guards go on to their end: one of them may be what ends the connection, and with it this task.
        failure = await asyncio.shield(self._judge_again(connection))
        if failure is not None:
            raise failure
        if not connection.ended:
            self._backlogs[connection.sid].add(partial(self._dispatcher.refreshed, connection))
        return refresh_body(proof.identity, ttl=self._ttl(proof.identity))

    # Other rights -------------------------------------------------------------------------------------

    async def update_user(
        self, user: str, *, scopes: Iterable[str] | None = None, roles: Iterable[str] | None = None
    ) -> int:
        """Change the rights of the connections that ``user`` has on this node, as ``AuthXSocket`` does."""
        change = partial(self._change_rights, user, _strings("scopes", scopes), _strings("roles", roles))
        return await self._at_home(change, within=self._judge_timeout + HAND_OVER) or 0

    async def _change_rights(
        self, user: str, scopes: frozenset[str] | None, roles: frozenset[str] | None
    ) -> int:
        self.obey_clock()
        changed = self.registry.of(user)
        for connection in changed:
            if connection.identity is not None and self._login is not None:
                identity = self._login.verifier.with_rights(connection.identity, scopes=scopes, roles=roles)
                self._reassign(connection, identity, connection.credential)
        # All at once: nobody stays for as long as the guards of another connection take.
        verdicts = [self._judge_again(connection) for connection in changed]
        for connection, verdict in zip(changed, verdicts, strict=True):
            if verdict.done():
                self._tell_rights(connection)
            else:
                verdict.add_done_callback(partial(self._tell_rights, connection))
        if verdicts:
            await asyncio.wait(verdicts)
        return len(changed)

    def _tell_rights(self, connection: Connection, _verdict: object = None) -> None:
        if connection.identity is not None and not connection.ended:
            self._tell(connection, SESSION_EVENT, self._session_of(connection, connection.identity))

    # Insides ------------------------------------------------------------------------------------------

    def _session_of(self, connection: Connection, identity: Identity) -> dict[str, Any]:
        return session_body(identity, key=connection.key, ttl=self._ttl(identity))

    def _reassign(self, connection: Connection, identity: Identity, credential: Credential | None) -> None:
        """Give a connection another identity in every table."""
        before = frozenset() if connection.identity is None else identity_rooms(connection.identity)
        after = identity_rooms(identity)
        sid, namespace = connection.sid, connection.namespace
        for room in before - after:
            self.manager.basic_leave_room(sid, namespace, room)
        for room in after - before:
            self.manager.basic_enter_room(sid, namespace, room, eio_sid=connection.transport)
        self.registry.renew(connection, identity, credential)

    def _stop_looking_after(self, sid: str) -> None:
        super()._stop_looking_after(sid)
        refreshing = self._refreshing.pop(sid, None)
        if refreshing is not None:
            # It may wait for a store that does not answer, and nobody waits for it any more.
            refreshing.cancel()

    def _judge_again(self, connection: Connection) -> asyncio.Future[SocketError | None]:
        """End a connection that its guards would not let into the namespace any more, and say why.

        Guards that take no time have judged when this returns, all others soon: in their own task, which goes
        on if whoever waits does not. Who is not judged in time is ended.
        """
        loop, judged = asyncio.get_running_loop(), connection.identity
        verdict: asyncio.Future[SocketError | None] = loop.create_future()

        def say(error: BaseException | None) -> None:
            if not verdict.done():
                verdict.set_result(None if error is None else self._turn_out(connection, judged, error))

        try:
            rest = self._dispatcher.judge_again(connection)
        except Exception as error:  # noqa: BLE001 - judged there
            say(error)
            return verdict
        if rest is None:
            say(None)
            return verdict
        judging = self._spawn(_hear(rest, say))

        def give_up() -> None:
            say(TimeoutError(f"the guards took longer than {self._judge_timeout} s"))
            judging.cancel()

        # Not by a timeout around it: a guard in a thread can't be cancelled.
        limit = loop.call_later(self._judge_timeout, give_up)
        verdict.add_done_callback(lambda _: limit.cancel())
        return verdict

    def _turn_out(
        self, connection: Connection, judged: Identity | None, error: BaseException
    ) -> SocketError | None:
        """End a connection whose guards raised ``error`` about an identity, and say why if it has ended."""
        failure = as_failure(error)
        if failure.code == "internal_error" and not connection.ended:
            logger.error("the guards of %s failed", connection.namespace, exc_info=error)
        # Who has been given yet another identity meanwhile is judged by that.
        if connection.identity is judged:
            retry = failure.retry if failure.code == "internal_error" else False
            self._end({connection: Closing(failure.code, failure.message, retry=retry)})
        return failure if connection.ended else None


async def _hear(rest: Awaitable[None], say: Callable[[BaseException | None], None]) -> None:
    """Pass on what guards say, or raise."""
    try:
        await rest
    except (Exception, asyncio.CancelledError) as error:
        say(error)
        if is_cancelled(error):
            raise
    else:
        say(None)


def _strings(name: str, values: Iterable[str] | None) -> frozenset[str] | None:
    if values is None:
        return None
    found = frozenset(values)
    # A text is a collection of its letters.
    if isinstance(values, str) or not all(isinstance(value, str) for value in found):
        raise TypeError(f"{name} are a collection of strings")
    return found
