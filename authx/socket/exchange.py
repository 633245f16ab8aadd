"""What admitted connections exchange with the app: events in, outcomes out, acknowledgements both ways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any

from socketio import packet as packets

from authx.socket.backlog import Backlog
from authx.socket.connection import Connection
from authx.socket.dispatch import Dispatcher
from authx.socket.exceptions import Denial, SocketError
from authx.socket.surface import Surface
from authx.socket.wire import EXCEPTION_EVENT, error_body, exception_body

__all__ = ("Exchange",)

logger = logging.getLogger(__name__)

_DEFAULT = "/"


class Exchange(Surface):
    """The server's dealings with connections that are in.

    Args:
        dispatcher: The app's handlers.
        max_in_flight: How many events of one connection may run at once.
        options: Options of ``socketio.AsyncServer`` and ``engineio.AsyncServer``.
    """

    def __init__(self, *, dispatcher: Dispatcher, max_in_flight: int, **options: Any) -> None:
        super().__init__(**options)
        self._dispatcher = dispatcher
        self._max_in_flight = max_in_flight
        self._backlogs: dict[str, Backlog] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _begin(self, sid: str) -> None:
        """Take events of a connection from now on."""
        self._backlogs[sid] = Backlog(self._spawn, most=self._max_in_flight)

    def _stop(self, sid: str) -> None:
        """Start no more events of a connection, and expect no answer of it."""
        self._backlogs.pop(sid).close()
        self.questions.leave(sid)

    # Events -------------------------------------------------------------------------------------------

    async def _take_event(self, connection: Connection, ack: int | None, data: list[Any]) -> None:
        backlog = self._backlogs[connection.sid]
        if backlog.is_full:
            # Whoever reads this transport waits in here, and reads nothing meanwhile.
            await backlog.room()
        if not backlog.closed:
            backlog.add(partial(self._run_event, connection, data[0], data[1:], ack))

    async def _run_event(
        self, connection: Connection, event: str, arguments: list[Any], ack: int | None
    ) -> None:
        self.obey_clock()
        if connection.ended:
            return
        outcome = await self._dispatcher.event(connection, event, arguments, obey_clock=self.obey_clock)
        self._tell_outcome(connection, event, ack, outcome.values, outcome.failure)

    def _tell_outcome(
        self,
        connection: Connection,
        event: str,
        ack: int | None,
        values: tuple[Any, ...],
        failure: SocketError | None,
    ) -> None:
        try:
            frames = self._outcome_frames(connection, event, ack, values, failure)
        except Exception:
            logger.exception("the outcome of %r in %s can't be told", event, connection.namespace)
            frames = self._outcome_frames(connection, event, ack, (), Denial("internal_error"))
        self.obey_clock()
        if not connection.ended:
            self.put(connection.transport, frames)

    def _outcome_frames(
        self,
        connection: Connection,
        event: str,
        ack: int | None,
        values: tuple[Any, ...],
        failure: SocketError | None,
    ) -> list[str | bytes]:
        if ack is not None:
            data = list(values) if failure is None else [error_body(failure)]
            return self.encoded(packets.ACK, connection.namespace, data, ack)
        if failure is not None:
            return self.encoded(
                packets.EVENT, connection.namespace, [EXCEPTION_EVENT, exception_body(failure, event)]
            )
        return []

    async def _handle_ack(self, eio_sid: str, namespace: str | None, ack: int, data: list[Any]) -> None:
        self.obey_clock()
        connection = self.registry.at(eio_sid, namespace or _DEFAULT)
        # Id 0 is where the manager keeps its counter.
        if connection is not None and ack > 0 and ack in self.manager.callbacks.get(connection.sid, ()):
            self._spawn(self._run_callback(connection, ack, data))

    async def _run_callback(self, connection: Connection, ack: int, data: list[Any]) -> None:
        try:
            await self.manager.trigger_callback(connection.sid, ack, data)
        except Exception:
            logger.exception("the callback of an emit to %s failed", connection.namespace)

    def _send(self, transport: str, kind: int, namespace: str, data: Any) -> None:
        self.put(transport, self.encoded(kind, namespace, data))

    # Tasks ----------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settle(self) -> bool:
        """Wait until nothing is under way: no event, nobody coming in, no goodbye; False if nothing was.

        Not for handlers, which would wait for themselves.
        """
        waited = bool(self._tasks)
        while self._tasks:
            await asyncio.wait(self._tasks)
        return waited
