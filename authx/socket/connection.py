"""One Socket.IO socket in one namespace, and who is on the other end of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from authx.auth.identity import Identity
from authx.socket.credential import Credential

__all__ = ("Connection", "ConnectionInfo", "CurrentIdentity")


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """A connection as others may see it: a list of one's own devices, an operator's overview."""

    sid: str
    namespace: str
    device: str
    """A name for the transport; connections of one page share it. It opens nothing."""
    user: str | None
    """None for an anonymous connection."""
    connected_at: float
    """Unix seconds."""
    address: str | None
    user_agent: str | None


@dataclass(slots=True, eq=False)
class Connection:
    """What handlers and guards are given. ``identity`` is the current one, judged anew at each event."""

    sid: str
    namespace: str
    device: str
    identity: Identity | None
    """None for an anonymous connection; every guard denies those."""
    connected_at: float
    """Unix seconds."""
    address: str | None = None
    user_agent: str | None = None
    transport: str = field(default="", repr=False)
    """The Engine.IO sid, by which packets are sent: a secret of the client's."""
    ended: bool = False
    """Whether it has left: what was under way for it goes no further."""
    key: str = field(default="", repr=False)
    """The secret by which a cookie client names this connection over HTTP."""
    admitted_as: Identity | None = field(default=None, repr=False)
    """The identity that it came in with, whatever it was refreshed to since."""
    credential: Credential | None = field(default=None, repr=False)
    """What the current identity was made from."""
    opened_with: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The ASGI scope of the request or websocket that opened the transport."""

    @property
    def user(self) -> str | None:
        """The user of the current identity."""
        return None if self.identity is None else self.identity.user

    @property
    def info(self) -> ConnectionInfo:
        """What others may see of this connection: neither claims nor secrets."""
        return ConnectionInfo(
            sid=self.sid,
            namespace=self.namespace,
            device=self.device,
            user=self.user,
            connected_at=self.connected_at,
            address=self.address,
            user_agent=self.user_agent,
        )


CurrentIdentity: TypeAlias = Annotated[Identity, "the identity of the connection, at the time of the event"]
"""What a handler asks for to know who sent the event; an anonymous sender is denied."""
