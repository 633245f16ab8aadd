"""The transports that nobody has been admitted on, counted by where they come from."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Network, ip_address

__all__ = ("Anteroom",)


class Anteroom:
    """Keeps strangers of one address few.

    An IPv6 address counts with its whole /64, which is what one customer is given. What is no IP address,
    as behind a Unix socket, can't be told apart and is not counted.

    Args:
        most: How many there may be of one address.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: Counter[str] = Counter()

    def enter(self, address: str | None) -> str | None:
        """Count one more, and give the key under which it is.

        Raises:
            OverflowError: if there are as many as may be.
        """
        key = _key(address)
        if key is not None:
            if self._waiting[key] >= self._most:
                raise OverflowError("too many transports of this address")
            self._waiting[key] += 1
        return key

    def leave(self, key: str | None) -> None:
        """Count one less."""
        if key is not None:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    def __len__(self) -> int:
        return len(self._waiting)


def _key(address: str | None) -> str | None:
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    if found.version == 4:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found.packed, 64), strict=False))
