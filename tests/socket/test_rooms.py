"""Names of rooms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.identity import Identity
from authx.socket.exceptions import ReservedNameError
from authx.socket.rooms import (
    check_room,
    identity_rooms,
    is_reserved,
    is_user_room,
    role_room,
    session_room,
    user_room,
)


def test_an_identity_is_in_a_room_for_each_thing_it_is() -> None:
    identity = Identity(user="42", roles=frozenset({"admin", "staff"}), session="s1")

    assert identity_rooms(identity) == {
        "authx:user:42",
        "authx:role:admin",
        "authx:role:staff",
        "authx:session:s1",
    }


@given(st.text())
def test_the_room_of_a_user_is_told_from_every_other(name: str) -> None:
    assert is_user_room(user_room(name))
    assert not any(map(is_user_room, (role_room(name), session_room(name))))
    assert is_user_room(name) is name.startswith("authx:user:")


def test_without_roles_and_session_there_is_the_user_alone() -> None:
    assert identity_rooms(Identity(user="42")) == {"authx:user:42"}


@given(st.text(), st.text())
def test_no_two_things_share_a_room(first: str, second: str) -> None:
    rooms = {user_room(first), role_room(first), session_room(first), user_room(second)}

    assert len(rooms) == 3 + (first != second)
    assert all(map(is_reserved, rooms))


@pytest.mark.parametrize("room", ["authx:user:42", "authx:", "authx:whatever"])
def test_an_app_cannot_name_a_room_of_the_library(room: str) -> None:
    with pytest.raises(ReservedNameError):
        check_room("lobby", room)


@pytest.mark.parametrize("room", [None, [], ["lobby"], ("authx:user:42",), {"lobby"}, b"lobby"])
def test_what_python_socketio_takes_for_everybody_or_for_several_is_no_room(room: object) -> None:
    with pytest.raises(ValueError, match="not the name of a room"):
        check_room(room)


@pytest.mark.parametrize("room", ["lobby", "AUTHX:user:42", " authx:user:42", "", 42])
def test_any_other_room_is_the_apps(room: object) -> None:
    check_room(room)
