"""A websocket of the app, driven over the ASGI interface: one device of a test client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from socketio import packet as packets
from starlette.types import ASGIApp, Message, Scope

from authx.socket.exceptions import Refusal
from authx.socket.testing.inbox import Event, Inbox

__all__ = ("Transport",)

# Of Engine.IO 4.
_OPEN, _CLOSE, _PING, _PONG, _MESSAGE = "01234"

_NOWHERE = "/authx/nowhere"
"""Namespaces that no app serves: asking for one is answered at once, and in turn."""


class Transport:
    """One open websocket, and the connections that share it.

    What is sent counts as sent when the server has read it and come back for more; so two sends, of
    whatever clients, are seen by the app in the order of the test.

    Args:
        app: The app.
        scope: The ASGI scope of the websocket.
        packet_class: Of the server: what writes and reads packets.
        timeout: Seconds to wait for anything.
    """

    def __init__(
        self, app: ASGIApp, scope: Scope, packet_class: Callable[..., Any], *, timeout: float
    ) -> None:
        self._app = app
        self._scope = scope
        self._packet_class = packet_class
        self._timeout = timeout
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._being_read = False
        self._opened: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._inboxes: dict[str, Inbox] = {}
        self._connecting: dict[str, asyncio.Future[Inbox]] = {}
        self._partial: Any = None
        self._numbers = 0
        self._task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        """Set when the app is done with the websocket."""

    # What a client does -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the websocket.

        Raises:
            ConnectionError: if the app does not accept it.
            Exception: whatever the app raised instead.
        """
        self._task = asyncio.create_task(self._run())
        self._incoming.put_nowait({"type": "websocket.connect"})
        async with asyncio.timeout(self._timeout):
            await self._opened

    async def connect(self, namespace: str, payload: Any) -> Inbox:
        """Ask for a namespace.

        Raises:
            Refusal: as the server said it; without a code if it gave none.
        """
        answer: asyncio.Future[Inbox] = asyncio.get_running_loop().create_future()
        self._connecting[namespace] = answer
        await self.send(packets.CONNECT, namespace, payload)
        async with asyncio.timeout(self._timeout):
            return await answer

    async def ask(self, namespace: str, arguments: Sequence[Any]) -> int:
        """Send an event that is to be acknowledged; the answer comes into the inbox under this number."""
        self._numbers += 1
        number = self._numbers
        self._inboxes[namespace].answers[number] = None
        await self.send(packets.EVENT, namespace, list(arguments), number)
        return number

    async def send(self, kind: int, namespace: str, data: Any = None, number: int | None = None) -> None:
        """Send a packet, and wait until the server has read it.

        Raises:
            ConnectionError: if the transport has ended.
            TimeoutError: if the server does not read on, as when too many events are under way.
        """
        encoded = self._packet_class(kind, data=data, namespace=namespace, id=number).encode()
        await self.send_frames(encoded if isinstance(encoded, list) else [encoded])

    async def send_frames(self, frames: Sequence[str | bytes]) -> None:
        """Send the frames of a packet, well formed or not."""
        if self.ended.is_set():
            raise ConnectionError("the transport has ended")
        for frame in frames:
            self._hand_over(frame if isinstance(frame, bytes) else f"{_MESSAGE}{frame}")
        try:
            async with asyncio.timeout(self._timeout):
                await self._incoming.join()
        except TimeoutError:
            raise TimeoutError(f"the server has not read on within {self._timeout} s") from None

    async def round_trip(self) -> None:
        """Return when all that the server had to send before is here."""
        if not self.ended.is_set():
            self._numbers += 1
            with suppress(Refusal):
                await self.connect(f"{_NOWHERE}/{self._numbers}", None)

    def hang_up(self) -> None:
        """End the websocket as a client that goes away."""
        if self.ended.is_set():
            return
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def wait_ended(self) -> None:
        """Wait for a while until the app is done with the websocket; raises what it raised."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self._timeout)
            if self._task.done():
                await self._task

    # What the app is given ----------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error)
                return
            raise
        finally:
            self._end()

    async def _receive(self) -> Message:
        if self._being_read:
            self._incoming.task_done()
            self._being_read = False
        message = await self._incoming.get()
        self._being_read = True
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            frame = message.get("text")
            self._take(message["bytes"] if frame is None else frame)
        elif message["type"] == "websocket.close":
            if not self._opened.done():
                said = f"{message.get('code', 1000)} {message.get('reason') or ''}".strip()
                self._opened.set_exception(ConnectionError(f"the app did not accept the websocket: {said}"))
            self._end_connections()
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": message.get("code", 1000)})

    def _end(self) -> None:
        self.ended.set()
        self._end_connections()
        # Whoever waits for something to be read waits no longer.
        if self._being_read:
            self._incoming.task_done()
        while not self._incoming.empty():
            self._incoming.get_nowait()
            self._incoming.task_done()

    def _end_connections(self) -> None:
        for inbox in self._inboxes.values():
            inbox.end()
        for answer in self._connecting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the transport ended before the answer"))
        self._connecting.clear()

    # What came ----------------------------------------------------------------------------------------

    def _hand_over(self, frame: str | bytes) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        self._incoming.put_nowait({"type": "websocket.receive", kind: frame})

    def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            if self._partial is None:
                self._take_packet(self._packet_class(encoded_packet=frame))
            elif self._partial.add_attachment(frame):
                found, self._partial = self._partial, None
                self._take_packet(found)
        elif frame.startswith(_OPEN):
            self._opened.set_result(json.loads(frame[1:]))
        elif frame.startswith(_PING):
            self._hand_over(_PONG + frame[1:])
        elif frame.startswith(_CLOSE):
            self._end_connections()
        elif frame.startswith(_MESSAGE):
            found = self._packet_class(encoded_packet=frame[1:])
            if found.attachment_count:
                self._partial = found
            else:
                self._take_packet(found)

    def _take_packet(self, found: Any) -> None:
        namespace = found.namespace or "/"
        kind, data = found.packet_type, found.data
        if kind in (packets.CONNECT, packets.CONNECT_ERROR):
            self._take_decision(namespace, data, refused=kind == packets.CONNECT_ERROR)
            return
        inbox = self._inboxes.get(namespace)
        if inbox is None:
            raise AssertionError(f"a packet for {namespace}, which is not connected: {data}")
        if kind == packets.DISCONNECT:
            inbox.end()
        elif kind in (packets.ACK, packets.BINARY_ACK):
            inbox.answer(found.id, tuple(data))
        else:
            name, *arguments = data
            answer = None if found.id is None else partial(self._acknowledge, namespace, found.id)
            inbox.take(Event(name, tuple(arguments), answer))

    def _take_decision(self, namespace: str, data: Any, *, refused: bool) -> None:
        answer = self._connecting.pop(namespace, None)
        if not refused:
            # In place before anything that follows.
            inbox = self._inboxes[namespace] = Inbox(data["sid"])
            if answer is not None and not answer.done():
                answer.set_result(inbox)
        elif answer is not None and not answer.done():
            answer.set_exception(_refusal(data))

    async def _acknowledge(self, namespace: str, number: int, *values: Any) -> None:
        await self.send(packets.ACK, namespace, list(values), number)


def _refusal(data: Any) -> Refusal:
    """What CONNECT_ERROR said: ``{message, data: {code, retry, details?}}``."""
    said = data.get("data")
    if not isinstance(said, dict):
        return Refusal("", data["message"], data=said)
    return Refusal(
        said.get("code", ""),
        data["message"],
        details=said.get("details"),
        retry=said.get("retry", False),
        data=said,
    )
