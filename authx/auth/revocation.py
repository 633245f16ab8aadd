"""Revocations: tokens, sessions and users that ended before their time, kept for as long as it matters."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from authx.auth.claims import session_of
from authx.auth.clock import Clock, system_clock
from authx.auth.exceptions import JWTDecodeError
from authx.auth.identity import Identity
from authx.auth.schema import TokenPayload

__all__ = ("InMemoryRevocations", "Revocation", "Revocations", "holder_of")


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was ended: one token, the tokens of one session, or those of one user made up to a moment.

    Raises:
        TypeError: what is named is named by something else than a string.
        ValueError: not exactly one of the three is named, ``issued_before`` is missing, no number or not
            of a user, or ``except_session`` is not of a user.
    """

    token_id: str | None = None
    """Claim ``jti``."""
    session: str | None = None
    user: str | None = None
    issued_before: float | None = None
    """Unix seconds: of a user, the tokens made up to then. Tokens hold whole seconds, so one that was made
    in the same second counts as made before."""
    except_session: str | None = None
    """Of a user, the session that goes on."""

    def __post_init__(self) -> None:
        names: list[Any] = [self.token_id, self.session, self.user, self.except_session]
        if any(name is not None and not isinstance(name, str) for name in names):
            # A number would be kept, and never be equal to what a token says.
            raise TypeError("tokens, sessions and users are named by strings")
        if [self.token_id, self.session, self.user].count(None) != 2:
            raise ValueError("a revocation is of one token, one session or one user")
        if self.user is None:
            if self.issued_before is not None or self.except_session is not None:
                raise ValueError("issued_before and except_session are of a user")
        elif self.issued_before is None or not math.isfinite(self.issued_before):
            raise ValueError("the revocation of a user needs issued_before, in Unix seconds")

    def covers(self, identity: Identity) -> bool:
        """Whether it ends the tokens of an identity. One that does not say when it was made is covered."""
        if self.token_id is not None:
            return identity.token_id == self.token_id
        if self.session is not None:
            return identity.session == self.session
        excepted = identity.session is not None and identity.session == self.except_session
        if identity.user != self.user or excepted:
            return False
        made, before = identity.issued_at, self.issued_before
        return made is None or before is None or made <= before


class Revocations(Protocol):
    """Where revocations are kept. What cannot be kept, or not be found out, is raised."""

    async def add(self, revocation: Revocation, *, until: float | None) -> None:
        """Keep a revocation, durably, before this returns.

        Args:
            revocation: what was ended.
            until: Unix seconds from when on it may be forgotten, which may have passed; None is never.
        """

    async def find(self, identities: Sequence[Identity]) -> list[bool]:
        """Say of each identity whether it was ended; in one round trip, however many there are."""


class InMemoryRevocations:
    """Keeps revocations in this process, for as long as it runs, and none longer than it has to.

    A user takes the same room however often they are revoked. A clock that is put forward, and right again,
    brings nothing back: a record is kept for as long as it was to last, too, by a clock that nobody sets.
    It may be used from several threads.

    Args:
        clock: gives the current time in Unix seconds.
        monotonic: gives seconds from any start, and is never set.
    """

    def __init__(self, *, clock: Clock = system_clock, monotonic: Clock = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tokens: dict[str, _End] = {}
        """Until when a token is kept."""
        self._sessions: dict[str, _End] = {}
        """Until when a session is kept."""
        self._users: dict[str, list[_Mark]] = {}
        self._ends: list[tuple[float, str, str]] = []
        """A heap of when to look again at what of which name, by the clock that nobody sets. One for each
        that has an end."""

    async def add(self, revocation: Revocation, *, until: float | None) -> None:
        """Keep a revocation."""
        with self._lock:
            self._add(revocation, math.inf if until is None else until)

    async def find(self, identities: Sequence[Identity]) -> list[bool]:
        """Say of each identity whether it was ended."""
        with self._lock:
            now = self._now()
            self._forget(now)
            return [self._is_ended(identity, now) for identity in identities]

    def _now(self) -> _End:
        return _End(self._clock(), self._monotonic())

    def _add(self, revocation: Revocation, until: float) -> None:
        now = self._now()
        self._forget(now)
        if until <= now.clock:
            return
        end = _End(until, now.monotonic + until - now.clock)
        if revocation.token_id is not None:
            self._prolong("token", self._tokens, revocation.token_id, end)
        elif revocation.session is not None:
            self._prolong("session", self._sessions, revocation.session, end)
        elif revocation.user is not None:
            if revocation.user not in self._users:
                self._look_again("user", revocation.user, end)
            marks = self._users.get(revocation.user, ())
            self._users[revocation.user] = _merged([*marks, _Mark(revocation, end)])

    def _is_ended(self, identity: Identity, now: _End) -> bool:
        return (
            identity.token_id in self._tokens
            or identity.session in self._sessions
            or any(
                not mark.end.is_over(now) and mark.revocation.covers(identity)
                for mark in self._users.get(identity.user, ())
            )
        )

    def _prolong(self, kind: str, kept: dict[str, _End], name: str, end: _End) -> None:
        if name not in kept:
            self._look_again(kind, name, end)
        kept[name] = end.or_later(kept.get(name, end))

    def _look_again(self, kind: str, name: str, end: _End) -> None:
        if end.monotonic < math.inf:
            heapq.heappush(self._ends, (end.monotonic, kind, name))

    def _forget(self, now: _End) -> None:
        while self._ends and self._ends[0][0] <= now.monotonic:
            _, kind, name = heapq.heappop(self._ends)
            if kind == "user":
                kept: dict[str, Any] = self._users
                kept[name] = [mark for mark in self._users[name] if not mark.end.is_over(now)]
                ends = [mark.end for mark in kept[name]]
            else:
                kept = self._tokens if kind == "token" else self._sessions
                ends = [] if kept[name].is_over(now) else [kept[name]]
            if ends:
                self._look_again(kind, name, min((end.seen_from(now) for end in ends), key=_End.look))
            else:
                del kept[name]


class _End(NamedTuple):
    """A moment, by two clocks; over is what is over by both."""

    clock: float
    """Unix seconds."""
    monotonic: float
    """By the clock that nobody sets."""

    def is_over(self, now: _End) -> bool:
        return self.clock <= now.clock and self.monotonic <= now.monotonic

    def look(self) -> float:
        return self.monotonic

    def or_later(self, other: _End) -> _End:
        return _End(max(self.clock, other.clock), max(self.monotonic, other.monotonic))

    def seen_from(self, now: _End) -> _End:
        """When to look again: a clock that was set back has further to go."""
        if self.monotonic > now.monotonic:
            return self
        return _End(self.clock, now.monotonic + max(1.0, self.clock - now.clock))


@dataclass(frozen=True, slots=True)
class _Mark:
    """The revocation of a user, and until when it is kept."""

    revocation: Revocation
    end: _End

    @property
    def issued_before(self) -> float:
        return self.revocation.issued_before or 0.0


def _merged(marks: list[_Mark]) -> list[_Mark]:
    """Two marks at most that cover what all of them cover, and for as long.

    A token is covered by the latest mark that does not except its session: that is the latest of all, or, for
    the session which that one excepts, the latest that excepts another. What both stand for they outlive.
    """
    latest: dict[str | None, _Mark] = {}
    for mark in sorted(marks, key=lambda mark: mark.issued_before, reverse=True):
        first = latest.setdefault(mark.revocation.except_session, mark)
        latest[mark.revocation.except_session] = replace(first, end=first.end.or_later(mark.end))
    kept, dropped = list(latest.values())[:2], list(latest.values())[2:]
    end = _End(-math.inf, -math.inf)
    for mark in dropped:
        end = end.or_later(mark.end)
    return [replace(mark, end=mark.end.or_later(end)) for mark in kept]


def holder_of(payload: TokenPayload, user_claim: str = "sub") -> Identity:
    """Whom the payload of a verified token stands for, as far as revocations ask.

    Less strict than the verifier: apps may give claims a meaning of their own, and HTTP lets them.

    Args:
        payload: the claims. What a payload makes up where a token says nothing is left out.
        user_claim: the claim that names the user; ``sub`` if there is no such claim.
    """
    user = payload.custom_claims.get(user_claim, getattr(payload, user_claim, None))
    try:
        session = session_of(payload.custom_claims)
    except JWTDecodeError:
        session = None
    return Identity(
        user=user if isinstance(user, str) and user else payload.sub,
        session=session,
        token_id=payload.jti if "jti" in payload.model_fields_set else None,
        issued_at=_issued_at(payload),
    )


def _issued_at(payload: TokenPayload) -> float | None:
    if "iat" not in payload.model_fields_set:
        return None
    if isinstance(payload.iat, int | float):
        return payload.iat
    try:
        return payload.issued_at.timestamp()
    except TypeError:
        return None
