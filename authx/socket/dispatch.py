"""From an event's name to its handler, through the guards, to an outcome that can be told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from authx.socket.connection import Connection
from authx.socket.exceptions import Denial, Refusal, SocketError, code_for
from authx.socket.guards import Guards, unclaimed_guards
from authx.socket.injection import Invocation, compile_handler
from authx.socket.wire import check_handled, is_refused_from_clients, to_wire

__all__ = ("Dispatcher", "Outcome", "is_cancelled")

logger = logging.getLogger(__name__)

_ANY_EVENT = "*"
# What a handler of these may ask for by name.
_NAMED = {"connect": ("environ", "auth"), "disconnect": ("reason",)}


@dataclass(frozen=True, slots=True)
class _Entry:
    invocation: Invocation
    guards: Guards


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event: the values of its acknowledgement, or a failure."""

    values: tuple[Any, ...] = ()
    failure: SocketError | None = None


def is_cancelled(error: BaseException) -> bool:
    """Whether ``error`` ends this task, and is not merely that something a handler awaited was cancelled."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


class Dispatcher:
    """The handlers of one socket, by namespace and event.

    Args:
        provided: Values that handlers get by the type of an annotation.
    """

    def __init__(self, provided: Mapping[type, Any]) -> None:
        self._provided = provided
        self._entries: dict[str, dict[str, _Entry]] = {}

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces that have a handler."""
        return frozenset(self._entries)

    def register(self, event: str, handler: Callable[..., Any], namespace: str) -> None:
        """Let ``handler`` take ``event`` in ``namespace``; a later one replaces an earlier one.

        Raises:
            ReservedNameError: for an event that no client can send.
            TypeError: for a signature that cannot work.
            ValueError: for a namespace that no client can name.
        """
        if not namespace.startswith("/"):
            raise ValueError(f"a namespace starts with '/', unlike {namespace!r}")
        check_handled(event)
        invocation = compile_handler(handler, provided=self._provided, named=_NAMED.get(event, ()))
        self._entries.setdefault(namespace, {})[event] = _Entry(invocation, Guards(handler))

    async def connect(self, connection: Connection, environ: Mapping[str, Any], auth: Any) -> None:
        """Ask the app's connect handler, if there is one.

        Raises:
            SocketError: if a guard or the handler does not let the connection in.
            Exception: whatever else the handler raises.
        """
        entry = self._entry(connection.namespace, "connect")
        if entry is None:
            return
        self._judge(entry, connection)
        if await entry.invocation.call_named(connection, {"environ": environ, "auth": auth}) is False:
            raise Refusal("policy_denied", "Connection refused")

    def warn_of_lost_guards(self) -> None:
        """Log the guards that were put on functions which no handler calls, as far as can be told."""
        for guard in unclaimed_guards():
            logger.error("%s guards no handler: the function it was put on was never registered", guard)

    async def disconnect(self, connection: Connection, reason: str) -> None:
        """Tell the app's disconnect handler; its failure is logged, the connection is gone all the same."""
        entry = self._entry(connection.namespace, "disconnect")
        if entry is None:
            return
        try:
            await entry.invocation.call_named(connection, {"reason": reason})
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            logger.exception("the disconnect handler of %s failed", connection.namespace)

    async def event(self, connection: Connection, event: str, arguments: Sequence[Any]) -> Outcome:
        """Let ``event`` through the guards to its handler. Never raises what a handler raises."""
        try:
            return Outcome(await self._handle(connection, event, arguments))
        except SocketError as error:
            return Outcome(failure=error)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            code = code_for(error)
            if code == "internal_error":
                logger.exception("the handler of %r in %s failed", event, connection.namespace)
            return Outcome(failure=Denial(code))

    async def _handle(self, connection: Connection, event: str, arguments: Sequence[Any]) -> tuple[Any, ...]:
        if is_refused_from_clients(event):
            raise Denial("unknown_event")
        entry = self._entry(connection.namespace, event) if event != _ANY_EVENT else None
        if entry is None:
            entry = self._entry(connection.namespace, _ANY_EVENT)
            if entry is None:
                raise Denial("unknown_event")
            arguments = (event, *arguments)
        self._judge(entry, connection)
        result = await entry.invocation(connection, arguments)
        if result is None:
            return ()
        # As in python-socketio, a tuple is several values of the acknowledgement.
        return tuple(map(to_wire, result)) if isinstance(result, tuple) else (to_wire(result),)

    def _entry(self, namespace: str, event: str) -> _Entry | None:
        return self._entries.get(namespace, {}).get(event)

    @staticmethod
    def _judge(entry: _Entry, connection: Connection) -> None:
        for guard in entry.guards:
            guard.judge(connection)
