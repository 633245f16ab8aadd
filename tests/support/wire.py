"""A raw Socket.IO client that hides nothing: it keeps every frame and every packet it was sent.

It speaks Engine.IO 4 and Socket.IO 5 by itself, over websocket or over polling, so that a test sees what a
hostile or careless client would see. Both transports are used in the same way:

    async with wire.websocket(base_url, headers={"Origin": base_url}) as client:
        answer = await client.connect(auth={"token": token})
        assert answer.type is PacketType.CONNECT
        assert await client.emit("message", {"text": "hi"}) == [{"devices": 1}]
"""

import asyncio
import base64
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol, Self
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

PATH = "/ws/socket.io/"
SEPARATOR = "\x1e"

Frame = str | bytes


class Rejected(Exception):
    """The server refused to open a transport."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class PacketType(IntEnum):
    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


@dataclass(frozen=True, slots=True)
class Packet:
    """One Socket.IO packet."""

    type: PacketType
    namespace: str = "/"
    id: int | None = None
    data: Any = None

    @property
    def event(self) -> str | None:
        """The event's name, when it is an event."""
        if self.type in {PacketType.EVENT, PacketType.BINARY_EVENT}:
            return str(self.data[0])
        return None

    @property
    def args(self) -> list[Any]:
        """The event's or the acknowledgement's values."""
        return list(self.data[1:] if self.event is not None else self.data)

    def encode(self) -> str:
        """Return the text of the packet, which carries no bytes."""
        namespace = "" if self.namespace == "/" else f"{self.namespace},"
        number = "" if self.id is None else str(self.id)
        data = "" if self.data is None else json.dumps(self.data, separators=(",", ":"))
        return f"{self.type.value}{namespace}{number}{data}"


def parse(text: str) -> tuple[Packet, int]:
    """Read a packet and the number of binary frames that still belong to it."""
    kind, rest = PacketType(int(text[0])), text[1:]
    attachments = 0
    if kind in {PacketType.BINARY_EVENT, PacketType.BINARY_ACK}:
        count, _, rest = rest.partition("-")
        attachments = int(count)
    namespace = "/"
    if rest.startswith("/"):
        namespace, _, rest = rest.partition(",")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    number, rest = rest[:digits], rest[digits:]
    data = json.loads(rest) if rest else None
    return Packet(kind, namespace, int(number) if number else None, data), attachments


def _filled(value: Any, attachments: list[bytes]) -> Any:
    """Put the binary frames where the packet left a placeholder."""
    if isinstance(value, list):
        return [_filled(item, attachments) for item in value]
    if isinstance(value, dict):
        if value.get("_placeholder"):
            return attachments[value["num"]]
        return {key: _filled(item, attachments) for key, item in value.items()}
    return value


class Client(ABC):
    """One open transport, and what came over it."""

    def __init__(self) -> None:
        self.handshake: dict[str, Any] = {}
        """What the server said when the transport opened."""
        self.frames: list[Frame] = []
        """Every Engine.IO frame, as it came."""
        self.packets: list[Packet] = []
        """Every Socket.IO packet, in the order of arrival."""
        self.closed = asyncio.Event()
        """Set when the transport has really ended, not when the server only says so with the frame "1"."""
        self.close_code: int | None = None
        """The websocket's close code, once it has ended."""
        self._unread: asyncio.Queue[Packet | None] = asyncio.Queue()
        self._answers: dict[tuple[str, int | None], asyncio.Future[Packet]] = {}
        self._acks = 0
        self._partial: tuple[Packet, int, list[bytes]] | None = None

    @abstractmethod
    def incoming(self) -> AsyncIterator[Frame]:
        """Give the frames that come until the transport ends."""

    @abstractmethod
    async def send_frame(self, frame: Frame) -> None:
        """Send one Engine.IO frame as it is, well formed or not; `ConnectionError` if it is not taken."""

    async def send(self, packet: Packet) -> None:
        """Send one Socket.IO packet."""
        await self.send_frame(f"4{packet.encode()}")

    async def connect(self, auth: Any = None, namespace: str = "/", *, timeout: float = 5.0) -> Packet:
        """Ask for a namespace and return the answer, a CONNECT or a CONNECT_ERROR."""
        answer = self._expect(namespace, None)
        await self.send(Packet(PacketType.CONNECT, namespace, data=auth))
        return await asyncio.wait_for(answer, timeout)

    async def emit(
        self, event: str, *args: Any, ack: bool = True, namespace: str = "/", timeout: float = 5.0
    ) -> list[Any]:
        """Send an event and return the values of its acknowledgement, which are none with `ack=False`."""
        if not ack:
            await self.send(Packet(PacketType.EVENT, namespace, data=[event, *args]))
            return []
        self._acks += 1
        answer = self._expect(namespace, self._acks)
        await self.send(Packet(PacketType.EVENT, namespace, self._acks, [event, *args]))
        return (await asyncio.wait_for(answer, timeout)).args

    async def receive(self, timeout: float = 5.0) -> Packet:
        """Return the next packet that answers nothing: an event or a DISCONNECT."""
        packet = await asyncio.wait_for(self._unread.get(), timeout)
        if packet is None:
            self._unread.put_nowait(None)
            raise ConnectionError("the transport has ended")
        return packet

    async def receive_event(self, event: str, timeout: float = 5.0) -> Packet:
        """Return the next packet that is this event; what comes before it is passed over."""
        async with asyncio.timeout(timeout):
            while (packet := await self.receive(timeout)).event != event:
                pass
            return packet

    async def disconnect(self, namespace: str = "/") -> None:
        """Leave a namespace; the transport stays open."""
        await self.send(Packet(PacketType.DISCONNECT, namespace))

    async def wait_closed(self, timeout: float = 5.0) -> None:
        """Wait until the transport has ended."""
        await asyncio.wait_for(self.closed.wait(), timeout)

    def events(self, event: str) -> list[Packet]:
        """Return every packet so far that is this event."""
        return [packet for packet in self.packets if packet.event == event]

    def _expect(self, namespace: str, number: int | None) -> asyncio.Future[Packet]:
        answer: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._answers[namespace, number] = answer
        if self.closed.is_set():
            answer.set_exception(ConnectionError("the transport has ended"))
        return answer

    async def _read(self) -> None:
        try:
            async for frame in self.incoming():
                self.frames.append(frame)
                await self._take(frame)
        finally:
            self.closed.set()
            self._unread.put_nowait(None)
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the transport ended before the answer"))
                    # Nobody may be waiting for it any more.
                    answer.exception()

    async def _take(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            self._attach(frame)
        elif frame.startswith("0"):
            self.handshake = json.loads(frame[1:])
        elif frame.startswith("2"):
            # Where the transport has ended in between, the next read says so.
            with suppress(ConnectionError):
                await self.send_frame(f"3{frame[1:]}")
        elif frame.startswith("4"):
            packet, attachments = parse(frame[1:])
            if attachments:
                self._partial = (packet, attachments, [])
            else:
                self._arrive(packet)

    def _attach(self, frame: bytes) -> None:
        assert self._partial is not None, "a binary frame that belongs to no packet"
        packet, wanted, attachments = self._partial
        attachments.append(frame)
        if len(attachments) == wanted:
            self._partial = None
            data = _filled(packet.data, attachments)
            self._arrive(Packet(packet.type, packet.namespace, packet.id, data))

    def _arrive(self, packet: Packet) -> None:
        self.packets.append(packet)
        answers_a_call = packet.type in {PacketType.ACK, PacketType.BINARY_ACK}
        if answers_a_call or packet.type in {PacketType.CONNECT, PacketType.CONNECT_ERROR}:
            answer = self._answers.pop((packet.namespace, packet.id), None)
            if answer is not None and not answer.done():
                answer.set_result(packet)
                return
        self._unread.put_nowait(packet)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Self]:
        """Read in the background for as long as the block lasts."""
        reader = asyncio.create_task(self._read())
        try:
            yield self
        finally:
            await self._end(reader)

    async def _end(self, reader: asyncio.Task[None]) -> None:
        with suppress(ConnectionError):
            await self.hang_up()
        # A server may leave the last poll without an answer for as long as a ping takes.
        with suppress(TimeoutError):
            await asyncio.wait_for(reader, 0.2)

    @abstractmethod
    async def hang_up(self) -> None:
        """End the transport as a client that goes away politely."""


class WebSocketClient(Client):
    def __init__(self, connection: ClientConnection) -> None:
        super().__init__()
        self.connection = connection

    async def incoming(self) -> AsyncIterator[Frame]:
        try:
            while True:
                yield await self.connection.recv()
        except ConnectionClosed as error:
            self.close_code = None if error.rcvd is None else error.rcvd.code

    async def send_frame(self, frame: Frame) -> None:
        try:
            await self.connection.send(frame)
        except ConnectionClosed as error:
            raise ConnectionError("the server has closed the websocket") from error

    async def hang_up(self) -> None:
        await self.connection.close()


class PollingClient(Client):
    """Long polling with one GET always under way."""

    def __init__(self, http: httpx.AsyncClient, url: httpx.URL, opening: str) -> None:
        super().__init__()
        sid = json.loads(opening.split(SEPARATOR, maxsplit=1)[0][1:])["sid"]
        self.http = http
        self.url = url.copy_add_param("sid", sid)
        self._opening = opening

    async def incoming(self) -> AsyncIterator[Frame]:
        body = self._opening
        while True:
            for frame in body.split(SEPARATOR):
                yield base64.b64decode(frame[1:]) if frame.startswith("b") else frame
            try:
                response = await self.http.get(self.url)
            except httpx.TransportError:
                return
            if response.status_code != 200:
                return
            body = response.text

    async def send_frame(self, frame: Frame) -> None:
        body = frame if isinstance(frame, str) else "b" + base64.b64encode(frame).decode()
        try:
            response = await self.http.post(self.url, content=body)
        except httpx.TransportError as error:
            raise ConnectionError("the server is gone") from error
        if response.status_code != 200:
            raise ConnectionError(f"the server answered {response.status_code}: {response.text}")

    async def hang_up(self) -> None:
        if not self.closed.is_set():
            await self.send_frame("1")


@asynccontextmanager
async def websocket(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    path: str = PATH,
) -> AsyncIterator[Client]:
    """Open a websocket transport; `Rejected` is raised when the server does not want it."""
    parameters = urlencode({"EIO": "4", "transport": "websocket", **(query or {})})
    url = f"{base_url.replace('http', 'ws', 1)}{path}?{parameters}"
    try:
        connection = await open_websocket(url, additional_headers=headers, proxy=None, ping_interval=None)
    except InvalidStatus as error:
        raise Rejected(error.response.status_code, error.response.body.decode()) from error
    async with WebSocketClient(connection).reading() as client:
        yield client


@asynccontextmanager
async def polling(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    path: str = PATH,
) -> AsyncIterator[Client]:
    """Open a polling transport; `Rejected` is raised when the server does not want it."""
    url = httpx.URL(f"{base_url}{path}", params={"EIO": "4", "transport": "polling", **(query or {})})
    async with httpx.AsyncClient(headers=headers, timeout=60.0, trust_env=False, verify=False) as http:
        opening = await http.get(url)
        if opening.status_code != 200:
            raise Rejected(opening.status_code, opening.text)
        async with PollingClient(http, url, opening.text).reading() as client:
            yield client


class Opener(Protocol):
    """How `websocket` and `polling` are called, for tests that are given one of them."""

    def __call__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        path: str = PATH,
    ) -> AbstractAsyncContextManager[Client]: ...


OPENERS: tuple[Opener, ...] = (websocket, polling)
"""For `pytest.mark.parametrize("opened", wire.OPENERS)`."""
