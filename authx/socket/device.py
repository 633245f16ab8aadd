"""A transport, and the connections on it that are on their way in or out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authx.socket.handshake import Handshake

__all__ = ("Arrival", "Departure", "Device", "Passage")


def _name() -> str:
    return secrets.token_urlsafe(9)


@dataclass(slots=True, eq=False)
class Device:
    """One Engine.IO transport, from its opening to its end."""

    id: str = field(repr=False)
    """The Engine.IO sid. Who knows it can speak for a polling client: it is shown to nobody else."""
    handshake: Handshake
    environ: Mapping[str, Any] = field(repr=False)
    name: str = field(default_factory=_name)
    """What the transport is called where others see it: in lists of devices and in logs."""
    arrivals: dict[str, Arrival] = field(default_factory=dict, repr=False)
    """By namespace."""
    abandoned: set[asyncio.Task[None]] = field(default_factory=set, repr=False)
    """Of arrivals that were given up: a thread can't be cancelled. The next arrival waits for their end."""
    deadline: asyncio.TimerHandle | None = field(default=None, repr=False)
    begun: bool = False
    """Whether it has asked for a namespace, as it has to first."""
    refusals: int = 0
    """How often a connection was refused while none had been admitted yet."""
    admitted: bool = False
    """Whether a connection ever was."""
    closing: bool = False

    def cancel_deadline(self) -> None:
        """Let the transport stay open."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


@dataclass(slots=True, eq=False)
class Passage:
    """A sid that is in no table an emit can see, and what the app may still ask about it."""

    sid: str
    namespace: str
    device: Device
    rooms: set[Any] = field(default_factory=set)
    session: Any = field(default_factory=dict, repr=False)
    """python-socketio's per-connection dict."""


@dataclass(slots=True, eq=False)
class Arrival(Passage):
    """A connection on its way in. What its connect handler does with the sid is done when it is admitted."""

    task: asyncio.Task[None] | None = field(default=None, repr=False)
    packets: list[tuple[list[str | bytes], frozenset[str]]] = field(default_factory=list, repr=False)
    """The frames of events for this sid, held, each with the users that are left out."""
    turned_away: bool = False
    """The app disconnected the sid before it was admitted."""


@dataclass(slots=True, eq=False)
class Departure(Passage):
    """A connection that has ended, while the app is told."""

    goodbye: asyncio.Task[None] | None = field(default=None, repr=False)
