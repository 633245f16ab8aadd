"""When the time of connections is over, and when they are to be warned: one structure for a whole node."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count

__all__ = ("Due", "Expiry")

_FEW = 64
"""Entries for which nobody is left are not worth an effort until there are more of them."""


@dataclass(slots=True)
class Due:
    """The sids whose marks have come."""

    expiring: list[str] = field(default_factory=list)
    """To be warned."""
    over: list[str] = field(default_factory=list)
    """To be ended. None of them is among the others."""


@dataclass(frozen=True, slots=True)
class _Term:
    number: int
    """Of the entry that counts; others of the same sid are dead."""
    end: float


class Expiry:
    """A heap of marks, two for each sid that ends: a warning, and the end. Only the next one is in it.

    Times are Unix seconds, and come from whoever asks.

    Args:
        expiring_before: How many seconds before the end the warning is due; after two thirds of the time
            there is, if that is later.
    """

    def __init__(self, *, expiring_before: float) -> None:
        self._expiring_before = expiring_before
        self._heap: list[tuple[float, int, str]] = []
        self._terms: dict[str, _Term] = {}
        self._numbers = count()
        self.next: float | None = None
        """No mark is due before; None if there are no marks. Asked before everything, so kept at hand."""

    def set(self, sid: str, *, now: float, end: float | None) -> None:
        """Let ``sid`` end then, counted from now; whatever was said of it before no longer counts.

        Args:
            sid: Whose end.
            now: When what ends has begun.
            end: None is never.
        """
        if end is None:
            self.discard(sid)
        else:
            self._push(sid, end - min(self._expiring_before, (end - now) / 3), end)

    def discard(self, sid: str) -> None:
        """Forget a sid, if it is known."""
        if self._terms.pop(sid, None) is not None:
            self._compact()

    def due(self, now: float) -> Due:
        """Take out what is due by now."""
        found = Due()
        while self._heap and self._heap[0][0] <= now:
            _, number, sid = heapq.heappop(self._heap)
            term = self._terms.get(sid)
            if term is None or term.number != number:
                continue
            if term.end <= now:
                del self._terms[sid]
                found.over.append(sid)
            else:
                # Once: what is left is the end, also if the clock is set back.
                self._push(sid, term.end, term.end)
                found.expiring.append(sid)
        self._compact()
        return found

    def __len__(self) -> int:
        return len(self._terms)

    def _push(self, sid: str, when: float, end: float) -> None:
        number = next(self._numbers)
        self._terms[sid] = _Term(number, end)
        heapq.heappush(self._heap, (when, number, sid))
        self._compact()

    def _compact(self) -> None:
        """Keep the dead entries fewer than the living, beyond a few."""
        if not self._terms:
            self._heap.clear()
        elif len(self._heap) > max(_FEW, 2 * len(self._terms)):
            self._heap = [entry for entry in self._heap if self._is_alive(entry)]
            heapq.heapify(self._heap)
        self.next = self._heap[0][0] if self._heap else None

    def _is_alive(self, entry: tuple[float, int, str]) -> bool:
        _, number, sid = entry
        term = self._terms.get(sid)
        return term is not None and term.number == number
