"""The credential: a raw token, and where it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ("Credential", "Place")

Place: TypeAlias = Literal["payload", "header", "cookie", "query"]
"""Where a client may show a token: the ``auth`` payload of the CONNECT packet, or the handshake."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A raw token, and the place it came from."""

    token: str = field(repr=False)
    place: Place
    csrf: str | None = field(default=None, repr=False)
    """The double-submit value that came along, for a cookie."""
