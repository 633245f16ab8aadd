"""From an event's name to an outcome."""

import logging
from typing import Any

import pytest
from pydantic import BaseModel

from authx.auth.exceptions import FreshTokenRequiredError
from authx.auth.identity import Identity
from authx.socket.connection import Connection, CurrentIdentity
from authx.socket.dispatch import Dispatcher, Outcome
from authx.socket.exceptions import Denial, Refusal, ReservedNameError
from authx.socket.guards import require_role, require_scope

CONNECTION = Connection(
    sid="s",
    namespace="/",
    device="d",
    identity=Identity(user="alice", roles=frozenset({"r"})),
    connected_at=0.0,
)


class Receipt(BaseModel):
    devices: int


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher({})


async def outcome(dispatcher: Dispatcher, event: str, *arguments: Any) -> Outcome:
    return await dispatcher.event(CONNECTION, event, arguments)


async def failure(dispatcher: Dispatcher, event: str, *arguments: Any) -> str:
    result = await outcome(dispatcher, event, *arguments)
    assert result.failure is not None
    assert result.values == ()
    return result.failure.code


@pytest.mark.parametrize(
    ("returned", "values"),
    [
        (None, ()),
        (Receipt(devices=2), ({"devices": 2},)),
        ((1, "two"), (1, "two")),
        ([1, 2], ([1, 2],)),
        (0, (0,)),
        (b"\x00", (b"\x00",)),
    ],
)
async def test_the_return_value_is_the_acknowledgement(
    dispatcher: Dispatcher, returned: object, values: tuple[object, ...]
) -> None:
    dispatcher.register("e", lambda: returned, "/")

    assert await outcome(dispatcher, "e") == Outcome(values)


async def test_an_event_that_nobody_handles_is_denied(dispatcher: Dispatcher) -> None:
    dispatcher.register("e", lambda: None, "/other")

    assert await failure(dispatcher, "e") == "unknown_event"


async def test_a_handler_for_the_rest_is_told_the_event(dispatcher: Dispatcher) -> None:
    dispatcher.register("*", lambda event, data: (event, data), "/")
    dispatcher.register("known", lambda: "known", "/")

    assert (await outcome(dispatcher, "other", 1)).values == ("other", 1)
    assert (await outcome(dispatcher, "known")).values == ("known",)


@pytest.mark.parametrize("event", ["connect", "disconnect", "connect_error", "exception", "authx:session"])
async def test_a_client_cannot_trigger_a_step_of_the_protocol(dispatcher: Dispatcher, event: str) -> None:
    ran: list[str] = []
    for lifecycle in ("connect", "disconnect", "*"):
        dispatcher.register(lifecycle, lambda *args: ran.append("ran"), "/")

    assert await failure(dispatcher, event, {}, {}) == "unknown_event"
    assert ran == []


async def test_guards_are_judged_before_anything_else_of_the_event(dispatcher: Dispatcher) -> None:
    @require_scope("chat:write")
    async def handler(data: int) -> None:
        raise AssertionError("must not run")

    dispatcher.register("e", handler, "/")

    assert await failure(dispatcher, "e", "not even a number") == "insufficient_scope"


async def test_a_guard_added_after_registration_counts(dispatcher: Dispatcher) -> None:
    def handler() -> None: ...

    dispatcher.register("e", handler, "/")
    assert (await outcome(dispatcher, "e")).failure is None

    require_role("admin")(handler)
    assert await failure(dispatcher, "e") == "insufficient_role"


async def test_guards_judge_the_identity_of_the_moment(dispatcher: Dispatcher) -> None:
    dispatcher.register("e", require_role("r")(lambda: "in"), "/")
    connection = Connection(
        sid="s", namespace="/", device="d", identity=CONNECTION.identity, connected_at=0.0
    )
    assert (await dispatcher.event(connection, "e", ())).values == ("in",)

    connection.identity = Identity(user="alice")

    result = await dispatcher.event(connection, "e", ())
    assert result.failure is not None
    assert result.failure.code == "insufficient_role"


async def test_a_denial_keeps_its_words(dispatcher: Dispatcher) -> None:
    def handler() -> None:
        raise Denial("out_of_stock", "Sold out", details={"left": 0})

    dispatcher.register("e", handler, "/")

    result = await outcome(dispatcher, "e")
    assert result.failure is not None
    assert (result.failure.code, result.failure.message, result.failure.details) == (
        "out_of_stock",
        "Sold out",
        {"left": 0},
    )


async def test_an_error_of_the_login_side_has_its_code(dispatcher: Dispatcher) -> None:
    def handler() -> None:
        raise FreshTokenRequiredError("with inside detail")

    dispatcher.register("e", handler, "/")

    result = await outcome(dispatcher, "e")
    assert result.failure is not None
    assert (result.failure.code, result.failure.message) == (
        "fresh_token_required",
        "A fresh token is required",
    )


async def test_an_unknown_error_is_logged_and_nothing_of_it_told(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    def handler() -> None:
        raise RuntimeError("password is hunter2")

    dispatcher.register("e", handler, "/")
    result = await outcome(dispatcher, "e")

    assert result.failure is not None
    assert (result.failure.code, result.failure.message) == ("internal_error", "Something went wrong")
    assert "hunter2" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_value_that_cannot_be_told_is_an_internal_error(dispatcher: Dispatcher) -> None:
    dispatcher.register("e", object, "/")

    assert await failure(dispatcher, "e") == "internal_error"


async def test_reserved_names_cannot_be_registered(dispatcher: Dispatcher) -> None:
    with pytest.raises(ReservedNameError):
        dispatcher.register("authx:refresh", lambda: None, "/")


async def test_connect_and_disconnect_handlers_are_given_what_they_ask_for(dispatcher: Dispatcher) -> None:
    seen: list[Any] = []

    def connect(sid, environ, auth, me: CurrentIdentity):
        seen.append((sid, environ, auth, me.user))

    def disconnect(sid, reason):
        seen.append((sid, reason))

    dispatcher.register("connect", connect, "/")
    dispatcher.register("disconnect", disconnect, "/")
    await dispatcher.connect(CONNECTION, {"PATH_INFO": "/"}, {"a": 1})
    await dispatcher.disconnect(CONNECTION, "bye")

    assert seen == [("s", {"PATH_INFO": "/"}, {"a": 1}, "alice"), ("s", "bye")]


@pytest.mark.parametrize("accepted", [None, True, 0, ""])
async def test_a_connect_handler_refuses_with_false_alone(dispatcher: Dispatcher, accepted: object) -> None:
    dispatcher.register("connect", lambda: False, "/")
    with pytest.raises(Refusal, match="policy_denied"):
        await dispatcher.connect(CONNECTION, {}, None)

    dispatcher.register("connect", lambda: accepted, "/")
    await dispatcher.connect(CONNECTION, {}, None)


async def test_a_guard_on_the_connect_handler_judges_the_connection(dispatcher: Dispatcher) -> None:
    dispatcher.register("connect", require_role("admin")(lambda: None), "/")

    with pytest.raises(Denial, match="insufficient_role"):
        await dispatcher.connect(CONNECTION, {}, None)


async def test_a_failing_disconnect_handler_is_logged(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    def disconnect() -> None:
        raise RuntimeError("boom")

    dispatcher.register("disconnect", disconnect, "/")
    await dispatcher.disconnect(CONNECTION, "bye")

    assert "boom" in caplog.text
