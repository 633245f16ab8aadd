"""How connections stay and leave: as long as their login is good, and not a moment longer.

Timers only say when to look. What the clock says is obeyed before every event and every emit, so that a late
timer lets nothing through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar
from weakref import WeakMethod

from socketio import packet as packets

from authx.auth.identity import Identity
from authx.auth.revocation import Revocation
from authx.socket.audience import Selection
from authx.socket.connection import Connection
from authx.socket.device import Departure, Device
from authx.socket.exceptions import Closing, Refusal
from authx.socket.exchange import Exchange
from authx.socket.expiry import Expiry
from authx.socket.handshake import Door, Login
from authx.socket.revocation import Notices, Sweep, Watch
from authx.socket.thread import HAND_OVER, in_loop
from authx.socket.wire import CLOSING_EVENT, EXPIRING_EVENT, closing_body, expiring_body

__all__ = ("Tenure",)

_R = TypeVar("_R")

_LOOK_EVERY = 1.0
"""Seconds after which the clock is looked at again, for it may have been set, or the machine been asleep."""
_LOOK_AGAIN = 0.01
"""Seconds that are left at least between two looks."""


class Tenure(Exchange):
    """The time that connections have.

    Args:
        door: Says whom a credential stands for.
        grace: Seconds for which a connection goes on after its token is over.
        expiring_before: Seconds before the end at which the client is warned.
        sweep_interval: Seconds between two questions which connections were revoked.
        options: Of :class:`Exchange`, ``socketio.AsyncServer`` and ``engineio.AsyncServer``.
    """

    def __init__(
        self,
        *,
        door: Door,
        grace: float = 0.0,
        expiring_before: float = 60.0,
        sweep_interval: float = 30.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._door = door
        self._login = door.login
        self._grace = grace
        self._devices: dict[str, Device] = {}
        self._expiry = Expiry(expiring_before=expiring_before)
        self._alarm: asyncio.TimerHandle | None = None
        self._notices = Notices()
        self._sweep: Sweep | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        """Where the connections are served; there are none before it is known."""
        if self._login is not None:
            self._sweep = Sweep(
                self._login, self.registry, interval=sweep_interval, end=self._end, spawn=self._spawn
            )
            _watch(self._login, self.heed)

    # The clock ----------------------------------------------------------------------------------------

    def obey_clock(self) -> None:
        """End the connections whose time is over, and warn those for whom it is time.

        When this returns, no table holds a connection that is over.
        """
        due = self._expiry.next
        if self._login is None or due is None or (now := self._login.verifier.now()) < due:
            return
        found = self._expiry.due(now)
        self._end(dict.fromkeys(self._known(found.over), Closing("token_expired")))
        for connection in self._known(found.expiring):
            self._tell(connection, EXPIRING_EVENT, expiring_body(self._ttl(connection.identity)))

    def _known(self, sids: Iterable[str]) -> list[Connection]:
        return [connection for sid in sids if (connection := self.registry.get(sid)) is not None]

    def _ends_at(self, identity: Identity | None) -> float | None:
        """When a connection of ``identity`` is ended, in Unix seconds; None is never."""
        if self._login is None or identity is None or identity.expires_at is None:
            return None
        return identity.expires_at + (self._login.config.JWT_DECODE_LEEWAY or 0) + self._grace

    def _ttl(self, identity: Identity | None) -> float | None:
        """Seconds until then."""
        end = self._ends_at(identity)
        if end is None or self._login is None:
            return None
        return max(0.0, end - self._login.verifier.now())

    def _time(self, connection: Connection) -> None:
        """Let a connection end when its identity does."""
        if self._login is not None:
            self._expiry.set(
                connection.sid, now=self._login.verifier.now(), end=self._ends_at(connection.identity)
            )
            self._set_alarm()

    def _set_alarm(self) -> None:
        """Look at the clock when the next mark is due, or after a while, whichever is first."""
        due = self._expiry.next
        if due is None or self._login is None:
            self._cancel_alarm()
            return
        loop = asyncio.get_running_loop()
        delay = min(_LOOK_EVERY, max(_LOOK_AGAIN, due - self._login.verifier.now()))
        if self._alarm is None or self._alarm.when() > loop.time() + delay:
            self._cancel_alarm()
            self._alarm = loop.call_later(delay, self._ring)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self) -> None:
        self._alarm = None
        try:
            self.obey_clock()
        finally:
            self._set_alarm()

    # Staying ------------------------------------------------------------------------------------------

    def _check_still_good(self, identity: Identity | None, watch: Watch) -> None:
        """Raise unless what was found out a while ago is still so.

        Raises:
            Refusal: ``token_expired``, or ``token_revoked`` if ``watch`` has heard so.
        """
        if identity is None or self._login is None:
            return
        end = self._ends_at(identity)
        if end is not None and end - self._grace <= self._login.verifier.now():
            raise Refusal("token_expired")
        if watch.covers(identity):
            raise Refusal("token_revoked")

    def _look_after(self, connection: Connection) -> None:
        """Look after a connection that has been admitted."""
        self._time(connection)
        if self._sweep is not None:
            self._sweep.start()

    def _tell(self, connection: Connection, event: str, body: Mapping[str, Any]) -> None:
        """Send an event of the library's, unless the connection has left."""
        if self.registry.get(connection.sid) is connection:
            self._send(connection.transport, packets.EVENT, connection.namespace, [event, body])

    # Revocation ---------------------------------------------------------------------------------------

    async def heed(self, revocation: Revocation) -> None:
        """End what a revocation covers.

        Everything it covers is in no table any more when this returns. The app's disconnect handlers are not
        waited for: one of them may be what revokes. It may be called in any event loop.
        """
        await self._at_home(partial(self._heed, revocation))

    async def _heed(self, revocation: Revocation) -> None:
        self._notices.note(revocation)
        self._end(dict.fromkeys(self.registry.covered_by(revocation), Closing("token_revoked")))

    async def _at_home(
        self, work: Callable[[], Coroutine[Any, Any, _R]], *, within: float = HAND_OVER
    ) -> _R | None:
        """Do something in the loop that the connections are served in; None if that one is closed."""
        home = self._home
        if home is None or home is asyncio.get_running_loop():
            return await work()
        return None if home.is_closed() else await in_loop(home, work, within=within)

    # Leaving ------------------------------------------------------------------------------------------

    async def dismiss(self, closing: Closing, selection: Selection) -> int:
        """End the connections of ``selection`` that are on this node, and tell each of them why."""
        ending = dict.fromkeys(self.members(selection), closing)
        goodbyes = self._end(ending)
        if goodbyes:
            await asyncio.wait(goodbyes)
        return len(ending)

    def _end(self, ending: Mapping[Connection, Closing]) -> set[asyncio.Task[None]]:
        """Take connections out of every table at once, and have them and the app told."""
        live = {
            connection: closing
            for connection, closing in ending.items()
            if self.registry.get(connection.sid) is connection
        }
        goodbyes = {
            self._leave(self._devices[connection.transport], connection, self.reason.SERVER_DISCONNECT)
            for connection in live
        }
        # Nobody is in a table any more, so nothing comes after the last word.
        for connection, closing in live.items():
            transport, namespace = connection.transport, connection.namespace
            self._send(transport, packets.EVENT, namespace, [CLOSING_EVENT, closing_body(closing)])
            self._send(transport, packets.DISCONNECT, namespace, None)
        return goodbyes

    def _leave(self, device: Device, connection: Connection, reason: str) -> asyncio.Task[None]:
        """Take a connection out of every table at once, and have the app told."""
        sid, namespace = connection.sid, connection.namespace
        departure = Departure(sid, namespace, device, rooms=set(super().rooms(sid, namespace)) - {sid})
        self.registry.remove(sid)
        connection.ended = True
        self._stop(sid)
        self._stop_looking_after(sid)
        self.manager.basic_disconnect(sid, namespace)
        transport = self.eio.sockets.get(device.id)
        if transport is not None:
            # The next login on this transport has a dict of its own.
            departure.session = transport.session.pop(namespace, {})
        self._departures[sid] = departure
        departure.goodbye = self._spawn(self._say_goodbye(connection, reason))
        return departure.goodbye

    def _stop_looking_after(self, sid: str) -> None:
        self._expiry.discard(sid)
        if self._expiry.next is None:
            self._cancel_alarm()
        if self._sweep is not None and not len(self.registry):
            self._sweep.stop()

    async def _say_goodbye(self, connection: Connection, reason: str) -> None:
        try:
            await self._dispatcher.disconnect(connection, reason)
        finally:
            del self._departures[connection.sid]


def _watch(login: Login, listen: Callable[[Revocation], Awaitable[None]]) -> None:
    """Have ``listen``, a method, hear of revocations as long as somebody else holds its object.

    A login may outlive the sockets. What it keeps of them is in the login alone: in anything global, the
    app's callbacks, which the login holds, would hold the sockets for ever.
    """
    stop: list[Callable[[], None]] = []
    method = WeakMethod(listen, lambda _: [end() for end in stop])

    async def listen_while_it_lasts(revocation: Revocation) -> None:
        found = method()
        if found is not None:
            await found(revocation)

    stop.append(login.watch_revocations(listen_while_it_lasts))
