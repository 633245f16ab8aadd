"""What a connection tells about itself."""

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.credential import Credential


def test_what_others_see_holds_neither_claims_nor_key() -> None:
    connection = Connection(
        sid="s",
        namespace="/",
        device="d",
        identity=Identity(user="42", claims={"email": "private"}),
        connected_at=1.0,
        address="192.0.2.1",
        user_agent="Browser",
        key="secret-key",
        transport="secret-transport",
        credential=Credential("secret-token", "header"),
        opened_with={"headers": [(b"cookie", b"secret")]},
    )

    info = connection.info

    assert (info.user, info.device, info.address, info.user_agent) == ("42", "d", "192.0.2.1", "Browser")
    assert "private" not in repr(info)
    assert "secret" not in repr(info) + repr(connection)


def test_an_anonymous_connection_has_no_user() -> None:
    connection = Connection(sid="s", namespace="/", device="d", identity=None, connected_at=1.0)

    assert connection.user is None
    assert connection.info.user is None
