"""The decision about one arrival."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import HTTPException
from socketio.exceptions import ConnectionRefusedError as SocketIORefusal

from authx.socket.admission import Admission
from authx.socket.connection import Connection
from authx.socket.device import Arrival, Device
from authx.socket.dispatch import Dispatcher
from authx.socket.exceptions import Denial, Refusal
from authx.socket.guards import require_role
from authx.socket.handshake import Door, Handshake
from authx.socket.limits import FailureThrottle, UserLimits
from authx.socket.origin import OriginPolicy
from authx.socket.registry import Registry
from authx.socket.router import SocketRouter
from tests.support.connections import connected
from tests.support.logins import login

AUTH = login()
SCOPE = {"type": "http", "path": "/ws"}


def arrival(address: str = "192.0.2.1") -> Arrival:
    handshake = Handshake(headers={"user-agent": "Browser"}, address=address)
    return Arrival("s1", "/", Device("d1", handshake, {"PATH_INFO": "/ws", "asgi.scope": SCOPE}))


def admission(connect: Callable[..., Any] | None = None, *, timeout: float = 5.0) -> Admission:
    dispatcher = Dispatcher()
    if connect is not None:
        dispatcher.register("connect", connect, "/")
    return deciding(dispatcher, timeout=timeout)


def deciding(
    dispatcher: Dispatcher,
    *,
    limits: UserLimits | None = None,
    failures: int | None = None,
    timeout: float = 5.0,
) -> Admission:
    return Admission(
        Door(AUTH, OriginPolicy()),
        dispatcher,
        limits=limits or UserLimits(Registry()),
        failures=FailureThrottle(failures),
        timeout=timeout,
        clock=lambda: 7.0,
    )


def payload() -> dict[str, Any]:
    return {"token": AUTH.create_access_token("alice")}


async def refusal(admitting: Admission, of: Arrival | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await admitting.decide(of or arrival(), payload())
    return caught.value


async def test_who_is_let_in_is_a_connection_with_all_that_is_known() -> None:
    first = await admission().decide(arrival(), payload())
    second = await admission().decide(arrival(), payload())

    assert (first.sid, first.namespace, first.transport, first.user) == ("s1", "/", "d1", "alice")
    assert first.device != first.transport
    assert (first.connected_at, first.address, first.user_agent) == (7.0, "192.0.2.1", "Browser")
    assert first.key != second.key
    assert first.opened_with == SCOPE
    assert first.credential is not None
    assert first.credential.place == "payload"
    assert AUTH.verifier.identity(first.credential.token) == first.identity
    assert first.credential.token not in repr(first)


async def test_the_app_is_asked_once_the_identity_is_known_and_not_before() -> None:
    asked: list[str | None] = []

    def connect(here: Connection) -> None:
        asked.append(here.user)

    with pytest.raises(Refusal, match="missing_token"):
        await admission(connect).decide(arrival(), None)
    assert asked == []
    await admission(connect).decide(arrival(), payload())
    assert asked == ["alice"]


def fails(error: Exception) -> Callable[..., Any]:
    def connect() -> None:
        raise error

    return connect


@pytest.mark.parametrize(
    ("error", "code", "message", "data"),
    [
        (Denial("a", "b"), "a", "b", None),
        (Refusal("a", "b", data={"c": 1}), "a", "b", {"c": 1}),
        (SocketIORefusal("no", {"c": 1}), "policy_denied", "no", {"c": 1}),
        (SocketIORefusal("no", 1, 2), "policy_denied", "no", (1, 2)),
        (ConnectionRefusedError(), "policy_denied", "Connection refused", None),
        (ConnectionRefusedError(111, "db"), "internal_error", "Something went wrong", None),
        (TimeoutError(), "internal_error", "Something went wrong", None),
        (HTTPException(403, "Banned"), "policy_denied", "Banned", None),
        (HTTPException(503, "hunter2"), "internal_error", "Something went wrong", None),
    ],
)
async def test_whatever_the_app_raises_is_a_refusal(
    error: Exception, code: str, message: str, data: object
) -> None:
    found = await refusal(admission(fails(error)))

    assert (found.code, found.message, found.data) == (code, message, data)


@pytest.mark.parametrize("error", [RuntimeError("hunter2"), TimeoutError("hunter2")])
async def test_what_is_not_the_clients_business_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    found = await refusal(admission(fails(error)))

    assert "hunter2" not in str(found)
    assert "hunter2" in caplog.text


async def test_what_is_the_clients_business_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    await refusal(admission(fails(Denial("insufficient_scope"))))

    assert caplog.records == []


async def test_it_may_not_take_longer_than_it_may() -> None:
    async def connect() -> None:
        await asyncio.Event().wait()

    assert (await refusal(admission(connect, timeout=0.01))).code == "connect_timeout"


async def test_who_was_turned_away_on_the_way_is_refused() -> None:
    coming = arrival()
    coming.turned_away = True

    assert (await refusal(admission(), coming)).code == "policy_denied"


async def test_a_namespace_may_let_nobodies_in() -> None:
    dispatcher = Dispatcher()
    router = SocketRouter(allow_anonymous=True)
    router.on("e", lambda: None)
    router.include_into(dispatcher)
    admitting = deciding(dispatcher)

    nobody = await admitting.decide(arrival(), None)

    assert (nobody.identity, nobody.credential) == (None, None)


async def test_a_guard_of_the_namespace_refuses_with_its_code() -> None:
    dispatcher = Dispatcher()
    router = SocketRouter(guards=[require_role("admin")])
    router.on("e", lambda: None)
    router.include_into(dispatcher)

    found = await refusal(deciding(dispatcher))

    assert found.code == "insufficient_role"


async def test_who_has_no_room_bothers_no_app() -> None:
    asked: list[str | None] = []
    dispatcher, registry = Dispatcher(), Registry()
    dispatcher.register("connect", lambda: asked.append("app"), "/")
    registry.add(connected(sid="s0"))

    found = await refusal(deciding(dispatcher, limits=UserLimits(registry, most=1)))

    assert found.code == "too_many_connections"
    assert asked == []


async def test_an_address_that_was_refused_too_often_is_not_looked_at() -> None:
    admitting = deciding(Dispatcher(), failures=2)
    for _ in range(2):
        with pytest.raises(Refusal, match="invalid_token"):
            await admitting.decide(arrival(), {"token": "guess"})

    found = await refusal(admitting)

    assert (found.code, found.retry) == ("rate_limited", True)
    assert 0 < found.details["retry_after"] <= 60
    assert (await admitting.decide(arrival("192.0.2.2"), payload())).user == "alice"


async def test_the_refusals_of_the_app_are_no_failures_of_the_address() -> None:
    dispatcher = Dispatcher()
    dispatcher.register("connect", fails(Refusal("invalid_token")), "/")
    admitting = deciding(dispatcher, failures=1)

    assert [(await refusal(admitting)).code for _ in range(3)] == ["invalid_token"] * 3
