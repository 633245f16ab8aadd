"""A connection of a test client, and what a client does with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from socketio import packet as packets

from authx.socket.exceptions import Closing, Denial, Refusal
from authx.socket.testing.inbox import Event, Inbox
from authx.socket.testing.transport import Transport

__all__ = ("ClientConnection",)


class ClientConnection:
    """One connection, made by :meth:`SocketTestClient.connect`.

    Waits take two seconds at most, or what the test client was given.
    """

    def __init__(
        self,
        transport: Transport,
        inbox: Inbox,
        *,
        namespace: str,
        payload: Any,
        settle: Callable[[], Awaitable[None]],
        obey_clock: Callable[[], None],
        timeout: float,
    ) -> None:
        self.namespace = namespace
        self.transport = transport
        """The websocket, for who wants to send frames of their own."""
        self._inbox = inbox
        self._payload = payload
        self._settle = settle
        self._obey_clock = obey_clock
        self._timeout = timeout

    @property
    def sid(self) -> str:
        """The connection's id, as the server knows it."""
        return self._inbox.sid

    @property
    def session(self) -> dict[str, Any]:
        """What ``authx:session`` says of this client: empty for an anonymous one."""
        return self._inbox.session or {}

    @property
    def user(self) -> str | None:
        """Who the server takes this client for."""
        return self.session.get("user")

    @property
    def is_connected(self) -> bool:
        """Whether the connection goes on, as far as has been heard."""
        return not self._inbox.ended

    # Events -------------------------------------------------------------------------------------------

    async def emit(self, event: str, *arguments: Any) -> None:
        """Send an event that is not acknowledged. A failure comes back as the event ``exception``.

        The server has read it when this returns; :meth:`SocketTestClient.settle` waits for what it does.

        Raises:
            ConnectionError: if the connection has ended.
            TimeoutError: if the server does not read on, because too many events are under way.
        """
        self._check_connected()
        await self.transport.send(packets.EVENT, self.namespace, [event, *arguments])

    async def call(self, event: str, *arguments: Any, timeout: float | None = None) -> Any:
        """Send an event and give back its acknowledgement: None, a value, or a tuple of several.

        Raises:
            Denial: if the acknowledgement is a failure.
            ConnectionError: if the connection ends before the answer.
            TimeoutError: if there is none in time.
        """
        self._check_connected()
        number = await self.transport.ask(self.namespace, (event, *arguments))
        try:
            values = await self._inbox.until(
                lambda: self._inbox.answers[number],
                what=f"the acknowledgement of {event!r}",
                timeout=self._timeout if timeout is None else timeout,
            )
        finally:
            del self._inbox.answers[number]
        denial = _denial(values)
        if denial is not None:
            raise denial
        return values if len(values) > 1 else next(iter(values), None)

    async def expect_denied(self, event: str, *arguments: Any) -> Denial:
        """Send an event and give back the failure that it is acknowledged with.

        Raises:
            AssertionError: if it is let through.
        """
        try:
            answer = await self.call(event, *arguments)
        except Denial as denial:
            return denial
        raise AssertionError(f"{event!r} was let through, and acknowledged with {answer!r}")

    async def receive(self, event: str | None = None, *, timeout: float | None = None) -> Event:
        """The oldest event that was not given back before; of that name, if one is given.

        Raises:
            TimeoutError: if there is none in time.
            ConnectionError: if the connection has ended, so that there will be none.
        """
        self._obey_clock()
        return await self._inbox.until(
            lambda: self._inbox.next_unread(event),
            what="an event" if event is None else f"the event {event!r}",
            timeout=self._timeout if timeout is None else timeout,
        )

    def received(self, event: str | None = None) -> list[Event]:
        """All that has come so far, read or not; of that name, if one is given."""
        return [found for found in self._inbox.events if event is None or found.name == event]

    async def nothing_received(self, event: str | None = None) -> None:
        """Prove that no event is unread or on its way; of that name, if one is given.

        Waits until everything that clients have sent has been dealt with, on every node of an
        :class:`InMemoryBus`, and then for all that the server had to say to this client. What an app does in
        tasks of its own is not waited for.

        Raises:
            AssertionError: if there is one.
            TimeoutError: if a handler does not end, so that nothing is proved.
        """
        await self._settle()
        await self.transport.round_trip()
        found = [unread for unread in self._inbox.unread if event is None or unread.name == event]
        if found:
            raise AssertionError(f"received {found}")

    # Namespaces, and the end ----------------------------------------------------------------------------

    async def connect(self, namespace: str, *, auth: Mapping[str, Any] | None = None) -> ClientConnection:
        """Connect the same device to another namespace.

        Args:
            namespace: Its name.
            auth: The ``auth`` payload; the same as before when left out.

        Raises:
            Refusal: as the server said it.
        """
        payload = self._payload if auth is None else auth
        inbox = await self.transport.connect(namespace, payload)
        # The server says who this is, and what it held, in one go with its yes.
        await self.transport.round_trip()
        return ClientConnection(
            self.transport,
            inbox,
            namespace=namespace,
            payload=payload,
            settle=self._settle,
            obey_clock=self._obey_clock,
            timeout=self._timeout,
        )

    async def expect_refused(self, namespace: str, *, auth: Mapping[str, Any] | None = None) -> Refusal:
        """Try to connect the same device to another namespace, and give back the refusal.

        Raises:
            AssertionError: if it is let in.
        """
        try:
            await self.connect(namespace, auth=auth)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"the connection to {namespace} was let in")

    async def disconnect(self) -> None:
        """Leave the namespace. The device stays open; the disconnect handler has run when this returns."""
        self._check_connected()
        await self.transport.send(packets.DISCONNECT, self.namespace)
        self._inbox.end()
        await self._settle()

    async def hang_up(self) -> None:
        """Close the device, as who goes away; the disconnect handlers have run when this returns."""
        self.transport.hang_up()
        await self.transport.wait_ended()
        await self._settle()

    async def wait_closed(self) -> Closing | None:
        """Wait until the server ends the connection, and give back what ``authx:closing`` said, if it did.

        Raises:
            TimeoutError: if it does not.
        """
        self._obey_clock()
        await self._inbox.until(
            lambda: self._inbox.ended or None, what="the end of the connection", timeout=self._timeout
        )
        return self._inbox.closing

    def _check_connected(self) -> None:
        if self._inbox.ended:
            raise ConnectionError(f"the connection to {self.namespace} has ended")


def _denial(values: tuple[Any, ...]) -> Denial | None:
    """The failure that an acknowledgement tells: ``{"error": {code, message, details?}}``."""
    match values:
        case ({"error": {"code": str(code), "message": str(message), **rest}},):
            return Denial(code, message, details=rest.get("details"))
    return None
