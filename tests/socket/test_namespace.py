"""Class-based namespaces, as python-socketio has them."""

from typing import Annotated, Any

import pytest
import socketio
from fastapi import Depends
from pydantic import BaseModel

from authx.auth.identity import Identity
from authx.socket.connection import Connection, CurrentIdentity
from authx.socket.dispatch import Dispatcher
from authx.socket.exceptions import Denial, ReservedNameError
from authx.socket.guards import require_role
from authx.socket.namespace import register_methods
from tests.support.connections import ALICE, connected


class Message(BaseModel):
    text: str


def number() -> int:
    return 7


@require_role("member")
class Chat(socketio.AsyncNamespace):
    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.seen: list[Any] = []

    async def on_connect(self, sid, environ):
        self.seen.append(("connect", sid, environ))

    def on_disconnect(self, sid, reason):
        self.seen.append(("disconnect", sid, reason))

    async def on_plain(self, sid, data):
        return sid, data

    async def on_injected(
        self, data: Message, me: CurrentIdentity, here: Connection, number: Annotated[int, Depends(number)]
    ) -> Message:
        return Message(text=f"{me.user} {here.sid} {number} {data.text}")

    @require_role("admin")
    async def on_kick(self, sid: str) -> str:
        return "kicked"

    on_top = "not a method"


class Louder(Chat):
    async def on_kick(self, sid: str) -> str:
        return (await super().on_kick(sid)).upper()


def member(*roles: str, namespace: str = "/chat") -> Connection:
    return connected(Identity(user="alice", roles=frozenset({"member", *roles})), namespace=namespace)


async def told(dispatcher: Dispatcher, here: Connection, event: str, *arguments: Any) -> Any:
    outcome = await dispatcher.event(here, event, arguments)
    return outcome.values if outcome.failure is None else outcome.failure.code


async def test_methods_are_handlers_with_all_that_handlers_can_do() -> None:
    dispatcher, chat = Dispatcher(), Chat("/chat")
    register_methods(dispatcher, chat)
    here = member("admin")

    await dispatcher.connect(here, {"a": 1}, None)
    assert await told(dispatcher, here, "plain", 1) == ("s1", 1)
    assert await told(dispatcher, here, "injected", {"text": "hi"}) == ({"text": "alice s1 7 hi"},)
    assert await told(dispatcher, here, "injected", 1) == "validation_error"
    assert await told(dispatcher, here, "kick") == ("kicked",)
    assert await told(dispatcher, here, "top") == "unknown_event"
    await dispatcher.disconnect(here, "bye")
    assert chat.seen == [("connect", "s1", {"a": 1}), ("disconnect", "s1", "bye")]


async def test_a_guard_on_the_class_judges_every_event_and_the_connect() -> None:
    dispatcher = Dispatcher()
    register_methods(dispatcher, Louder("/chat"))
    stranger = connected(ALICE, namespace="/chat")

    for event in ("plain", "injected", "kick"):
        assert await told(dispatcher, stranger, event) == "insufficient_role"
    with pytest.raises(Denial, match="insufficient_role"):
        await dispatcher.connect(stranger, {}, None)
    await dispatcher.connect(member(), {}, None)


async def test_a_method_keeps_its_guard_when_it_is_overridden() -> None:
    dispatcher = Dispatcher()
    register_methods(dispatcher, Louder("/chat"))

    assert await told(dispatcher, member(), "kick") == "insufficient_role"
    assert await told(dispatcher, member("admin"), "kick") == ("KICKED",)


class Routed(socketio.AsyncNamespace):
    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.events: list[tuple[Any, ...]] = []

    async def trigger_event(self, event, *args):
        self.events.append((event, *args))
        return await super().trigger_event(event.replace(":", "_"), *args)

    async def on_connect(self, sid, environ):
        return True

    async def on_disconnect(self, sid):
        return None

    async def on_chat_say(self, sid, data):
        return data


@require_role("member")
class Guarded(Routed): ...


async def test_a_trigger_event_of_its_own_is_given_everything() -> None:
    dispatcher, routed = Dispatcher(), Routed("/chat")
    register_methods(dispatcher, routed)
    here = member()

    await dispatcher.connect(here, {"a": 1}, None)
    assert await told(dispatcher, here, "chat:say", "hi") == ("hi",)
    await told(dispatcher, here, "nothing", 1, 2)
    await dispatcher.disconnect(here, "bye")
    assert await told(dispatcher, here, "connect", {}) == "unknown_event"
    assert routed.events == [
        ("connect", "s1", {"a": 1}),
        ("chat:say", "s1", "hi"),
        ("nothing", "s1", 1, 2),
        ("disconnect", "s1", "bye"),
    ]


async def test_a_guard_on_a_class_with_its_own_trigger_event_judges_everything() -> None:
    dispatcher = Dispatcher()
    register_methods(dispatcher, Guarded("/chat"))
    stranger = connected(ALICE, namespace="/chat")

    assert await told(dispatcher, stranger, "chat:say", "hi") == "insufficient_role"
    assert await told(dispatcher, stranger, "anything") == "insufficient_role"
    with pytest.raises(Denial, match="insufficient_role"):
        await dispatcher.connect(stranger, {}, None)


def test_what_a_trigger_event_would_pass_by_is_refused() -> None:
    class Passed(Routed):
        @require_role("admin")
        async def on_kick(self, sid):
            raise AssertionError("must not be registered")

    class Injected(Routed):
        async def on_ask(self, sid, here: Connection):
            raise AssertionError("must not be registered")

    class Depending(Routed):
        async def on_ask(self, sid, number=Depends(number)):
            raise AssertionError("must not be registered")

    for namespace, reason in ((Passed, "on_kick.*guard"), (Injected, "'here'"), (Depending, "'number'")):
        with pytest.raises(TypeError, match=reason):
            register_methods(Dispatcher(), namespace("/chat"))


async def test_a_guard_that_comes_late_to_such_a_method_is_for_every_event() -> None:
    class Late(Routed):
        async def on_kick(self, sid): ...

    dispatcher = Dispatcher()
    register_methods(dispatcher, Late("/chat"))
    require_role("admin")(Late.on_kick)

    for event in ("kick", "chat:say"):
        assert await told(dispatcher, member(), event) == "insufficient_role"


async def test_anonymous_connections_where_they_are_asked_for() -> None:
    dispatcher = Dispatcher()
    register_methods(dispatcher, Routed("/open"), allow_anonymous=True)
    register_methods(dispatcher, Routed("/closed"))

    nobody = connected(None, namespace="/open")
    assert dispatcher.allows_anonymous("/open")
    assert not dispatcher.allows_anonymous("/closed")
    assert await told(dispatcher, nobody, "chat:say", 1) == (1,)


def test_a_method_of_an_event_that_nobody_can_send_is_refused() -> None:
    class Wrong(socketio.AsyncNamespace):
        async def on_connect_error(self, sid): ...

    with pytest.raises(ReservedNameError, match="connect_error"):
        register_methods(Dispatcher(), Wrong("/"))
    with pytest.raises(ValueError, match="starts with"):
        register_methods(Dispatcher(), Chat("*"))


class Quiet(socketio.AsyncNamespace):
    async def on_say(self, sid: str) -> str:
        return "past the filter"


def test_a_method_put_over_another_is_refused() -> None:
    namespace = Quiet("/chat")
    setattr(namespace, "on_say", lambda sid: None)  # noqa: B010 - as an app might
    with pytest.raises(TypeError, match="guards would be lost"):
        register_methods(Dispatcher(), namespace)


async def test_a_trigger_event_put_on_the_instance_is_the_one_that_is_called() -> None:
    async def blocked(event: str, *arguments: object) -> str:
        return "blocked"

    namespace = Quiet("/chat")
    namespace.trigger_event = blocked
    dispatcher = Dispatcher()
    register_methods(dispatcher, namespace)
    connection = Connection(
        sid="s", namespace="/chat", device="d", identity=Identity(user="alice"), connected_at=0.0
    )

    assert (await dispatcher.event(connection, "say", ())).values == ("blocked",)
