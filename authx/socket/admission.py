"""The decision about one arrival: who it is, and whether the app wants it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from authx.socket.connection import Connection
from authx.socket.device import Arrival
from authx.socket.dispatch import Dispatcher
from authx.socket.exceptions import Refusal
from authx.socket.failures import as_failure, is_cancelled
from authx.socket.handshake import Door, Entrant
from authx.socket.limits import FailureThrottle, UserLimits

__all__ = ("Admission",)

logger = logging.getLogger(__name__)


class Admission:
    """Asks the door, then the limits, then the app's connect handler.

    Args:
        door: Says who is asking.
        dispatcher: The app's handlers.
        limits: How many connections a user may have.
        failures: Who has been refused too often.
        timeout: Seconds that the whole of it may take.
        clock: Gives the current time in Unix seconds.
    """

    def __init__(
        self,
        door: Door,
        dispatcher: Dispatcher,
        *,
        limits: UserLimits,
        failures: FailureThrottle,
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self._door = door
        self._dispatcher = dispatcher
        self._limits = limits
        self._failures = failures
        self._timeout = timeout
        self._clock = clock

    async def decide(self, arrival: Arrival, payload: Any) -> Connection:
        """The connection that may be admitted.

        Raises:
            Refusal: for every way in which this can fail; what is not the client's business is logged.
        """
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                if arrival.device.abandoned:
                    await asyncio.wait(arrival.device.abandoned)
                connection = await self._identify(arrival, payload)
                # Decided when it enters, for others may be faster; but who has no room now bothers no app.
                self._limits.make_room(connection)
                await self._dispatcher.connect(connection, arrival.device.environ, payload)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            if limit.expired():
                raise Refusal("connect_timeout") from error
            refusal = _refusal(error)
            if refusal.code in ("internal_error", "store_unavailable"):
                logger.exception("connecting to %s failed: %s", arrival.namespace, refusal)
            raise refusal from error
        if arrival.turned_away:
            raise Refusal("policy_denied", "Connection refused")
        return connection

    async def _identify(self, arrival: Arrival, payload: Any) -> Connection:
        handshake = arrival.device.handshake
        entrant = await self._ask(arrival, payload)
        return Connection(
            sid=arrival.sid,
            namespace=arrival.namespace,
            device=arrival.device.name,
            transport=arrival.device.id,
            identity=entrant.identity,
            admitted_as=entrant.identity,
            credential=entrant.credential,
            connected_at=self._clock(),
            address=handshake.address,
            user_agent=handshake.headers.get("user-agent"),
            key=secrets.token_urlsafe(24),
            opened_with=arrival.device.environ.get("asgi.scope", {}),
        )

    async def _ask(self, arrival: Arrival, payload: Any) -> Entrant:
        """Who the door says it is, unless the address has been refused too often."""
        handshake = arrival.device.handshake
        self._failures.check(handshake.address)
        try:
            return await self._door.identify(
                handshake, payload, allow_anonymous=self._dispatcher.allows_anonymous(arrival.namespace)
            )
        except Refusal as refusal:
            self._failures.count(handshake.address, refusal.code)
            raise


def _refusal(error: BaseException) -> Refusal:
    """``error`` as a refusal, with nothing of the inside in its text."""
    if isinstance(error, Refusal):
        return error
    said = getattr(error, "error_args", None)
    if isinstance(said, Mapping):
        # python-socketio's ConnectionRefusedError: the app's own words for the client.
        return Refusal("policy_denied", said["message"], data=said.get("data"))
    if isinstance(error, ConnectionRefusedError) and error.errno is None:
        # Python's own is a refusal when the app raises it, and a failure when a store refused the app.
        return Refusal("policy_denied", "Connection refused")
    failure = as_failure(error)
    return Refusal(failure.code, failure.message, details=failure.details, retry=failure.retry)
