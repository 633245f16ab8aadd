"""What came for one connection of a test client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from authx.socket.exceptions import Closing
from authx.socket.wire import CLOSING_EVENT, SESSION_EVENT

__all__ = ("Event", "Inbox")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Event:
    """An event that the server sent."""

    name: str
    args: tuple[Any, ...]
    answer: Callable[..., Awaitable[None]] | None = field(default=None, repr=False, compare=False)
    """None for an event that the server wants no acknowledgement of."""

    @property
    def data(self) -> Any:
        """The first argument, or None."""
        return next(iter(self.args), None)

    async def acknowledge(self, *values: Any) -> None:
        """Answer a server that waits in ``call``.

        Raises:
            RuntimeError: if the server asked for no acknowledgement.
        """
        if self.answer is None:
            raise RuntimeError(f"the server wants no acknowledgement of {self.name!r}")
        await self.answer(*values)


class Inbox:
    """The events, answers and the end of one connection."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        self.session: dict[str, Any] | None = None
        """The body of ``authx:session``."""
        self.closing: Closing | None = None
        """What ``authx:closing`` said."""
        self.ended = False
        self.events: list[Event] = []
        """All that came."""
        self.unread: list[Event] = []
        self.answers: dict[int, tuple[Any, ...] | None] = {}
        """By number; None while the server owes the answer."""
        self._changed = asyncio.Event()

    def take(self, event: Event) -> None:
        """Keep an event; the library's own are known by what they say."""
        if event.name == SESSION_EVENT:
            self.session = event.data
        elif event.name == CLOSING_EVENT:
            body = event.data
            self.closing = Closing(body["code"], body["message"], retry=body["retry"])
        else:
            self.events.append(event)
            self.unread.append(event)
        self._changed.set()

    def answer(self, number: int, values: tuple[Any, ...]) -> None:
        """Keep an acknowledgement that somebody waits for."""
        if number in self.answers:
            self.answers[number] = values
            self._changed.set()

    def end(self) -> None:
        """Nothing comes any more."""
        self.ended = True
        self._changed.set()

    def next_unread(self, name: str | None) -> Event | None:
        """Take the oldest event that nobody has read, of that name if one is given."""
        for event in self.unread:
            if name is None or event.name == name:
                self.unread.remove(event)
                return event
        return None

    async def until(self, found: Callable[[], _T | None], *, what: str, timeout: float) -> _T:
        """Wait until ``found`` gives something.

        Raises:
            TimeoutError: if that takes longer than ``timeout`` seconds.
            ConnectionError: if the connection has ended, so that nothing can come.
        """
        try:
            async with asyncio.timeout(timeout):
                while (value := found()) is None:
                    if self.ended:
                        raise ConnectionError(f"the connection ended without {what}")
                    self._changed.clear()
                    await self._changed.wait()
                return value
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {timeout} s; unread: {self.unread}") from None
