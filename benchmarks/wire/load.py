"""The load generator, a process of its own: ``python -m benchmarks.wire.load SESSION PORT PID``.

Takes a fresh server, which listens on PORT and is the process PID, through one of the :data:`SESSIONS`, and
prints what that cost, ``{workload: Figure}`` in JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from benchmarks.wire.client import Crowd, Line
from benchmarks.wire.contract import ROOM, news, token
from benchmarks.wire.machine import cpu_seconds, resident_bytes

AFTERMATH = 0.05
"""Seconds for what a server does after the last thing we see of a phase."""
SETTLING = 2.0
"""Seconds before memory is read."""
WATCHING, QUIET = 0.2, 0.02
"""A server is at rest that within so many seconds was busy for at most this share of them."""

EVENT, ROOM_1000, ROOM_5000, TO_USER = "event", "room-1000", "room-5000", "to-user"
CONNECT, MEMORY = "connect", "memory"
DISCONNECT_2000, DISCONNECT_6000 = "disconnect-2000", "disconnect-6000"


@dataclass
class Figure:
    """One measurement.

    Attributes:
        value: Microseconds of the server's CPU time, or bytes, for one unit of work.
        server: Share of the time that the server was busy.
        generator: Share of the time that the load generator was busy.
    """

    value: float
    server: float = 0.0
    generator: float = 0.0


class Session:
    """A server under load, with one connection that is in nobody's room, to ask it things."""

    def __init__(self, port: int, pid: int) -> None:
        self.crowd = Crowd(port)
        self.figures: dict[str, Figure] = {}
        self._pid = pid
        [self.control] = self.crowd.open([token("control")])
        self._open = 1
        self.crowd.rest(AFTERMATH)

    @contextmanager
    def measured(self, workload: str, units: int) -> Iterator[None]:
        """What is done meanwhile is so many units of work."""
        begin, server, own = time.monotonic(), cpu_seconds(self._pid), time.process_time()
        yield
        wall, own = time.monotonic() - begin, time.process_time() - own
        busy = cpu_seconds(self._pid) - server
        self.crowd.rest(AFTERMATH)
        cost = cpu_seconds(self._pid) - server
        self.figures[workload] = Figure(cost / units * 1e6, busy / wall, own / wall)

    def measure_memory(self, tokens: Sequence[str]) -> list[Line]:
        """Open connections, and note what each of them takes when all are idle."""
        before = resident_bytes(self._pid)
        lines = self.open(tokens)
        self.crowd.rest(SETTLING)
        self.figures[MEMORY] = Figure((resident_bytes(self._pid) - before) / len(lines))
        return lines

    def open(self, tokens: Sequence[str]) -> list[Line]:
        lines = self.crowd.open(tokens)
        self._open += len(lines)
        return lines

    def drop(self, lines: Sequence[Line]) -> None:
        """Drop connections, and wait until the server has called every handler and is at rest."""
        self.crowd.close(lines)
        self._open -= len(lines)
        while self.crowd.ask(self.control, "open") > self._open:
            self.crowd.rest(WATCHING)
        busy = cpu_seconds(self._pid)
        while True:
            self.crowd.rest(WATCHING)
            before, busy = busy, cpu_seconds(self._pid)
            if busy - before <= WATCHING * QUIET:
                return

    def emit_to_room(self, room: Sequence[Line], times: int) -> None:
        """Have the server emit so often to all of ``room``, the next time when everybody has it."""
        for number in range(times):
            before = self.crowd.tally.heard
            self.crowd.ask(self.control, "to_room", number)
            self.await_news(before + len(room))

    def emit_to_users(self, users: int, devices: int, emits: int) -> None:
        """Have the server emit so often, to each user in turn, and wait until everybody has it."""
        before = self.crowd.tally.heard
        self.crowd.ask(self.control, "to_users", [users, emits])
        self.await_news(before + emits * devices)

    def await_news(self, total: int) -> None:
        self.crowd.until(lambda: self.crowd.tally.heard >= total, "the news")


# --- the sessions -----------------------------------------------------------------------------------------


def event_session(session: Session) -> None:
    """200 connections, each with one guarded event on its way."""
    lines = session.open([token(str(user)) for user in range(200)])
    data = {"id": 12345, "text": "x" * 64}
    session.crowd.exchange(lines, "message", data, times=10)
    with session.measured(EVENT, 200 * 100):
        session.crowd.exchange(lines, "message", data, times=100)


def emit_session(session: Session) -> None:
    """334 users with 3 devices each; all but two of the connections are in the room."""
    users, devices, turns = 334, 3, 30
    rooms = [(ROOM,)] * 1000 + [()] * 2
    lines = session.open(
        [token(str(number // devices), rooms=rooms[number]) for number in range(users * devices)]
    )
    room = lines[:1000]
    session.emit_to_room(room, 3)
    with session.measured(ROOM_1000, 40 * len(room)):
        session.emit_to_room(room, 40)
    check_news(room, count=43, last=[39] * len(room))
    check_news(lines[len(room) :], count=0)
    session.emit_to_users(users, devices, 3 * users)
    with session.measured(TO_USER, turns * users):
        session.emit_to_users(users, devices, turns * users)
    last = [(turns - 1) * users + number // devices for number in range(len(lines))]
    check_news(lines, count=3 + turns, last=last)


def connect_session(session: Session) -> None:
    """2,000 connect, 32 at a time, and all of them are gone at once."""
    tokens = [token(str(user), rooms=[ROOM]) for user in range(2000)]
    with session.measured(CONNECT, len(tokens)):
        lines = session.open(tokens)
    with session.measured(DISCONNECT_2000, len(lines)):
        session.drop(lines)


def crowd_session(session: Session) -> None:
    """5,000 are idle, then emitted to; 1,000 more come, and all of them are gone at once."""
    room = session.measure_memory([token(str(user), rooms=[ROOM]) for user in range(5000)])
    session.emit_to_room(room, 1)
    with session.measured(ROOM_5000, 8 * len(room)):
        session.emit_to_room(room, 8)
    check_news(room, count=9, last=[7] * len(room))
    more = session.open([token(str(user)) for user in range(5000, 6000)])
    with session.measured(DISCONNECT_6000, 6000):
        session.drop(room + more)


def check_news(lines: Sequence[Line], *, count: int, last: Sequence[int] | None = None) -> None:
    """Raise if not each line got so many news, and at last the one of its number; then count anew."""
    for line in lines:
        if line.heard != count:
            raise ConnectionError(f"{line.heard} news on a connection that should have {count}")
        line.heard = 0
    for line, number in () if last is None else zip(lines, last, strict=True):
        if json.loads(line.last[2:]) != ["news", news(number)]:
            raise ConnectionError(f"not the news number {number}: {line.last!r}")


SESSIONS: dict[str, Callable[[Session], None]] = {
    "event": event_session,
    "emit": emit_session,
    "connect": connect_session,
    "crowd": crowd_session,
}


def main(name: str, port: str, pid: str) -> None:
    # What is made here lives until the end; to look for garbage in it would only take time.
    gc.disable()
    session = Session(int(port), int(pid))
    SESSIONS[name](session)
    print(json.dumps({workload: asdict(figure) for workload, figure in session.figures.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
