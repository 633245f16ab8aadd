"""Routers: collecting handlers without a socket."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends

from authx.auth.identity import Identity
from authx.socket.dispatch import Dispatcher, Outcome
from authx.socket.exceptions import Denial
from authx.socket.guards import require_role, require_scope
from authx.socket.router import Layer, SocketRouter
from tests.support.connections import connected


async def outcome(
    dispatcher: Dispatcher, event: str, *arguments: Any, namespace: str = "/", **identity: Any
) -> Outcome:
    here = connected(Identity(user="u", **identity), namespace=namespace)
    return await dispatcher.event(here, event, arguments)


async def told(
    dispatcher: Dispatcher, event: str, *arguments: Any, namespace: str = "/", **identity: Any
) -> Any:
    """The first value of the acknowledgement, or the code of the failure."""
    found = await outcome(dispatcher, event, *arguments, namespace=namespace, **identity)
    return found.failure.code if found.failure is not None else found.values[0] if found.values else None


class Recorder:
    """Stands for a socket."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, tuple[Layer, ...]]] = []

    def register(
        self, event: str, handler: Callable[..., Any], namespace: str, path: tuple[Layer, ...] = ()
    ) -> None:
        self.found.append((namespace, event, path))


def handler() -> None: ...


def test_handlers_are_registered_by_name_or_by_their_own() -> None:
    router = SocketRouter("/chat")
    assert router.on("a")(handler) is handler
    router.on("b", handler)
    assert router.event(handler) is handler
    recorder = Recorder()
    router.include_into(recorder)

    assert recorder.found == [("/chat", event, (router,)) for event in ("a", "b", "handler")]


def test_the_order_of_including_and_registering_does_not_matter() -> None:
    recorder = Recorder()
    outer, inner, last = SocketRouter("/a"), SocketRouter("/b"), SocketRouter()
    outer.include_into(recorder)
    outer.include_router(inner)
    inner.on("early", handler)
    last.on("later", handler)
    inner.include_router(last)
    last.on("latest", handler)

    assert recorder.found == [
        ("/a/b", "early", (outer, inner)),
        ("/a/b", "later", (outer, inner, last)),
        ("/a/b", "latest", (outer, inner, last)),
    ]


@pytest.mark.parametrize(
    ("outer", "inner", "namespace"),
    [("/", "/", "/"), ("/a", "/", "/a"), ("/", "/b", "/b"), ("/a", "/b", "/a/b"), ("/a/", "/b", "/a/b")],
)
def test_namespaces_of_nested_routers_are_one_below_the_other(outer: str, inner: str, namespace: str) -> None:
    recorder, router = Recorder(), SocketRouter(inner)
    router.on("e", handler)
    above = SocketRouter(outer)
    above.include_router(router)
    above.include_into(recorder)

    assert [found[0] for found in recorder.found] == [namespace]


def test_a_router_can_be_in_several_but_not_in_itself() -> None:
    recorder, one, other, shared = Recorder(), SocketRouter("/1"), SocketRouter("/2"), SocketRouter()
    for router in (one, other):
        router.include_router(shared)
        router.include_into(recorder)
    shared.on("e", handler)
    assert [found[0] for found in recorder.found] == ["/1", "/2"]

    with pytest.raises(ValueError, match="in itself"):
        shared.include_router(one)
    with pytest.raises(ValueError, match="in itself"):
        one.include_router(one)


def test_a_namespace_starts_with_a_slash() -> None:
    with pytest.raises(ValueError, match="starts with"):
        SocketRouter("admin")


async def test_guards_of_all_routers_judge_events_and_the_connect() -> None:
    dispatcher = Dispatcher()
    outer = SocketRouter(guards=[require_role("a")])
    inner = SocketRouter("/in", guards=[require_scope("s"), lambda connection: connection.sid == "s1"])
    outer.include_router(inner)
    outer.include_into(dispatcher)
    inner.on("e", lambda: "in")

    assert await told(dispatcher, "e", namespace="/in") == "insufficient_role"
    assert await told(dispatcher, "e", namespace="/in", roles={"a"}) == "insufficient_scope"
    assert await told(dispatcher, "e", namespace="/in", roles={"a"}, scopes={"s"}) == "in"
    with pytest.raises(Denial, match="insufficient_role"):
        await dispatcher.connect(connected(namespace="/in"), {}, None)
    identity = Identity(user="u", roles=frozenset("a"), scopes=frozenset("s"))
    with pytest.raises(Denial, match="policy_denied"):
        await dispatcher.connect(connected(identity, namespace="/in", sid="other"), {}, None)
    # There is no handler of the outer router in its namespace.
    await dispatcher.connect(connected(), {}, None)


async def test_the_connect_is_judged_by_every_router_of_the_namespace_and_before_the_handler() -> None:
    dispatcher, ran = Dispatcher(), []
    dispatcher.register("connect", lambda: ran.append("connect"), "/")
    router = SocketRouter(guards=[require_role("a")])
    router.on("e", handler)
    router.include_into(dispatcher)

    with pytest.raises(Denial, match="insufficient_role"):
        await dispatcher.connect(connected(), {}, None)
    assert ran == []
    await dispatcher.connect(connected(Identity(user="u", roles=frozenset("a"))), {}, None)
    assert ran == ["connect"]


async def test_dependencies_of_routers_run_before_those_of_the_handler_the_outermost_first() -> None:
    ran: list[str] = []

    def step(name: str) -> Any:
        async def run() -> str:
            ran.append(name)
            return name

        return Depends(run)

    dispatcher = Dispatcher()
    outer = SocketRouter(dependencies=[step("outer")])
    inner = SocketRouter(dependencies=[step("inner")])
    outer.include_router(inner)
    outer.include_into(dispatcher)

    def takes(data: int, own: str = step("own")) -> str:
        return own

    def connects() -> None:
        ran.append("connected")

    def leaves() -> None:
        ran.append("left")

    inner.on("e", takes)
    inner.on("connect", connects)
    inner.on("disconnect", leaves)

    assert await told(dispatcher, "e", 1) == "own"
    assert ran == ["outer", "inner", "own"]
    ran.clear()
    assert await told(dispatcher, "e", "no number") == "validation_error"
    assert ran == []
    await dispatcher.connect(connected(), {}, None)
    assert ran == ["outer", "inner", "connected"]
    ran.clear()
    await dispatcher.disconnect(connected(), "bye")
    assert ran == ["left"]


async def test_a_router_answers_its_own_exceptions_before_the_socket_does() -> None:
    dispatcher = Dispatcher()
    router = SocketRouter()
    router.include_into(dispatcher)

    def fails() -> None:
        raise LookupError("k")

    router.on("inside", fails)
    dispatcher.register("outside", fails, "/")
    dispatcher.exception_handler(KeyError, LookupError)(lambda connection, error: "of the socket")
    assert await told(dispatcher, "inside") == "of the socket"

    @router.exception_handler(Exception)
    async def answer(connection: object, error: Exception) -> dict[str, str]:
        return {"router": str(error)}

    assert await told(dispatcher, "inside") == {"router": "k"}
    assert await told(dispatcher, "outside") == "of the socket"


async def test_anonymous_connections_reach_only_what_asked_for_them() -> None:
    dispatcher = Dispatcher()
    lobby = SocketRouter("/lobby", allow_anonymous=True)
    lobby.on("look", lambda: "seen")
    lobby.on("guarded", require_role("r")(lambda: "never"))
    lobby.include_into(dispatcher)
    dispatcher.register("connect", lambda: None, "/lobby")
    dispatcher.register("plain", lambda: "never", "/lobby")
    strict = SocketRouter("/lobby")
    strict.on("strict", lambda: "never")
    strict.include_into(dispatcher)
    dispatcher.register("e", lambda: None, "/")

    assert dispatcher.allows_anonymous("/lobby")
    assert not dispatcher.allows_anonymous("/")
    nobody = connected(None, namespace="/lobby")
    await dispatcher.connect(nobody, {}, None)
    assert (await dispatcher.event(nobody, "look", ())).values == ("seen",)
    for event in ("guarded", "plain", "strict"):
        failure = (await dispatcher.event(nobody, event, ())).failure
        assert failure is not None
        assert failure.code == "missing_token"


def test_a_handler_that_cannot_work_fails_when_the_router_is_included_or_later_at_once() -> None:
    def broken(*, data: int) -> None: ...

    router = SocketRouter()
    router.on("e", broken)
    with pytest.raises(TypeError, match="broken"):
        router.include_into(Dispatcher())
    included = SocketRouter()
    included.include_into(Dispatcher())
    with pytest.raises(TypeError, match="broken"):
        included.on("e", broken)
