"""A transport and what is under way on it before anybody is admitted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authx.socket.handshake import Handshake

__all__ = ("Arrival", "Device")


@dataclass(slots=True, eq=False)
class Arrival:
    """A connection on its way in: it has a sid, and is in no table that an emit can see.

    What the app's connect handler does with the sid is held here, and done if the arrival is admitted.
    """

    sid: str
    namespace: str
    device: Device
    task: asyncio.Task[None] | None = None
    rooms: set[Any] = field(default_factory=set)
    events: list[tuple[str, Any]] = field(default_factory=list)
    turned_away: bool = False
    """The app disconnected the sid before it was admitted."""


@dataclass(slots=True, eq=False)
class Device:
    """One Engine.IO transport, from its opening to its end."""

    id: str
    handshake: Handshake
    environ: Mapping[str, Any] = field(repr=False)
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    """By namespace."""
    leaving: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """By namespace: the app is being told that a connection ended. Who comes back meanwhile waits for it."""
    deadline: asyncio.TimerHandle | None = None
    closing: bool = False

    def cancel_deadline(self) -> None:
        """Let the transport stay open."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
