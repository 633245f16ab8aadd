"""The tables of admitted connections."""

from typing import Any

from authx.auth.identity import Identity
from authx.auth.revocation import Revocation
from authx.socket.connection import Connection
from authx.socket.credential import Credential
from authx.socket.registry import Registry, _digest


def connection(sid: str, device: str = "d1", namespace: str = "/", user: str | None = None) -> Connection:
    return Connection(
        sid=sid,
        namespace=namespace,
        device=device,
        transport=device,
        identity=None if user is None else Identity(user=user),
        connected_at=0.0,
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


def test_a_user_has_connections_in_all_namespaces_in_the_order_in_which_they_came() -> None:
    registry = Registry()
    first, second = connection("a", user="alice"), connection("b", "d2", "/x", user="alice")
    for each in (first, second, connection("c", "d3"), connection("d", "d4", user="bob")):
        registry.add(each)

    assert registry.of("alice") == (first, second)
    registry.remove("a")
    assert registry.of("alice") == (second,)
    assert registry.of("carol") == ()


def test_a_connection_is_removed_once() -> None:
    registry = Registry()
    gone = connection("a")
    registry.add(gone)

    assert registry.remove("a") is gone
    assert registry.remove("a") is None


def test_nothing_is_left_of_a_removed_connection() -> None:
    registry = Registry()
    registry.add(connection("a"))
    registry.add(connection("b", namespace="/x", user="alice"))
    registry.remove("a")
    registry.remove("b")

    assert registry.on("d1") == ()
    assert registry.at("d1", "/") is None
    assert vars(registry) == {"_by_sid": {}, "_by_transport": {}, "_by_name": {}, "_by_key": {}}


def identified(sid: str, key: str = "", **claims: Any) -> Connection:
    found = connection(sid, device=sid)
    found.identity, found.key = Identity(**{"user": "alice", **claims}), key
    return found


def test_what_a_revocation_covers_is_found_by_its_name() -> None:
    registry = Registry()
    first = identified("a", session="s1", token_id="t1", issued_at=100.0)
    second = identified("b", session="s2", token_id="t2", issued_at=200.0)
    for each in (first, second, identified("c", user="bob", token_id="t3"), connection("d", "d4")):
        registry.add(each)

    assert registry.covered_by(Revocation(token_id="t1")) == [first]
    assert registry.covered_by(Revocation(session="s2")) == [second]
    assert registry.covered_by(Revocation(user="alice", issued_before=150.0)) == [first]
    assert registry.covered_by(Revocation(user="alice", issued_before=300.0)) == [first, second]
    assert registry.covered_by(Revocation(user="alice", issued_before=300.0, except_session="s1")) == [second]
    assert registry.covered_by(Revocation(token_id="s1")) == []


def test_a_renewed_connection_is_found_by_what_it_is_now() -> None:
    registry = Registry()
    first = identified("a", session="s1", token_id="t1")
    second = identified("b", session="s1", token_id="t1")
    registry.add(first)
    registry.add(second)

    newer = Identity(user="alice", session="s2", token_id="t2")
    registry.renew(first, newer, Credential("new", "cookie"))

    assert (first.identity, first.credential) == (newer, Credential("new", "cookie"))
    assert registry.covered_by(Revocation(token_id="t1")) == [second]
    assert registry.covered_by(Revocation(session="s1")) == [second]
    assert registry.covered_by(Revocation(session="s2")) == [first]
    assert registry.of("alice") == (first, second)
    registry.remove("a")
    registry.remove("b")
    assert not any(vars(registry).values())


def test_a_connection_is_found_by_its_key_and_by_no_other() -> None:
    registry = Registry()
    here, nobody = identified("a", key="secret"), connection("b", "d2")
    nobody.key = "of nobody"
    registry.add(here)
    registry.add(nobody)

    assert registry.with_key("secret") is here
    for other in ("", "secre", "secrets", "of nobody", "é", "\ud800"):
        assert registry.with_key(other) is None
    registry.remove("a")
    assert registry.with_key("secret") is None
    # The index only says where to look.
    registry._by_key[_digest("another")] = here
    assert registry.with_key("another") is None
