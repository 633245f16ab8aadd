"""The tables of admitted connections."""

from authx.socket.connection import Connection
from authx.socket.registry import Registry


def connection(sid: str, device: str = "d1", namespace: str = "/") -> Connection:
    return Connection(
        sid=sid, namespace=namespace, device=device, transport=device, identity=None, connected_at=0.0
    )


def test_a_connection_is_found_by_sid_and_by_transport() -> None:
    registry = Registry()
    here, there, elsewhere = connection("a"), connection("b", namespace="/x"), connection("c", device="d2")
    for each in (here, there, elsewhere):
        registry.add(each)

    assert registry.get("a") is here
    assert registry.at("d1", "/x") is there
    assert registry.at("d2", "/x") is None
    assert registry.on("d1") == (here, there)
    assert set(registry) == {here, there, elsewhere}
    assert len(registry) == 3


def test_a_connection_is_removed_once() -> None:
    registry = Registry()
    gone = connection("a")
    registry.add(gone)

    assert registry.remove("a") is gone
    assert registry.remove("a") is None


def test_nothing_is_left_of_a_removed_connection() -> None:
    registry = Registry()
    registry.add(connection("a"))
    registry.add(connection("b", namespace="/x"))
    registry.remove("a")
    registry.remove("b")

    assert registry.on("d1") == ()
    assert registry.at("d1", "/") is None
    assert vars(registry) == {"_by_sid": {}, "_by_transport": {}}
