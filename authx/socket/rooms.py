"""The names of rooms that belong to the library; the only place that builds them.

Whoever is in an identity room is that user, has that role or holds that session. So nobody but the
library puts a connection into one, and nobody reaches one through a name that a client may have chosen.
"""

from __future__ import annotations

from authx.auth.identity import Identity
from authx.socket.exceptions import ReservedNameError

__all__ = (
    "RESERVED_PREFIX",
    "check_room",
    "identity_rooms",
    "is_reserved",
    "is_user_room",
    "role_room",
    "session_room",
    "user_room",
)

RESERVED_PREFIX = "authx:"
_USER = f"{RESERVED_PREFIX}user:"


def user_room(user: str) -> str:
    """The room of everything that ``user`` has open."""
    return f"{_USER}{user}"


def is_user_room(room: object) -> bool:
    """Whether ``room`` is that of a user."""
    return isinstance(room, str) and room.startswith(_USER)


def role_room(role: str) -> str:
    """The room of everybody who has ``role``."""
    return f"{RESERVED_PREFIX}role:{role}"


def session_room(session: str) -> str:
    """The room of everything opened with one login session."""
    return f"{RESERVED_PREFIX}session:{session}"


def identity_rooms(identity: Identity) -> frozenset[str]:
    """The rooms that a connection of ``identity`` is in by being who it is."""
    rooms = {user_room(identity.user), *map(role_room, identity.roles)}
    if identity.session is not None:
        rooms.add(session_room(identity.session))
    return frozenset(rooms)


def is_reserved(name: object) -> bool:
    """Whether ``name`` belongs to the library. Rooms need not be strings; events are."""
    return isinstance(name, str) and name.startswith(RESERVED_PREFIX)


def check_room(*rooms: object) -> None:
    """Raise unless an app may name these rooms.

    Raises:
        ReservedNameError: for a room that belongs to the library.
        ValueError: for None, which python-socketio takes for everybody, and for a collection, which it
            takes for several rooms.
    """
    for room in rooms:
        if is_reserved(room):
            raise ReservedNameError(f"the room {room!r} is the library's: use to_user, to_role or to_session")
        if room is None or (hasattr(room, "__len__") and not isinstance(room, str)):
            raise ValueError(f"{room!r} is not the name of a room")
