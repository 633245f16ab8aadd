"""From an event's name to its handler, through the guards, to an outcome that can be told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from authx.auth.identity import Identity
from authx.socket.answer import untyped
from authx.socket.attachment import Guards, Judge, unclaimed_guards
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial, Refusal, SocketError
from authx.socket.failures import as_failure, handled, is_cancelled
from authx.socket.injection import Injector, Invocation
from authx.socket.material import Supply
from authx.socket.router import Layer
from authx.socket.signature import is_async
from authx.socket.wire import LIFECYCLE, check_handled, is_refused_from_clients

__all__ = ("Dispatcher", "Outcome")

logger = logging.getLogger(__name__)

_ANY_EVENT = "*"
# What a handler of these may ask for by name.
_NAMED = {"connect": ("environ", "auth"), "disconnect": ("reason",)}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One registered handler."""

    invocation: Invocation
    guards: Guards
    """Those of its layers before its own."""
    path: tuple[Layer, ...]
    admits_anonymous: bool
    takes_any_event: bool
    """It is given the name of the event first."""


@dataclass(slots=True)
class _Namespace:
    """What is registered in one namespace."""

    entries: dict[str, _Entry] = field(default_factory=dict)
    around: dict[Layer, None] = field(default_factory=dict)
    """The layers of its handlers; their guards judge whoever connects."""
    admits_anonymous: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of an event: the values of its acknowledgement, or a failure."""

    values: tuple[Any, ...] = ()
    failure: SocketError | None = None


class _Ended(Exception):
    """The connection has ended while its event was on its way to the handler; nobody hears the outcome."""


class Dispatcher:
    """The handlers of one socket, by namespace and event.

    Args:
        supply: What handlers are given besides what the event has.
        deny_unguarded: Deny the events that carry no guard.
        allow_anonymous: Let anonymous connections reach every handler that has no guard; else only those
            whose router or namespace says so.
    """

    def __init__(
        self, supply: Supply | None = None, *, deny_unguarded: bool = False, allow_anonymous: bool = False
    ) -> None:
        self._injector = Injector(supply or Supply())
        self._deny_unguarded = deny_unguarded
        self._root = Layer(allow_anonymous=allow_anonymous)
        self._namespaces: dict[str, _Namespace] = {}
        self._on_refresh: dict[str, Invocation] = {}
        """By namespace. They serve none: a namespace is there for its events."""

    @property
    def namespaces(self) -> frozenset[str]:
        """The namespaces that have a handler."""
        return frozenset(self._namespaces)

    def allows_anonymous(self, namespace: str) -> bool:
        """Whether a client that shows no credential may connect to ``namespace``."""
        found = self._namespaces.get(namespace)
        return self._root.allow_anonymous or (found is not None and found.admits_anonymous)

    def unguarded(self) -> list[tuple[str, str]]:
        """The events that carry no guard, each as namespace and event."""
        return sorted(
            (name, event)
            for name, namespace in self._namespaces.items()
            for event, entry in namespace.entries.items()
            if event not in LIFECYCLE and not entry.guards
        )

    def exception_handler(self, *kinds: type[Exception]) -> Callable[..., Any]:
        """Let a function answer exceptions of some classes, wherever no router answers them."""
        return self._root.exception_handler(*kinds)

    def register(
        self, event: str, handler: Callable[..., Any], namespace: str, path: tuple[Layer, ...] = ()
    ) -> None:
        """Let ``handler`` take ``event`` in ``namespace``; a later one replaces an earlier one.

        Args:
            event: Its name; ``*`` for all that have no handler of their own.
            handler: What takes it.
            namespace: Where.
            path: The layers it was registered through, the outermost first.

        Raises:
            ReservedNameError: for an event that no client can send.
            TypeError: for a signature that cannot work.
            ValueError: for a namespace that no client can name.
        """
        if not namespace.startswith("/"):
            raise ValueError(f"a namespace starts with '/', unlike {namespace!r}")
        check_handled(event)
        path = (self._root, *path)
        # Whoever was admitted is told goodbye, whatever became of the login since.
        markers = [] if event == "disconnect" else [marker for layer in path for marker in layer.dependencies]
        invocation = self._injector.compile(handler, named=_NAMED.get(event, ()), dependencies=markers)
        admits_anonymous = any(layer.allow_anonymous for layer in path)
        guards = Guards(handler, around=[layer.guards for layer in path])
        found = self._namespaces.setdefault(namespace, _Namespace())
        found.entries[event] = _Entry(invocation, guards, path, admits_anonymous, event == _ANY_EVENT)
        found.around.update(dict.fromkeys(path))
        found.admits_anonymous = found.admits_anonymous or admits_anonymous

    async def connect(self, connection: Connection, environ: Mapping[str, Any], auth: Any) -> None:
        """Ask the guards of the namespace, and the app's connect handler if there is one.

        Raises:
            SocketError: if a guard or the handler does not let the connection in.
            Exception: whatever else the handler raises.
        """
        namespace = self._namespaces.get(connection.namespace)
        if namespace is None:
            return
        entry = namespace.entries.get("connect")
        path = tuple(namespace.around) if entry is None else entry.path
        try:
            await self._of_namespace(namespace).judge(connection)
            if entry is None:
                return
            verdict = await entry.invocation.call_named(connection, {"environ": environ, "auth": auth})
        except Exception as error:
            # An exception handler may say what to tell the client, but lets nobody in.
            await handled(connection, error, path)
            raise
        if verdict is False:
            raise Refusal("policy_denied", "Connection refused")

    def on_refresh(self, handler: Callable[..., Any], namespace: str) -> None:
        """Let ``handler`` hear of every connection in ``namespace`` that goes on with a newer token.

        Raises:
            TypeError: for a signature that cannot work: there are no arguments to be given.
        """
        invocation = self._injector.compile(handler)
        if invocation.arity:
            raise TypeError(f"{handler!r} asks for arguments, which a refresh does not have")
        self._on_refresh[namespace] = invocation

    async def refreshed(self, connection: Connection) -> None:
        """Tell the app of a refresh; its failure is logged, what was refreshed is refreshed."""
        handler = self._on_refresh.get(connection.namespace)
        if handler is None:
            return
        try:
            await handler.call_named(connection, {})
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            logger.exception("the refresh handler of %s failed", connection.namespace)

    def judge_again(self, connection: Connection) -> Awaitable[None] | None:
        """Ask the guards of who may be in the namespace about the identity of now.

        Those that take no time are asked at once, all others when what this gives is awaited; None if there
        are no others. Now or then it raises what does not let the connection stay.
        """
        namespace = self._namespaces.get(connection.namespace)
        guards = () if namespace is None else self._of_namespace(namespace)
        left = iter(sorted(filter(_authorizes, guards), key=lambda guard: is_async(guard.judge)))
        for guard in left:
            verdict = guard.judge(connection)
            if verdict is not None:
                return _judge_on(verdict, left, connection)
        return None

    @staticmethod
    def _of_namespace(namespace: _Namespace) -> Guards:
        """The guards that judge whoever connects."""
        connect = namespace.entries.get("connect")
        own = [] if connect is None else [connect.guards]
        return Guards(around=[*(layer.guards for layer in namespace.around), *own])

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

    async def event(
        self,
        connection: Connection,
        event: str,
        arguments: Sequence[Any],
        *,
        obey_clock: Callable[[], None] | None = None,
    ) -> Outcome:
        """Let ``event`` through the guards to its handler. Never raises what a handler raises.

        Args:
            connection: Whose event it is.
            event: Its name.
            arguments: As they came.
            obey_clock: Ends the connections whose time is over; asked when the guards have taken theirs, and
                when the dependencies have.
        """
        entry = self._taker(connection.namespace, event)
        if entry is None:
            return await self._answer(connection, event, Denial("unknown_event"), (self._root,))
        if entry.takes_any_event:
            arguments = (event, *arguments)
        try:
            judged = await self._judge(entry, connection, obey_clock)
            still_may = None
            if entry.invocation.takes_time:
                still_may = partial(self._check_again, entry, connection, obey_clock, judged)
            return Outcome(await entry.invocation(connection, arguments, still_may))
        except _Ended:
            return Outcome()
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            return await self._answer(connection, event, error, entry.path)

    def _taker(self, namespace: str, event: str) -> _Entry | None:
        """What takes an event of a client."""
        if is_refused_from_clients(event):
            return None
        entry = self._entry(namespace, event)
        return self._entry(namespace, _ANY_EVENT) if entry is None else entry

    async def _judge(
        self,
        entry: _Entry,
        connection: Connection,
        obey_clock: Callable[[], None] | None,
        *,
        again: bool = False,
    ) -> Identity | None:
        """Ask the guards of an event, and give the identity that they let through.

        Args:
            entry: What takes the event.
            connection: Whose it is.
            obey_clock: Ends the connections whose time is over; asked when the guards have taken theirs.
            again: Whether they have been asked before about this event; then it does not count once more.

        Raises:
            _Ended: it ended meanwhile.
            Exception: what the first of them raises that does not let it through.
        """
        guards = entry.guards.current()
        if self._deny_unguarded and not entry.guards:
            raise Denial("policy_denied")
        if connection.identity is None and not entry.admits_anonymous:
            raise Denial("missing_token")
        while True:
            judged = connection.identity
            await _judge(filter(_authorizes, guards) if again else guards, connection)
            if obey_clock is not None:
                obey_clock()
            if connection.ended:
                raise _Ended
            # Who was given another identity meanwhile is judged by that one.
            if connection.identity is judged:
                return judged
            again = True

    async def _check_again(
        self,
        entry: _Entry,
        connection: Connection,
        obey_clock: Callable[[], None] | None,
        judged: Identity | None,
    ) -> None:
        """See that what was judged a while ago still holds; it raises as :meth:`_judge` does."""
        if obey_clock is not None:
            obey_clock()
        if connection.ended:
            raise _Ended
        if connection.identity is not judged:
            await self._judge(entry, connection, obey_clock, again=True)

    @staticmethod
    async def _answer(
        connection: Connection, event: str, error: BaseException, path: tuple[Layer, ...]
    ) -> Outcome:
        """What the app makes of ``error``, or the failure that it is."""
        try:
            return Outcome(untyped(await handled(connection, error, path)))
        except (Exception, asyncio.CancelledError) as left:
            if is_cancelled(left):
                raise
            failure = as_failure(left)
            if failure.code == "internal_error":
                logger.exception("the handler of %r in %s failed", event, connection.namespace)
            return Outcome(failure=failure)

    def _entry(self, namespace: str, event: str) -> _Entry | None:
        found = self._namespaces.get(namespace)
        return None if found is None else found.entries.get(event)


async def _judge(guards: Iterable[Judge], connection: Connection) -> None:
    for guard in guards:
        verdict = guard.judge(connection)
        if verdict is not None:
            await verdict


async def _judge_on(verdict: Awaitable[None], left: Iterable[Judge], connection: Connection) -> None:
    await verdict
    await _judge(left, connection)


def _authorizes(guard: Judge) -> bool:
    return getattr(guard, "authorizes", True)
