"""Authenticated Socket.IO for FastAPI apps that log people in with AuthX."""

from authx.socket.audience import Audience, Delivery, Reply
from authx.socket.connection import Connection, ConnectionInfo, CurrentIdentity
from authx.socket.exceptions import Denial, Refusal, ReservedNameError, SocketError
from authx.socket.facade import AuthXSocket
from authx.socket.guards import Guard, guard, require_fresh, require_policy, require_role, require_scope
from authx.socket.rate import rate_limit
from authx.socket.route import SocketDep
from authx.socket.router import SocketRouter

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
    "Reply",
    "ReservedNameError",
    "SocketDep",
    "SocketError",
    "SocketRouter",
    "guard",
    "rate_limit",
    "require_fresh",
    "require_policy",
    "require_role",
    "require_scope",
)
