"""The transports that nobody has been admitted on, counted by address."""

import pytest

from authx.socket.anteroom import Anteroom


@pytest.mark.parametrize(
    ("one", "another", "together"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_what_counts_as_one_address(one: str, another: str, together: bool) -> None:
    room = Anteroom(1)
    room.enter(one)
    if together:
        with pytest.raises(OverflowError):
            room.enter(another)
    else:
        room.enter(another)


def test_who_leaves_makes_room_and_leaves_nothing() -> None:
    room = Anteroom(2)
    keys = [room.enter("192.0.2.1") for _ in range(2)]
    with pytest.raises(OverflowError):
        room.enter("192.0.2.1")
    room.leave(keys[0])
    assert room.enter("192.0.2.1") == keys[0]
    for key in keys:
        room.leave(key)
    assert len(room) == 0


@pytest.mark.parametrize("address", [None, "", "testclient", "/run/app.sock"])
def test_what_is_no_address_is_not_counted(address: str | None) -> None:
    room = Anteroom(0)
    key = room.enter(address)
    room.leave(key)
    assert len(room) == 0


def test_who_is_turned_away_is_not_counted() -> None:
    room = Anteroom(0)
    with pytest.raises(OverflowError):
        room.enter("192.0.2.1")
    assert len(room) == 0
