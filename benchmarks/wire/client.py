"""A crowd of Socket.IO clients on websockets, in one thread, that cost as little as Python can.

The frames are written by hand, and one loop of epoll reads them: no tasks, no futures, nothing is decoded
but what is checked. Whatever a server should not send ends the run.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

TIMEOUT = 180.0
"""Seconds that a phase may take."""
OPENING = 32
"""Connections that are being opened at a time."""

_MASK = bytes.fromhex("37fa213d")
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_NEWS = b'42["news",'
_RESET = struct.pack("ii", 1, 0)


def frame(text: bytes, kind: int = _TEXT) -> bytes:
    """A frame of a client. The mask is not zero: there are servers that would then skip their work."""
    size = len(text)
    mask = (_MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(text) ^ int.from_bytes(mask)).to_bytes(size)
    length = (
        struct.pack("!BB", kind, 0x80 | size) if size < 126 else struct.pack("!BBH", kind, 0x80 | 126, size)
    )
    return length + _MASK + masked


def event(name: str, *arguments: Any, number: int) -> bytes:
    """The frame of an event that asks for the acknowledgement ``number``."""
    return frame(f"42{number}{json.dumps([name, *arguments], separators=(',', ':'))}".encode())


class Tally:
    """How many ``news`` came on all lines together."""

    heard = 0


class Line:
    """One connection.

    Attributes:
        heard: How many ``news`` came.
        last: The last of them, as it came.
        ready: Whether the server has admitted us.
        answered: Is called with the text of each acknowledgement.
    """

    __slots__ = ("_login", "_rest", "_socket", "_tally", "answered", "heard", "last", "ready", "upgraded")

    def __init__(self, port: int, token: str, tally: Tally) -> None:
        self._tally = tally
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # To close is to reset: no port of this machine is kept waiting, and servers see a broken network.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._login = frame(f'40{{"token":"{token}"}}'.encode())
        self._rest = b""
        self.heard = 0
        self.last = b""
        self.ready = False
        self.upgraded = False
        self.answered: Callable[[Line, bytes], None] = _unexpected
        self.send(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            b"Host: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % port
        )

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send at once: what is under way at a time is far less than a socket's buffer."""
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()

    def read(self) -> None:
        """Take what is there; only called when there is something."""
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError(f"the server closed a connection, the last news was {self.last!r}")
        if self._rest:
            data = self._rest + data
        at, end = 0 if self.upgraded else self._upgrade(data), len(data)
        while end - at >= 2:
            kind, size, begin = data[at], data[at + 1], at + 2
            if size == 126 and end - at >= 4:
                size, begin = data[at + 2] << 8 | data[at + 3], at + 4
            elif size >= 126:
                break
            if begin + size > end:
                break
            at = begin + size
            self._take(kind, data[begin:at])
        self._rest = data[at:]

    def _upgrade(self, data: bytes) -> int:
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"no websocket: {data[:head]!r}")
        self.upgraded = True
        return head + 4

    def _take(self, kind: int, text: bytes) -> None:
        if kind == _TEXT and text.startswith(_NEWS):
            self.heard += 1
            self._tally.heard += 1
            self.last = text
        elif kind == _TEXT and text.startswith(b"43"):
            self.answered(self, text)
        elif kind == _TEXT and text.startswith(b"0"):
            self.send(self._login)
        elif kind == _TEXT and text.startswith(b"40"):
            self.ready = True
        elif kind == _TEXT and text == b"2":
            self.send(frame(b"3"))
        elif kind == _PING:
            self.send(frame(text, _PONG))
        elif kind != _TEXT or not text.startswith(b"42"):
            # An event that is no news is what a server of ours says by itself about the login.
            raise ConnectionError(f"a server should not send this: {kind:#x} {text!r}")


def _unexpected(line: Line, text: bytes) -> None:
    raise ConnectionError(f"an acknowledgement nobody asked for: {text!r}")


class Crowd:
    """All connections to one server.

    Args:
        port: Where the server listens on this machine.
    """

    def __init__(self, port: int) -> None:
        self.tally = Tally()
        self._port = port
        self._epoll = select.epoll()
        self._lines: dict[int, Line] = {}

    def open(self, tokens: Iterable[str]) -> list[Line]:
        """Connect with each of the tokens, :data:`OPENING` of them at a time."""
        opened: list[Line] = []
        under_way: list[Line] = []
        for token in tokens:
            line = Line(self._port, token, self.tally)
            self._lines[line.fileno()] = line
            self._epoll.register(line, select.EPOLLIN)
            opened.append(line)
            under_way.append(line)
            while len(under_way) == OPENING:
                self.turn()
                under_way = [each for each in under_way if not each.ready]
        self.until(lambda: all(line.ready for line in under_way), "every connection is admitted")
        return opened

    def close(self, lines: Iterable[Line]) -> None:
        """Drop connections, all at once and without a word."""
        for line in lines:
            del self._lines[line.fileno()]
            line.close()

    def turn(self, seconds: float = 1.0) -> None:
        """Read what comes, waiting at most so long for it."""
        for fd, _ in self._epoll.poll(seconds, 512):
            self._lines[fd].read()

    def rest(self, seconds: float) -> None:
        """Go on reading, and answering pings, for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.turn(left)

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Go on reading until it is so."""
        end = time.monotonic() + TIMEOUT
        while not done():
            self.turn()
            if time.monotonic() > end:
                raise TimeoutError(f"not within {TIMEOUT:.0f} seconds: {what}")

    def ask(self, line: Line, name: str, *arguments: Any) -> Any:
        """Send an event, and return what it is answered with."""
        answers: list[bytes] = []
        line.answered = lambda _, text: answers.append(text)
        line.send(event(name, *arguments, number=0))
        self.until(lambda: bool(answers), f"an answer to {name}")
        [answer] = answers
        line.answered = _unexpected
        if not answer.startswith(b"430["):
            raise ConnectionError(f"not the acknowledgement asked for: {answer!r}")
        return json.loads(answer[3:])[0]

    def exchange(self, lines: Sequence[Line], name: str, argument: Any, *, times: int) -> None:
        """Send on each line so many events, the next when one is answered, and with the same."""
        frames = [event(name, argument, number=number) for number in range(times)]
        expected = [
            f"43{number}{json.dumps([argument], separators=(',', ':'))}".encode() for number in range(times)
        ]
        answers = dict.fromkeys(lines, 0)
        left = len(lines)

        def answered(line: Line, text: bytes) -> None:
            nonlocal left
            number = answers[line]
            if text != expected[number]:
                raise ConnectionError(f"not what was asked for: {text!r} instead of {expected[number]!r}")
            answers[line] = number = number + 1
            if number < times:
                line.send(frames[number])
            else:
                left -= 1

        for line in lines:
            line.answered = answered
            line.send(frames[0])
        self.until(lambda: left == 0, "an answer to every event")
        for line in lines:
            line.answered = _unexpected
