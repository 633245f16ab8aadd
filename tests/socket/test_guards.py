"""Guards, and what they ask."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.identity import Claims, Identity
from authx.auth.policy import PolicyCondition, PolicyContext, PolicyEngine, PolicyRule
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.guards import (
    Guard,
    as_guard,
    guard,
    require_fresh,
    require_policy,
    require_role,
    require_scope,
)
from tests.support.connections import ALICE, connected


async def denial(judging: Guard, identity: Identity | None = ALICE) -> Denial | None:
    try:
        verdict = judging.judge(connected(identity))
        if verdict is not None:
            await verdict
    except Denial as found:
        return found
    return None


async def code(judging: Guard, identity: Identity | None = ALICE) -> str | None:
    found = await denial(judging, identity)
    return None if found is None else found.code


def with_scopes(*scopes: str) -> Identity:
    return Identity(user="u", scopes=frozenset(scopes))


def with_roles(*roles: str) -> Identity:
    return Identity(user="u", roles=frozenset(roles))


@pytest.mark.parametrize(
    ("guard", "identity", "expected"),
    [
        (require_scope("chat:write"), with_scopes("chat:write"), None),
        (require_scope("chat:write"), with_scopes("chat:*"), None),
        (require_scope("chat:write"), with_scopes("chat:read"), "insufficient_scope"),
        (require_scope("chat:write"), with_scopes(), "insufficient_scope"),
        (require_scope("a", "b"), with_scopes("a"), "insufficient_scope"),
        (require_scope("a", "b", all_required=False), with_scopes("a"), None),
        (require_role("admin"), with_roles("admin"), None),
        (require_role("admin", "staff"), with_roles("staff"), None),
        (require_role("admin", "staff", all_required=True), with_roles("staff"), "insufficient_role"),
        (require_role("admin"), with_roles("Admin"), "insufficient_role"),
        (require_role("admin"), with_scopes("admin"), "insufficient_role"),
        (require_fresh(), Identity(user="u", fresh=True), None),
        (require_fresh(), Identity(user="u"), "fresh_token_required"),
        (require_fresh(), None, "missing_token"),
        (require_scope("chat:write"), None, "missing_token"),
        (require_role("admin"), None, "missing_token"),
    ],
)
async def test_a_guard_judges_the_identity(
    guard: Guard, identity: Identity | None, expected: str | None
) -> None:
    assert await code(guard, identity) == expected


@pytest.mark.parametrize("make", [require_scope, require_role])
def test_a_guard_that_asks_for_nothing_is_a_mistake(make: Callable[..., Guard]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        make()


EDITORS = PolicyRule(
    "allow",
    ["edit"],
    ["doc:*"],
    [PolicyCondition("subject", "roles", "contains", "editor")],
    scopes=["docs"],
)


def editor(*roles: str, scopes: frozenset[str] = frozenset({"docs"})) -> Identity:
    return Identity(user="u", scopes=scopes, roles=frozenset(roles))


@pytest.mark.parametrize(
    ("action", "resource", "identity", "expected"),
    [
        ("edit", "doc:1", editor("editor"), None),
        ("edit", lambda connection: f"doc:{connection.user}", editor("editor"), None),
        ("edit", "doc:1", editor("editor", scopes=frozenset()), "policy_denied"),
        ("edit", "doc:1", editor("reader"), "policy_denied"),
        ("edit", "page:1", editor("editor"), "policy_denied"),
        ("delete", "doc:1", editor("editor"), "policy_denied"),
        ("edit", "doc:1", None, "missing_token"),
    ],
)
async def test_a_policy_decides(
    action: str, resource: str | Callable[[Connection], str], identity: Identity | None, expected: str | None
) -> None:
    engine = PolicyEngine([EDITORS])

    assert await code(require_policy(engine, action, resource), identity) == expected


async def test_a_policy_that_denies_says_why() -> None:
    engine = PolicyEngine([PolicyRule("deny", ["*"], ["*"], reason="The shop is closed")], default_allow=True)

    found = await denial(require_policy(engine, "edit", "doc"))

    assert found is not None
    assert (found.code, found.message) == ("policy_denied", "The shop is closed")


async def test_a_policy_is_shown_all_that_is_known() -> None:
    seen: list[PolicyContext] = []

    def look(context: PolicyContext, rule: PolicyRule) -> bool:
        seen.append(context)
        return True

    engine = PolicyEngine([PolicyRule("allow", ["*"], ["*"], evaluators=[look])])
    identity = Identity(
        user="u", scopes=frozenset({"a"}), login_type="staff", claims=Claims({"sub": "u", "tenant": "t"})
    )

    assert await code(require_policy(engine, "edit", "doc"), identity) is None

    [context] = seen
    assert (context.login_type, context.action, context.resource) == ("staff", "edit", "doc")
    assert context.subject == {"sub": "u", "scopes": ["a"], "roles": [], "login_type": "staff"}
    assert context.payload is not None
    assert (context.payload.sub, context.payload.custom_claims["tenant"]) == ("u", "t")
    assert context.environment["namespace"] == "/"


async def test_a_policy_that_cannot_be_judged_lets_nobody_through() -> None:
    engine = PolicyEngine([PolicyRule("alow", ["*"], ["*"])], default_allow=True)  # type: ignore[arg-type]

    with pytest.raises(Exception, match="alow"):
        await denial(require_policy(engine, "edit", "doc"))


def says(verdict: object) -> Callable[[Connection], object]:
    return lambda connection: verdict


def says_later(verdict: object) -> Callable[[Connection], object]:
    async def check(connection: Connection) -> object:
        return verdict

    return check


@pytest.mark.parametrize("make", [says, says_later, lambda verdict: partial(says(verdict))])
async def test_a_check_of_the_apps_own_passes_with_none_or_true_alone(make: Callable[..., Any]) -> None:
    assert await code(guard(make(None))) is None
    assert await code(guard(make(True))) is None
    assert await code(guard(make(False))) == "policy_denied"


@given(st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.none()))
async def test_no_other_answer_passes(verdict: object) -> None:
    assert (await code(guard(says_later(verdict))) is None) is (verdict is None or verdict is True)


async def test_an_answer_that_is_none_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert await code(guard(says("secret"))) == "policy_denied"

    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "secret" not in caplog.text


async def test_a_check_may_say_which_denial() -> None:
    def check(connection: Connection) -> None:
        raise Denial("not_your_room", details={"room": 1})

    found = await denial(guard(check))

    assert found is not None
    assert (found.code, found.details) == ("not_your_room", {"room": 1})


async def test_a_sync_check_runs_in_a_thread() -> None:
    threads: list[int] = []
    await denial(guard(lambda connection: threads.append(threading.get_ident())))

    assert threads != [threading.get_ident()]


async def test_nobody_passes_a_check_of_the_apps_own_unknown() -> None:
    assert await code(guard(says(True)), None) == "missing_token"


async def test_a_plain_callable_can_stand_for_a_guard() -> None:
    role = require_role("r")

    assert as_guard(role) is role
    assert await code(as_guard(says(False))) == "policy_denied"


def test_guards_tell_what_they_are() -> None:
    assert repr(require_policy(PolicyEngine(), "edit", "doc")) == "require_policy('edit', 'doc')"
    assert repr(require_fresh()) == "require_fresh()"
    assert repr(guard(says)) == "guard(says)"
