"""What apps test their sockets with: no network, no patching, no sleeping."""

from authx.socket.testing.bus import InMemoryBus, InMemoryManager
from authx.socket.testing.client import SocketTestClient
from authx.socket.testing.clock import ManualClock
from authx.socket.testing.connection import ClientConnection
from authx.socket.testing.inbox import Event

__all__ = ("ClientConnection", "Event", "InMemoryBus", "InMemoryManager", "ManualClock", "SocketTestClient")
