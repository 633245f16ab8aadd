"""The credential as a value."""

from authx.socket.credential import Credential


def test_what_is_secret_is_not_shown() -> None:
    shown = repr(Credential("the-token", "cookie", csrf="the-csrf"))

    assert shown == "Credential(place='cookie')"
