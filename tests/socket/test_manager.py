"""The rooms of a node, beside python-socketio's own: the same answers, in less time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import socketio
from hypothesis import given
from hypothesis import strategies as st
from socketio.async_pubsub_manager import AsyncPubSubManager

from authx.socket.manager import Manager, adopted
from authx.socket.registry import Registry
from authx.socket.surface import Surface

NAMESPACES = st.sampled_from(["/", "/chat"])
SIDS = st.sampled_from(["one", "two", "three"])
ROOMS = st.sampled_from(["lobby", "den", 7, "one", "two", "three"])


class Listener:
    """Stands for a server, and keeps what it was to deliver."""

    def __init__(self) -> None:
        self.delivered: list[tuple[str, list[Any]]] = []
        self.looked_at_the_clock = 0
        self.registry = Registry()

    packet_class = socketio.packet.Packet

    def obey_clock(self) -> None:
        self.looked_at_the_clock += 1

    def encoded(self, *arguments: Any) -> list[str | bytes]:
        return Surface.encoded(self, *arguments)  # type: ignore[arg-type]

    def put(self, transport: str, frames: list[str | bytes]) -> None:
        self.delivered.append((transport, frames))

    async def deliver(self, transports: list[str], frames: list[str | bytes]) -> None:
        for transport in transports:
            self.put(transport, frames)


@pytest.fixture
def server() -> Listener:
    return Listener()


@pytest.fixture
def manager(server: Listener) -> Manager:
    manager = Manager()
    manager.set_server(server)
    return manager


def enter(manager: Any, sid: str, namespace: str = "/", *rooms: Any) -> None:
    for room in (None, sid, *rooms):
        manager.basic_enter_room(sid, namespace, room, eio_sid=f"transport of {sid}")


# --- rooms ------------------------------------------------------------------------------------------------

Step = st.one_of(
    st.tuples(st.just("connect"), SIDS, NAMESPACES),
    st.tuples(st.just("enter"), SIDS, NAMESPACES, ROOMS),
    st.tuples(st.just("leave"), SIDS, NAMESPACES, ROOMS),
    st.tuples(st.just("close"), NAMESPACES, ROOMS),
    st.tuples(st.just("disconnect"), SIDS),
)


@given(st.lists(Step, max_size=30))
def test_it_answers_as_python_socketio_does(steps: list[tuple[Any, ...]]) -> None:
    ours, theirs = Manager(), socketio.AsyncManager()
    where: dict[str, str] = {}
    for kind, *arguments in steps:
        for manager in (ours, theirs):
            play(manager, where, kind, arguments)
        if kind == "connect":
            where.setdefault(arguments[0], arguments[1])
        elif kind == "disconnect":
            where.pop(arguments[0], None)
        for namespace in ("/", "/chat"):
            for room in (None, "lobby", "den", 7, "one", "two", "three", "nowhere"):
                assert members(ours, namespace, room) == members(theirs, namespace, room)
            several = ["lobby", "two", "nowhere"]
            assert members(ours, namespace, several) == members(theirs, namespace, several)
            for sid in ("one", "two", "three"):
                assert ours.is_connected(sid, namespace) == theirs.is_connected(sid, namespace)
                assert ours.eio_sid_from_sid(sid, namespace) == eio_sid(theirs, sid, namespace)
                assert set(ours.get_rooms(sid, namespace)) == set(theirs.get_rooms(sid, namespace))
        assert list(ours.get_namespaces()) == list(theirs.get_namespaces())
    for sid, namespace in where.items():
        ours.basic_disconnect(sid, namespace)
    assert (ours.rooms, ours._rooms_of) == ({}, {})


def play(manager: Any, where: dict[str, str], kind: str, arguments: list[Any]) -> None:
    """Do to a manager what a server does: a sid is in one namespace, and enters its own room first."""
    if kind == "connect":
        sid, namespace = arguments
        if sid not in where:
            enter(manager, sid, namespace)
    elif kind == "disconnect":
        [sid] = arguments
        if sid in where:
            manager.basic_disconnect(sid, where[sid])
    elif kind == "close":
        namespace, room = arguments
        if room not in where:
            manager.basic_close_room(room, namespace)
    else:
        sid, namespace, room = arguments
        # A room that is a sid is refused by who calls.
        if where.get(sid) == namespace and room not in ("one", "two", "three"):
            change = manager.basic_enter_room if kind == "enter" else manager.basic_leave_room
            change(sid, namespace, room)


def members(manager: Any, namespace: str, room: Any) -> set[tuple[str, str]]:
    return set(manager.get_participants(namespace, room))


def eio_sid(manager: Any, sid: str, namespace: str) -> str | None:
    found: str | None = manager.eio_sid_from_sid(sid, namespace)
    return found


def test_who_is_not_connected_enters_nothing(manager: Manager) -> None:
    with pytest.raises(ValueError, match="not connected"):
        manager.basic_enter_room("nobody", "/", "lobby")
    enter(manager, "one")
    with pytest.raises(ValueError, match="not connected"):
        manager.basic_enter_room("nobody", "/", "lobby")
    assert manager.rooms == {"/": {None: {"one": "transport of one"}}}


def test_the_room_of_a_sid_is_nobody_elses(manager: Manager) -> None:
    enter(manager, "one")
    enter(manager, "two")
    with pytest.raises(ValueError, match="sid room"):
        manager.basic_enter_room("two", "/", "one")
    with pytest.raises(ValueError, match="sid room"):
        manager.basic_close_room("one", "/")


def test_a_transport_leads_to_its_sid(manager: Manager) -> None:
    assert manager.sid_from_eio_sid("transport", "/") is None


class Counted(dict[Any, Any]):
    """Counts how many of its rooms were looked at."""

    looked_at = 0

    def __getitem__(self, key: Any) -> Any:
        type(self).looked_at += 1
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        type(self).looked_at += 1
        return super().get(key, default)

    def _whole(self) -> Iterator[Any]:
        raise AssertionError("every room there is was looked at")

    __iter__ = _whole
    items = keys = values = copy = _whole  # type: ignore[assignment]


def test_leaving_looks_at_the_rooms_of_who_leaves_and_no_others(manager: Manager) -> None:
    for number in range(500):
        enter(manager, f"sid {number}", "/", f"room {number}", "lobby")
    manager.rooms["/"] = Counted(manager.rooms["/"])
    manager.basic_disconnect("sid 7", "/")
    assert 0 < Counted.looked_at <= 12
    assert len(manager.rooms["/"]) == 501


def test_who_leaves_takes_its_callbacks_along(manager: Manager) -> None:
    enter(manager, "one")
    manager._generate_ack_id("one", print)
    manager.basic_disconnect("one", "/")
    assert manager.callbacks == {}
    manager.basic_disconnect("one", "/")


# --- emits ------------------------------------------------------------------------------------------------


async def test_a_packet_is_encoded_once_and_given_to_each(manager: Manager, server: Listener) -> None:
    for sid in ("one", "two", "three"):
        enter(manager, sid, "/", "lobby")
    await manager.emit("news", {"n": 1}, "/", room="lobby", skip_sid="two")

    assert [transport for transport, _ in server.delivered] == ["transport of one", "transport of three"]
    [first, second] = [frames for _, frames in server.delivered]
    assert first is second
    assert first == ['42["news",{"n":1}]']
    assert server.looked_at_the_clock == 1


@pytest.mark.parametrize(
    ("room", "reached"),
    [
        (None, {"one", "two", "three"}),
        ("two", {"two"}),
        (["lobby", "two"], {"one", "two"}),
        ([], set()),
        ("nowhere", set()),
    ],
)
async def test_whom_it_reaches(manager: Manager, server: Listener, room: Any, reached: set[str]) -> None:
    for sid in ("one", "two", "three"):
        enter(manager, sid)
    manager.basic_enter_room("one", "/", "lobby")
    enter(manager, "elsewhere", "/chat")
    await manager.emit("news", None, "/", room=room)
    assert sorted(transport for transport, _ in server.delivered) == sorted(
        f"transport of {sid}" for sid in reached
    )


async def test_bytes_follow_their_packet(manager: Manager, server: Listener) -> None:
    enter(manager, "one")
    await manager.emit("news", (b"a", "b"), "/", to="one")
    [(_, frames)] = server.delivered
    assert [type(frame) for frame in frames] == [str, bytes]
    assert str(frames[0]).startswith("451-")


async def test_each_who_is_asked_has_a_number(manager: Manager, server: Listener) -> None:
    enter(manager, "one")
    enter(manager, "two")
    await manager.emit("question", None, "/", callback=print, skip_sid=["two"])
    assert server.delivered == [("transport of one", ['421["question"]'])]
    await manager.emit("question", None, "/", room="two", callback=print)
    assert set(manager.callbacks) == {"one", "two"}


# --- a manager that the app brings -------------------------------------------------------------------------


class Bus(AsyncPubSubManager):  # type: ignore[misc]
    """A manager of an app's own."""

    def __init__(self, url: str) -> None:
        super().__init__(channel="mine")
        self.url = url
        self.published: list[Any] = []

    async def _publish(self, data: Any) -> None:
        self.published.append(json.loads(json.dumps(data)))


def test_without_one_the_rooms_are_ours() -> None:
    assert type(adopted(None)) is Manager


def test_ours_is_taken_as_it_is() -> None:
    manager = Manager()
    assert adopted(manager) is manager


async def test_another_one_keeps_its_settings_and_its_bus(server: Listener) -> None:
    given = Bus("bus://here")
    manager: Any = adopted(given)
    manager.set_server(server)
    enter(manager, "one")

    assert manager is given
    assert isinstance(manager, Bus)
    assert isinstance(manager, Manager)
    assert (manager.url, manager.channel) == ("bus://here", "mine")
    # By the one that the app holds.
    await given.emit("news", {"n": 1}, namespace="/", room="one")
    assert server.delivered == [("transport of one", ['42["news",{"n":1}]'])]
    [message] = given.published
    assert (message["method"], message["event"], message["room"]) == ("emit", "news", "one")


async def test_what_comes_over_its_bus_goes_by_the_clock(server: Listener) -> None:
    manager: Any = adopted(Bus("bus://here"))
    manager.set_server(server)
    enter(manager, "one")
    message = {"method": "emit", "event": "news", "data": ["x"], "namespace": "/", "room": None}
    await manager._handle_emit({**message, "skip_sid": None, "callback": None, "host_id": "other"})
    assert (len(server.delivered), server.looked_at_the_clock) == (1, 1)


def test_a_redis_manager_keeps_its_address() -> None:
    given = socketio.AsyncRedisManager("redis://somewhere:1234/5", channel="mine")
    manager: Any = adopted(given)
    assert isinstance(manager, socketio.AsyncRedisManager)
    assert (manager.redis_url, manager.channel) == ("redis://somewhere:1234/5", "mine")
    assert manager is given


class Slotted(Bus):
    """A manager that keeps things where ``vars`` does not look, and methods bound to itself."""

    __slots__ = ("hook", "tag")

    def __init__(self) -> None:
        super().__init__("bus://here")
        self.tag = "mine"
        self.hook = self.itself

    def itself(self) -> Any:
        return self


def test_another_one_is_the_same_object_with_all_it_has() -> None:
    given = Slotted()
    manager: Any = adopted(given)

    assert manager.tag == "mine"
    assert manager.hook() is manager
    assert type(manager).__mro__[1] is Slotted
    assert type(Slotted()) is Slotted
    assert not isinstance(Slotted(), Manager)


def test_one_that_was_taken_is_taken_again_as_it_is() -> None:
    manager: Any = adopted(Bus("bus://here"))
    kind = type(manager)
    enter(manager, "one")

    assert adopted(manager) is manager
    assert type(manager) is kind
    assert manager.is_connected("one", "/")


class Foreign:
    """What Python does not let have attributes."""

    __slots__ = ()


@pytest.mark.parametrize("given", [Foreign(), socketio.AsyncManager()])
def test_one_that_cannot_have_our_rooms_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=f"client_manager.*{type(given).__name__}"):
        adopted(given)
