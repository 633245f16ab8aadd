"""What ends connections before their time: revocations as they are heard of, and a sweep for all others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from authx.auth.identity import Identity
from authx.auth.revocation import Revocation
from authx.socket.connection import Connection
from authx.socket.exceptions import Closing
from authx.socket.failures import is_cancelled
from authx.socket.handshake import Login
from authx.socket.registry import Registry
from authx.socket.thread import FewThreads

__all__ = ("Notices", "Sweep", "Watch")

logger = logging.getLogger(__name__)

_SHORTEST, _LONGEST = 1.0, 10.0
"""Seconds that answers are waited for, at least and at most."""
_THREADS = 8
"""In which blocklists that are not async are called, or hang."""

_End: TypeAlias = Callable[[Mapping[Connection, Closing]], object]


class Watch:
    """The revocations that have come since it began."""

    def __init__(self) -> None:
        self.heard: list[Revocation] = []

    def covers(self, identity: Identity) -> bool:
        """Whether one of them ends ``identity``."""
        return any(revocation.covers(identity) for revocation in self.heard)


class Notices:
    """Keeps what is revoked while somebody's credential is being looked at.

    A store that was asked before the revocation said that all is well, and the one who asked is in no table
    yet that the revocation could find it in.
    """

    def __init__(self) -> None:
        self._watches: set[Watch] = set()

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Keep what is revoked from now on; to be begun before a store is asked."""
        watch = Watch()
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def note(self, revocation: Revocation) -> None:
        """Tell those who are watching."""
        for watch in self._watches:
            watch.heard.append(revocation)

    def __len__(self) -> int:
        return len(self._watches)


class Sweep:
    """Asks the login at an interval which live connections were revoked without a notice, and ends them.

    Who is not known to be revoked stays, and is asked about again the next time. A store that does not
    answer is not waited for much longer than the interval.

    Args:
        login: Whom to ask.
        registry: The connections; while there are none, nothing is done.
        interval: Seconds from the end of one pass to the next.
        end: Ends connections.
        spawn: Starts a task.
        at_once: How many connections the login is asked about in one go.
    """

    def __init__(
        self,
        login: Login,
        registry: Registry,
        *,
        interval: float,
        end: _End,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        at_once: int = 500,
    ) -> None:
        self._login = login
        self._registry = registry
        self._interval = interval
        self._end = end
        self._spawn = spawn
        self._at_once = at_once
        self._timer: asyncio.TimerHandle | None = None
        self._is_running = False
        self._is_failing = False
        self._within = min(_LONGEST, max(_SHORTEST, interval))
        self._threads = FewThreads(_THREADS)

    def start(self) -> None:
        """See to it that there is a next pass."""
        if self._timer is None and not self._is_running:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._begin)

    def stop(self) -> None:
        """Begin no further pass."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._timer = None
        self._is_running = True
        self._spawn(self._run())

    async def _run(self) -> None:
        try:
            failures = await self._pass()
        finally:
            self._is_running = False
        if failures and not self._is_failing:
            logger.error(
                "it can't be told which connections were revoked; asked again later", exc_info=failures[0]
            )
        elif self._is_failing and not failures:
            logger.info("it can be told again which connections were revoked")
        self._is_failing = bool(failures)
        if len(self._registry):
            self.start()

    async def _pass(self) -> list[BaseException]:
        """Ask about all connections, and give what went wrong on the way."""
        failures: list[BaseException] = []
        live = [
            (connection, credential.token, identity)
            for connection in self._registry
            if (credential := connection.credential) is not None
            and (identity := connection.identity) is not None
        ]
        for first in range(0, len(live), self._at_once):
            chunk = live[first : first + self._at_once]
            try:
                revoked = await self._login.find_revoked(
                    [(token, identity) for _, token, identity in chunk],
                    run_sync=self._threads.run,
                    within=self._within,
                    failed=failures.append,
                )
                # Who has been refreshed meanwhile is judged by the new token, the next time.
                self._end(
                    {
                        connection: Closing("token_revoked")
                        for (connection, token, _), is_revoked in zip(chunk, revoked, strict=True)
                        if is_revoked and _shows(connection, token)
                    }
                )
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled(error):
                    raise
                failures.append(error)
        return failures


def _shows(connection: Connection, token: str) -> bool:
    return connection.credential is not None and connection.credential.token == token
