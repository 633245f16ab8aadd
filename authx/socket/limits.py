"""Limits that know who somebody is: connections and logins of a user, failed handshakes of an address."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Literal, TypeAlias

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Closing, Refusal
from authx.socket.registry import Registry

__all__ = ("FailureThrottle", "UserLimits", "WhenFull")

WhenFull: TypeAlias = Literal["refuse", "drop_oldest"]

# What guessing looks like. A token that has expired was a good one, and a store that is down is our own. What
# any page can have the browsers of its visitors do is not counted: they would be locked out for it.
_CREDENTIAL_FAILURES = frozenset({"invalid_token", "wrong_token_type", "csrf_failed", "token_revoked"})
_WINDOW = 60.0
_MOST_ADDRESSES = 10_000
_SHARED = "?"
"""The bucket of all whose address is not known, or is no address."""


class UserLimits:
    """How many connections a user may have on this node, and whether of more than one login.

    Anonymous connections are nobody's, and not limited here.

    The connections that a user has belong to one login if they came over one transport, or if a newer one
    names the login session (the token id, for a token without a session) by which an older one came in, or
    that it has been refreshed to since. So a page whose tabs refresh their tokens at different times does
    not end itself. A token that has neither a session nor an id belongs to no login but its own.

    Args:
        registry: The admitted connections.
        most: How many connections a user may have in one namespace; None is any number.
        when_full: Whether the newest of too many is refused, or the oldest ended.
        single_session: Let the newest login of a user end the others, in all namespaces.

    Raises:
        ValueError: for a limit below 1, and for another word in ``when_full``.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        most: int | None = None,
        when_full: WhenFull = "refuse",
        single_session: bool = False,
    ) -> None:
        if most is not None and most < 1:
            raise ValueError("max_connections_per_user is at least 1")
        if when_full not in ("refuse", "drop_oldest"):
            raise ValueError(f"when_full is 'refuse' or 'drop_oldest', not {when_full!r}")
        self._registry = registry
        self._most = most
        self._drops_oldest = when_full == "drop_oldest"
        self._single_session = single_session

    def make_room(self, newcomer: Connection) -> dict[Connection, Closing]:
        """The connections that end if ``newcomer`` is admitted now, each with what it is told.

        Raises:
            Refusal: ``too_many_connections``, if there is no room to be made.
        """
        if newcomer.user is None:
            return {}
        theirs = self._registry.of(newcomer.user)
        ending: dict[Connection, Closing] = {}
        if self._single_session and theirs and not _is_of_their_login(newcomer, theirs):
            elsewhere = Closing("too_many_connections", "The user connected elsewhere")
            ending = dict.fromkeys(theirs, elsewhere)
        if self._most is not None:
            beside = [one for one in theirs if one.namespace == newcomer.namespace and one not in ending]
            surplus = len(beside) + 1 - self._most
            if surplus > 0:
                if not self._drops_oldest:
                    raise Refusal("too_many_connections")
                ending.update(dict.fromkeys(beside[:surplus], Closing("too_many_connections")))
        return ending


def _is_of_their_login(newcomer: Connection, theirs: tuple[Connection, ...]) -> bool:
    if any(one.transport == newcomer.transport for one in theirs):
        return True
    login = _login(newcomer.identity)
    return login is not None and any(
        login in (_login(one.admitted_as), _login(one.identity)) for one in theirs
    )


def _login(identity: Identity | None) -> tuple[str, str] | None:
    """What tells one login from another; None if nothing does."""
    if identity is None:
        return None
    if identity.session is not None:
        return "session", identity.session
    return None if identity.token_id is None else ("token", identity.token_id)


class FailureThrottle:
    """Counts the refused credentials of an address, in windows of a minute from the first one on.

    IPv6 addresses count by their /64, which is what one subscriber has at the least. All who have no address
    count together. The address is the one that the ASGI server tells: behind a proxy that it does not know
    to trust, everybody has the proxy's.

    Args:
        most: How many of them an address may have in a minute; None is any number.
        clock: Gives seconds from any start. Not the time of day, which can be set back.
        most_addresses: How many are remembered; beyond that the oldest are forgotten.

    Raises:
        ValueError: for a limit below 1.
    """

    def __init__(
        self,
        most: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_addresses: int = _MOST_ADDRESSES,
    ) -> None:
        if most is not None and most < 1:
            raise ValueError("max_failures_per_address is at least 1")
        self._most = most
        self._clock = clock
        self._most_addresses = most_addresses
        self._windows: dict[str, tuple[float, int]] = {}
        """When the window of an address ends, and what was counted in it; what ends first stands first."""

    def check(self, address: str | None) -> None:
        """Raise if an address has had too many refusals.

        Raises:
            Refusal: ``rate_limited``, with the whole seconds until the window ends: ``{"retry_after": 60}``.
        """
        now = self._clock()
        end, count = self._windows.get(_bucket(address), (now, 0))
        if self._most is not None and count >= self._most and end > now:
            raise Refusal("rate_limited", details={"retry_after": math.ceil(end - now)})

    def count(self, address: str | None, code: str) -> None:
        """Take note that a handshake of ``address`` was refused with ``code``."""
        if self._most is None or code not in _CREDENTIAL_FAILURES:
            return
        now = self._clock()
        self._forget_ended(now)
        bucket = _bucket(address)
        end, count = self._windows.get(bucket, (now + _WINDOW, 0))
        self._windows[bucket] = (end, count + 1)
        if len(self._windows) > self._most_addresses:
            del self._windows[next(iter(self._windows))]

    def _forget_ended(self, now: float) -> None:
        # All windows are as long, so they stand in the order in which they end.
        while self._windows:
            bucket, (end, _) = next(iter(self._windows.items()))
            if end > now:
                return
            del self._windows[bucket]

    def __len__(self) -> int:
        return len(self._windows)


def _bucket(address: str | None) -> str:
    """What is counted together with ``address``."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return _SHARED
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or int(found) >> 64)
