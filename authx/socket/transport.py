"""An Engine.IO transport as the server sees it: what waits to be sent, a heartbeat, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from starlette.types import Message, Send

from authx.socket.pump import Pump

__all__ = ("CLOSE", "NOOP", "PING", "Frame", "Host", "Pace", "Transport")

Frame: TypeAlias = str | bytes
"""An Engine.IO frame as it is written: text with its type in front, or the bytes of a message."""

CLOSE: Final = "1"
PING: Final = "2"
NOOP: Final = "6"

_BESIDES = 64
"""Bytes that a waiting frame takes beside what is in it."""
_NORMAL = 1000
_MUCH = 1 << 14
"""Bytes. What puts more without giving the loop a turn has those judged who had no chance to take it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What all transports of a server have in common."""

    ping_interval: float
    """Seconds from an answer to the next ping."""
    ping_timeout: float
    """Seconds that a client has for its answer."""
    max_outbound_bytes: int
    """How much may wait to be sent."""


class Host(Protocol):
    """Whom a transport tells that it can't go on."""

    def went_silent(self, transport: Transport) -> None:
        """Nothing came after a ping, in the time there was."""

    def fell_behind(self, transport: Transport) -> None:
        """More waits to be sent than may."""


class Transport:
    """What one client is sent, over whatever carries it at the moment.

    Frames are put without waiting for anybody. They are taken by a poll, or written to a websocket in
    the loop's next turn, in the order of their putting. A client that does not read holds up nobody else.

    Args:
        sid: Its Engine.IO sid.
        host: Is told when it can't go on.
        pace: Times and bounds.
        pump: Has it write to its websocket.
        address: Under which it is counted until a connection is admitted; None if it is not.
    """

    __slots__ = (
        "_answering",
        "_due",
        "_ended",
        "_host",
        "_judging",
        "_leash",
        "_loop",
        "_most",
        "_pace",
        "_pump",
        "_queue",
        "_send",
        "_taker",
        "_timer",
        "_waiting",
        "_writer",
        "_writing",
        "address",
        "close_code",
        "closed",
        "context",
        "finished",
        "heard",
        "polling",
        "posting",
        "session",
        "sid",
        "upgraded",
        "upgrading",
    )

    def __init__(self, sid: str, *, host: Host, pace: Pace, pump: Pump, address: str | None = None) -> None:
        self.sid = sid
        self.address = address
        self.session: dict[str, Any] = {}
        """python-engineio's per-client dict."""
        self.upgraded = False
        """Whether it is a websocket, from the start or by now."""
        self.upgrading = False
        """Whether polls are held up, for a websocket that is about to take over."""
        self.polling = False
        """Whether a poll is under way."""
        self.posting = False
        """Whether a POST is under way."""
        self.closed = False
        """Whether the app has been told of the end."""
        self.finished = False
        """Whether nothing is sent any more after what waits."""
        self.heard = False
        """Set by whoever reads: something has come since the last ping."""
        self.close_code = _NORMAL
        """What a websocket is closed with."""
        self._host = host
        self._pace = pace
        self._pump = pump
        self._loop = asyncio.get_running_loop()
        self._queue: list[Frame] = []
        self._waiting = 0
        self._most = pace.max_outbound_bytes
        self._judging = False
        self._taker: asyncio.Future[None] | None = None
        self.context = Context()
        """What is written to its websocket in: that of the websocket's own task."""
        self._send: Send | None = None
        """Of the websocket that carries it, until nothing is written any more."""
        self._due = False
        self._writing = False
        self._writer: asyncio.Task[Any] | None = None
        """The task that writes, while it does."""
        self._ended: asyncio.Future[None] | None = None
        self._leash: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False

    # What is sent -------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many bytes wait to be sent."""
        return self._waiting

    def put(self, *frames: Frame) -> bool:
        """Send the frames of a packet after all that was put before; after the end, nothing.

        Returns:
            Whether much waits by now.
        """
        if self.finished:
            return False
        size = _size(frames[0]) if len(frames) == 1 else sum(map(_size, frames))
        if not self._queue and not self._writing:
            # Who has taken all before it may be sent a packet of any size.
            self._most = self._pace.max_outbound_bytes + size
        self._queue += frames
        self._waiting += size
        if self._send is not None:
            self._write_soon()
        elif self._taker is not None:
            self.wake()
        if self._waiting > self._most and not self._judging:
            # Not at once: much may be put in one go for a client that is quick. Whoever takes the frames has
            # been woken before, so what is left by then was left because the client does not read.
            self._judging = True
            self._loop.call_soon(self._judge)
        return self._waiting > _MUCH

    def _judge(self) -> None:
        self._judging = False
        if self._waiting > self._most and not self.closed:
            self._host.fell_behind(self)

    def finish(self) -> None:
        """Send nothing any more after what waits."""
        self.finished = True
        self._write_soon()
        self.wake()

    def wake(self) -> None:
        """Have whoever waits for frames look again."""
        taker, self._taker = self._taker, None
        if taker is not None and not taker.done():
            taker.set_result(None)

    def clear(self) -> None:
        """Give back what waits."""
        self._queue.clear()
        self._waiting = 0

    def drain(self) -> list[Frame]:
        """All that waits, which now does no more."""
        frames, self._queue = self._queue, []
        self._waiting, self._most = 0, self._pace.max_outbound_bytes
        return frames

    async def something(self) -> None:
        """Wait until something may be sent, or nothing will be."""
        if self._queue or self.finished:
            return
        self._taker = taker = self._loop.create_future()
        try:
            await taker
        finally:
            if self._taker is taker:
                self._taker = None

    # Over a websocket ---------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """Whether there is a websocket that reads, or is about to."""
        return self._leash is not None

    def hold(self, leash: asyncio.Timeout | None) -> None:
        """Have whoever reads a websocket stop, by ``leash``, when there is no reason to go on."""
        self._leash = leash

    def release(self) -> None:
        """Let whoever reads a websocket stop."""
        leash = self._leash
        # One that is over can't be changed any more.
        if leash is not None and not leash.expired():
            leash.reschedule(self._loop.time())

    def write_to(self, send: Send) -> None:
        """Go on over a websocket, with what waits first."""
        self.upgraded, self.upgrading = True, False
        self.context = copy_context()
        self._send = send
        self._write_soon()

    def _write_soon(self) -> None:
        if self._send is not None and not self._due and not self._writing:
            self._due = True
            self._pump.add(self)

    async def write(self) -> None:
        """Write all there is; the pump runs this."""
        self._due = False
        send = self._send
        if send is None:
            return
        self._writing, self._writer = True, asyncio.current_task()
        try:
            while self._queue:
                frames, self._queue = self._queue, []
                if len(frames) == 1:
                    self._waiting, self._most = 0, self._pace.max_outbound_bytes
                    await send(_message(frames[0]))
                    continue
                for frame in frames:
                    self._count_off(frame)
                    await send(_message(frame))
            if self.finished:
                await send({"type": "websocket.close", "code": self.close_code})
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - servers say in ways of their own that a client is gone
            self.finished = True
            self.clear()
        finally:
            self._writing, self._writer = False, None
            if self.finished:
                self._end()

    def _count_off(self, frame: Frame) -> None:
        """What is handed over waits no more, and what was allowed for it is over."""
        size = _size(frame)
        self._waiting -= size
        self._most = max(self._pace.max_outbound_bytes, self._most - size)

    def _end(self) -> None:
        """Nothing is written any more."""
        self._send = None
        self.release()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def written(self) -> None:
        """Wait until nothing more is written."""
        if self._send is None:
            return
        if self._ended is None:
            self._ended = self._loop.create_future()
        await asyncio.wait({self._ended})

    def cut(self) -> None:
        """End everything at once, without a word."""
        self.finished = True
        self.stop()
        self.clear()
        self.wake()
        if self._writer is not None:
            self._writer.cancel()
            self.release()
        else:
            self._end()

    # Time ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ping the client when it is time."""
        self._answering = False
        self._timer = self._loop.call_later(self._pace.ping_interval, self._ping)

    def pong(self) -> None:
        """The client has answered; to nothing, if there was no ping."""
        # Of one that is closed, another timer runs.
        if self._answering and self._timer is not None and not self.closed:
            self._timer.cancel()
            self.start()

    def _ping(self) -> None:
        self.heard = False
        self._answering = True
        self._timer = self._loop.call_later(self._pace.ping_timeout, self._look)
        self.put(PING)

    def _look(self) -> None:
        if self.heard:
            # No answer, but it is there.
            self._ping()
        else:
            self._timer = None
            self._host.went_silent(self)

    def linger(self, seconds: float, then: Callable[[], None]) -> None:
        """In place of the heartbeat: ``then``, unless the client has heard of the end before."""
        self.stop()
        self._timer = self._loop.call_later(seconds, then)

    def stop(self) -> None:
        """End whatever time runs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _message(frame: Frame) -> Message:
    kind = "text" if isinstance(frame, str) else "bytes"
    return {"type": "websocket.send", kind: frame}


def _size(frame: Frame) -> int:
    if isinstance(frame, str) and not frame.isascii():
        return len(frame.encode("utf-8", "surrogatepass")) + _BESIDES
    return len(frame) + _BESIDES
