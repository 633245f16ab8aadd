"""From an event's name to an outcome."""

import asyncio
import logging
from typing import Annotated, Any

import pytest
from fastapi import Depends, HTTPException
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from authx.auth.exceptions import FreshTokenRequiredError
from authx.auth.identity import Identity
from authx.socket.connection import Connection, CurrentIdentity
from authx.socket.dispatch import Dispatcher, Outcome
from authx.socket.exceptions import Denial, Refusal, ReservedNameError
from authx.socket.guards import guard, require_role, require_scope
from authx.socket.rate import rate_limit
from authx.socket.router import SocketRouter

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
    return Dispatcher()


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


async def test_guards_are_judged_before_anything_is_opened(dispatcher: Dispatcher) -> None:
    opened: list[str] = []

    async def slow(_: object) -> bool:
        return False

    @guard(slow)
    async def handler(db: Annotated[Any, Depends(lambda: opened.append("db"))]) -> None: ...

    dispatcher.register("e", handler, "/")

    assert await failure(dispatcher, "e") == "policy_denied"
    assert opened == []


async def test_a_guard_that_breaks_denies(dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: object) -> bool:
        raise RuntimeError("hunter2")

    dispatcher.register("e", guard(broken)(lambda: "never"), "/")

    assert await failure(dispatcher, "e") == "internal_error"
    assert "hunter2" in caplog.text


async def test_http_exceptions_of_dependencies_and_handlers_are_denials(dispatcher: Dispatcher) -> None:
    def missing() -> None:
        raise HTTPException(404, "No such room")

    def handler(found: Annotated[None, Depends(missing)]) -> None: ...

    dispatcher.register("dependency", handler, "/")
    dispatcher.register("handler", missing, "/")

    for event in ("dependency", "handler"):
        result = await outcome(dispatcher, event)
        assert result.failure is not None
        assert (result.failure.code, result.failure.message) == ("http_404", "No such room")


async def test_an_exception_handler_answers(dispatcher: Dispatcher) -> None:
    def fails(data: int = 0) -> None:
        raise LookupError("k")

    @dispatcher.exception_handler(LookupError)
    async def answer(connection: Connection, error: LookupError) -> tuple[str, Receipt]:
        return str(error), Receipt(devices=1)

    dispatcher.register("e", fails, "/")

    assert (await outcome(dispatcher, "e")).values == ("k", {"devices": 1})


async def test_an_exception_handler_may_say_which_denial_and_may_break(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    @dispatcher.exception_handler(LookupError)
    def denies(connection: Connection, error: LookupError) -> None:
        raise Denial("no_such_room")

    @dispatcher.exception_handler(ArithmeticError)
    def breaks(connection: Connection, error: ArithmeticError) -> None:
        raise RuntimeError("hunter2")

    def lookup() -> None:
        raise KeyError("k")

    dispatcher.register("lookup", lookup, "/")
    dispatcher.register("divide", lambda: 1 // 0, "/")

    assert await failure(dispatcher, "lookup") == "no_such_room"
    assert caplog.records == []
    assert await failure(dispatcher, "divide") == "internal_error"
    assert "hunter2" in caplog.text


async def test_an_exception_handler_lets_nobody_in(dispatcher: Dispatcher) -> None:
    def connect() -> None:
        raise LookupError("k")

    dispatcher.register("connect", connect, "/")
    dispatcher.exception_handler(LookupError)(lambda connection, error: "fine")
    with pytest.raises(LookupError):
        await dispatcher.connect(CONNECTION, {}, None)

    @dispatcher.exception_handler(LookupError)
    def denies(connection: Connection, error: LookupError) -> None:
        raise Denial("not_invited")

    with pytest.raises(Denial, match="not_invited"):
        await dispatcher.connect(CONNECTION, {}, None)


async def test_a_cancelled_await_of_the_handler_is_a_failure_and_not_the_end(dispatcher: Dispatcher) -> None:
    async def handler() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    dispatcher.register("e", handler, "/")

    assert await failure(dispatcher, "e") == "internal_error"


async def test_events_without_a_guard_can_be_denied_and_listed() -> None:
    dispatcher = Dispatcher(deny_unguarded=True)
    router = SocketRouter("/admin", guards=[require_role("r")])
    router.include_into(dispatcher)
    router.on("guarded", lambda: "in")

    def late() -> str:
        return "late"

    dispatcher.register("late", late, "/")
    dispatcher.register("*", lambda event: "any", "/")
    dispatcher.register("open", lambda: "open", "/other")
    for event in ("connect", "disconnect"):
        dispatcher.register(event, lambda: None, "/")

    assert dispatcher.unguarded() == [("/", "*"), ("/", "late"), ("/other", "open")]
    assert await failure(dispatcher, "late") == "policy_denied"
    assert await failure(dispatcher, "whatever") == "policy_denied"
    await dispatcher.connect(CONNECTION, {}, None)

    # How often is not who: a limit alone guards nothing.
    rate_limit("10/second")(late)
    assert await failure(dispatcher, "late") == "policy_denied"
    require_role("r")(late)
    assert (await outcome(dispatcher, "late")).values == ("late",)
    assert dispatcher.unguarded() == [("/", "*"), ("/other", "open")]


@given(st.text(), st.lists(st.none() | st.integers() | st.text(), max_size=3))
async def test_whatever_a_stranger_names_the_guard_stands(event: str, arguments: list[Any]) -> None:
    dispatcher = Dispatcher()
    reached: list[str] = []
    for name in ("*", "e", "connect", "disconnect"):
        dispatcher.register(name, require_scope("s")(lambda *args: reached.append("reached")), "/")

    result = await dispatcher.event(CONNECTION, event, arguments)

    assert result.failure is not None
    assert result.failure.code in ("insufficient_scope", "unknown_event")
    assert reached == []


async def test_a_handler_does_not_run_for_who_left_while_a_guard_took_its_time() -> None:
    dispatcher = Dispatcher()
    reached: list[str] = []
    connection = Connection(
        sid="s", namespace="/", device="d", identity=Identity(user="alice"), connected_at=0.0
    )

    async def thinks(here: Connection) -> bool:
        here.ended = True
        return True

    dispatcher.register("e", guard(thinks)(lambda: reached.append("ran")), "/")
    await dispatcher.event(connection, "e", ())

    assert reached == []


async def test_the_clock_is_looked_at_when_the_guards_have_taken_their_time() -> None:
    dispatcher = Dispatcher()
    reached: list[str] = []
    connection = Connection(
        sid="s", namespace="/", device="d", identity=Identity(user="alice"), connected_at=0.0
    )

    def end() -> None:
        assert reached == ["judged"]
        connection.ended = True

    dispatcher.register("e", guard(lambda _: reached.append("judged"))(lambda: reached.append("ran")), "/")
    assert await dispatcher.event(connection, "e", (), obey_clock=end) == Outcome()

    assert reached == ["judged"]


@pytest.mark.parametrize(
    "handler", [lambda value: None, lambda sid, environ: None, lambda sid, value=1: None]
)
def test_what_hears_of_a_refresh_asks_for_no_arguments(dispatcher: Dispatcher, handler: Any) -> None:
    with pytest.raises(TypeError, match="arguments"):
        dispatcher.on_refresh(handler, "/")


async def test_what_hears_of_a_refresh_serves_no_namespace(dispatcher: Dispatcher) -> None:
    heard: list[str] = []

    def refreshed(sid: str) -> None:
        heard.append(sid)

    dispatcher.on_refresh(refreshed, "/")

    await dispatcher.refreshed(CONNECTION)

    assert heard == ["s"]
    assert dispatcher.namespaces == frozenset()
    assert (await failure(dispatcher, "authx:refresh")) == "unknown_event"


async def test_a_refresh_handler_that_is_cancelled_ends_with_its_task(dispatcher: Dispatcher) -> None:
    started = asyncio.Event()

    async def refreshed() -> None:
        started.set()
        await asyncio.Event().wait()

    dispatcher.on_refresh(refreshed, "/")
    task = asyncio.create_task(dispatcher.refreshed(CONNECTION))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_may_stay_is_asked_as_who_may_come(dispatcher: Dispatcher) -> None:
    assert dispatcher.judge_again(CONNECTION) is None
    router = SocketRouter(guards=[require_role("r"), rate_limit("1/hour")])
    router.on("e")(require_role("other")(lambda: None))
    router.include_into(dispatcher)
    for _ in range(3):
        assert dispatcher.judge_again(CONNECTION) is None

    dispatcher.register("connect", require_scope("s")(lambda: None), "/")
    with pytest.raises(Denial) as denied:
        dispatcher.judge_again(CONNECTION)
    assert denied.value.code == "insufficient_scope"


async def test_guards_that_take_no_time_are_asked_first(dispatcher: Dispatcher) -> None:
    asked: list[str] = []

    async def slow(_: Connection) -> None:
        asked.append("slow")

    async def denies(_: Connection) -> bool:
        asked.append("denies")
        return False

    router = SocketRouter(guards=[guard(slow), guard(denies), require_role("r")])
    router.on("e")(lambda: None)
    router.include_into(dispatcher)
    rest = dispatcher.judge_again(CONNECTION)
    assert asked == []
    assert rest is not None
    with pytest.raises(Denial):
        await rest
    assert asked == ["slow", "denies"]

    router.on("connect")(require_role("other")(lambda: None))
    with pytest.raises(Denial) as denied:
        dispatcher.judge_again(CONNECTION)
    assert denied.value.code == "insufficient_role"
