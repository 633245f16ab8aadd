"""Several nodes in one process: what carries messages between them is a list of queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from socketio.async_pubsub_manager import AsyncPubSubManager

from authx.socket.manager import Manager
from authx.socket.server import Server

__all__ = ("InMemoryBus", "InMemoryManager")


class InMemoryBus:
    """Connects the nodes that take their client manager from it.

    ``AuthXSocket(app, auth=auth, client_manager=bus.manager())``, once for each app.
    """

    def __init__(self) -> None:
        self._managers: list[InMemoryManager] = []
        self._under_way = 0
        self._arrived: asyncio.Event | None = None

    def manager(self) -> InMemoryManager:
        """The client manager of one more node."""
        manager = InMemoryManager(self)
        self._managers.append(manager)
        return manager

    @property
    def nodes(self) -> list[Server]:
        """The Socket.IO servers that have been given one of the managers."""
        return [manager.server for manager in self._managers if manager.server is not None]

    def publish(self, message: str) -> None:
        """Give ``message`` to every node that listens."""
        for manager in self._managers:
            if manager.inbox is not None:
                self._under_way += 1
                manager.inbox.put_nowait(message)

    def arrived(self, messages: int = 1) -> None:
        """Count messages that a node has dealt with."""
        self._under_way -= messages
        arrived, self._arrived = self._arrived, None
        if arrived is not None:
            arrived.set()

    async def drain(self) -> bool:
        """Wait until every message has been dealt with; False if there was none under way."""
        waited = self._under_way > 0
        while self._under_way:
            # A new one each time, for a bus may serve one loop after the other.
            self._arrived = self._arrived or asyncio.Event()
            await self._arrived.wait()
        return waited


class InMemoryManager(AsyncPubSubManager, Manager):
    """The client manager of one node. Messages travel as text, as they do over a real bus."""

    name = "inmemory"

    def __init__(self, bus: InMemoryBus) -> None:
        super().__init__()
        self.bus = bus
        self.inbox: asyncio.Queue[str] | None = None
        """None until the node has had a connection; python-socketio listens from then on."""

    def initialize(self) -> None:
        """Listen from now on."""
        self.inbox = asyncio.Queue()
        super().initialize()

    async def _publish(self, data: dict[str, Any]) -> None:
        self.bus.publish(json.dumps(data))

    async def _listen(self) -> AsyncIterator[str]:
        assert self.inbox is not None  # noqa: S101 - listening is started by initialize
        try:
            while True:
                message = await self.inbox.get()
                try:
                    yield message
                finally:
                    self.bus.arrived()
        finally:
            self.bus.arrived(self.inbox.qsize())
            self.inbox = None
