"""What servers and load generator agree on, so that all servers do the same work.

CONNECT carries ``{"token": ...}``, an access token of HS256. Its ``sub`` is the user; the connection joins
the user's room and those of its claim ``rooms``. Whoever has no valid token is refused. The events, each of
which is acknowledged:

- ``message`` is answered with what it was sent, if the token is not over and carries :data:`SCOPE`;
- ``to_room`` with a number emits ``news`` once to :data:`ROOM`;
- ``to_users`` with ``[users, emits]`` emits ``news`` so many times, to the users 0, 1, 2... in turn, with a
  turn of the event loop between them;
- ``open`` is answered with the number of connections for which no disconnect handler was called yet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jwt

SECRET = "a secret of the usual length, 64 hexadecimal digits or so, or so"
SCOPE = "chat:write"
ROOM = "everybody"
LIFETIME = 3600
"""Seconds that a token is valid, longer than any run."""


def news(number: int) -> dict[str, Any]:
    """What is emitted, about 100 bytes of JSON."""
    return {"id": number, "kind": "notice", "text": "x" * 64, "at": 1700000000.5}


def token(user: str, *, rooms: Sequence[str] = ()) -> str:
    """An access token as AuthX issues them."""
    now = int(time.time())
    claims = {"sub": user, "jti": f"token-of-{user}", "type": "access", "fresh": False, "csrf": ""}
    times = {"iat": now, "exp": now + LIFETIME}
    return jwt.encode({**claims, **times, "scopes": ["chat:read", SCOPE], "rooms": list(rooms)}, SECRET)
