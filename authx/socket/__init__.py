"""Authenticated Socket.IO for FastAPI apps that log people in with AuthX."""

from authx.socket.audience import Audience, Delivery
from authx.socket.connection import Connection, ConnectionInfo, CurrentIdentity
from authx.socket.exceptions import Denial, Refusal, ReservedNameError, SocketError
from authx.socket.facade import AuthXSocket
from authx.socket.guards import Guard, require_role, require_scope

__all__ = (
    "Audience",
    "AuthXSocket",
    "Connection",
    "ConnectionInfo",
    "CurrentIdentity",
    "Delivery",
    "Denial",
    "Guard",
    "Refusal",
    "ReservedNameError",
    "SocketError",
    "require_role",
    "require_scope",
)
