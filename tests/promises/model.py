"""What should be so, in as few words as can be: tokens, revocations and connections as plain values.

Nothing here knows how the library does it. Times are whole Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GRACE = 5
WARNING = 60


@dataclass(frozen=True)
class Token:
    raw: str = field(repr=False)
    id: str
    user: str
    session: str | None
    scopes: frozenset[str]
    roles: frozenset[str]
    issued_at: int
    expires_at: int | None


@dataclass(eq=False)
class Client:
    """A connection as it should be."""

    token: Token
    namespace: str
    transport: Any
    device: Any
    """The connection of the test client."""
    scopes: frozenset[str]
    roles: frozenset[str]
    told: tuple[list[str], list[str]]
    """The scopes and roles that the last ``authx:session`` said."""
    warn_at: float | None = None
    warnings: list[int] = field(default_factory=list)
    warned_at: int | None = None
    may_have_missed_the_last: bool = False
    """It ended in the very moment of the warning."""
    rooms: set[str] = field(default_factory=set)
    heard: list[Any] = field(default_factory=list)
    closing: tuple[str, bool] | None = None
    live: bool = True

    @property
    def user(self) -> str:
        return self.token.user

    @property
    def ends_at(self) -> int | None:
        return None if self.token.expires_at is None else self.token.expires_at + GRACE

    @property
    def all_rooms(self) -> set[str | None]:
        session = [] if self.token.session is None else [f"authx:session:{self.token.session}"]
        roles = [f"authx:role:{role}" for role in self.roles]
        return {None, self.device.sid, f"authx:user:{self.user}", *roles, *session, *self.rooms}


class Model:
    def __init__(self, now: int) -> None:
        self.now = now
        self.tokens: list[Token] = []
        self.clients: list[Client] = []
        self.revocations: list[Callable[[Token], bool]] = []
        self.handled: list[tuple[str, str]] = []
        """The sid and the name of each event that its handler has run for."""
        self.refreshed: list[str] = []

    @property
    def live(self) -> list[Client]:
        return [client for client in self.clients if client.live]

    # What is revoked ----------------------------------------------------------------------------------

    def is_revoked(self, token: Token) -> bool:
        return any(covers(token) for covers in self.revocations)

    def revoke_token(self, revoked: Token) -> Callable[[Token], bool]:
        return self._revoke(lambda token: token.id == revoked.id)

    def revoke_session(self, session: str) -> Callable[[Token], bool]:
        return self._revoke(lambda token: token.session == session)

    def revoke_user(self, user: str, before: int, spared: str | None) -> Callable[[Token], bool]:
        return self._revoke(
            lambda token: (
                token.user == user
                and token.issued_at <= before
                and not (spared is not None and token.session == spared)
            )
        )

    def _revoke(self, covers: Callable[[Token], bool]) -> Callable[[Token], bool]:
        self.revocations.append(covers)
        return covers

    # Who may ------------------------------------------------------------------------------------------

    def objection(self, token: Token) -> str | None:
        """The code that a token is refused with wherever it is shown."""
        if token.issued_at > self.now:
            return "invalid_token"
        if token.expires_at is not None and token.expires_at <= self.now:
            return "token_expired"
        return "token_revoked" if self.is_revoked(token) else None

    # What happens -------------------------------------------------------------------------------------

    def obey_clock(self) -> bool:
        """Whether that ends somebody."""
        before = len(self.live)
        for client in self.live:
            if client.ends_at is not None and client.ends_at <= self.now:
                self.end(client, ("token_expired", True))
            elif client.ends_at is not None and client.warn_at is not None and client.warn_at <= self.now:
                client.warn_at = None
                client.warnings.append(client.ends_at - self.now)
                client.warned_at = self.now
        return len(self.live) < before

    def time(self, client: Client) -> None:
        end = client.ends_at
        client.warn_at = None if end is None else end - min(WARNING, (end - self.now) / 3)

    def ttl(self, client: Client) -> int | None:
        return None if client.ends_at is None else max(0, client.ends_at - self.now)

    def judge(self, client: Client) -> None:
        """Only admins are in ``/admin``."""
        if client.live and client.namespace == "/admin" and "admin" not in client.roles:
            self.end(client, ("insufficient_role", False))

    def refresh(self, client: Client, token: Token) -> str | None:
        """Give a client another token; the code, if it may not have that."""
        objection = self.objection(token)
        if objection is not None:
            return objection
        if token.user != client.user or token.issued_at < client.token.issued_at:
            return "invalid_token"
        if token.id != client.token.id:
            client.token, client.scopes, client.roles = token, token.scopes, token.roles
            self.time(client)
            self.judge(client)
            if client.live:
                self.refreshed.append(client.device.sid)
        return None

    def update_user(self, user: str, scopes: frozenset[str] | None, roles: frozenset[str] | None) -> int:
        theirs = [client for client in self.live if client.user == user]
        for client in theirs:
            client.scopes = client.scopes if scopes is None else scopes
            client.roles = client.roles if roles is None else roles
            self.judge(client)
            if client.live:
                client.told = sorted(client.scopes), sorted(client.roles)
        return len(theirs)

    def end(self, client: Client, closing: tuple[str, bool] | None) -> None:
        client.live = False
        client.closing = closing
        client.may_have_missed_the_last = client.warned_at == self.now

    def end_covered(self, covers: Callable[[Token], bool]) -> None:
        for client in self.live:
            if covers(client.token):
                self.end(client, ("token_revoked", False))

    def members(self, namespace: str, room: str | None) -> list[Client]:
        return [client for client in self.live if client.namespace == namespace and room in client.all_rooms]
