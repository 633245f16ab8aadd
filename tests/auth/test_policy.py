"""Policies: conditions, rules, and what an engine makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from authx.auth.exceptions import PolicyEvaluationError
from authx.auth.policy import (
    PolicyCondition,
    PolicyContext,
    PolicyDecision,
    PolicyEngine,
    PolicyRule,
    build_policy_environment,
    default_subject_from_payload,
)
from authx.auth.schema import TokenPayload


def attempt(action: str = "a", resource: str = "r", **known: Any) -> PolicyContext:
    return PolicyContext("user", action, resource, **known)


def rule(effect: Any = "allow", **more: Any) -> PolicyRule:
    return PolicyRule(effect, **{"actions": ["*"], "resources": ["*"], **more})


def holds(found: Any, operator: Any, value: Any = None) -> bool:
    return PolicyCondition("subject", "x", operator, value).matches(attempt(subject={"x": found}))


def decide(
    *rules: PolicyRule, context: PolicyContext | None = None, default_allow: bool = False
) -> PolicyDecision:
    engine = PolicyEngine(rules, default_allow=default_allow)
    return asyncio.run(engine.evaluate(context or attempt()))


# --- conditions ---------------------------------------------------------------------------------------


def test_sources() -> None:
    """A condition looks at the subject, the resource, the environment or the token."""
    context = attempt(
        subject={"k": 1},
        resource_attrs={"k": 2},
        environment={"k": 3},
        payload=TokenPayload.model_validate({"sub": "ada", "k": 4}),
    )

    for number, source in enumerate(("subject", "resource", "environment", "token"), start=1):
        condition = PolicyCondition(source, "k", "equals", number)  # type: ignore[arg-type]
        assert condition.matches(context)
    assert PolicyCondition("token", "sub", "equals", "ada").matches(context)
    assert PolicyCondition("token", "sub", "equals", None).matches(attempt())


@dataclass
class User:
    team: Any


@pytest.mark.parametrize(
    "subject",
    [
        {"team": {"lead": {"name": "ada"}}},
        User(SimpleNamespace(lead={"name": "ada"})),
        {"team": User(None), "": None} | {"team": SimpleNamespace(lead=SimpleNamespace(name="ada"))},
    ],
)
def test_a_key_leads_into_mappings_and_objects(subject: Any) -> None:
    """Dots go deeper, by key or by attribute; where nothing is, None is found."""
    context = attempt(subject=subject)

    assert PolicyCondition("subject", "team.lead.name", "equals", "ada").matches(context)
    for key in ("team.lead.age", "team.nobody.name", "nothing", "", ".", "team..lead"):
        assert PolicyCondition("subject", key, "equals", None).matches(context)


def test_nothing_known() -> None:
    """What was never said is missing, like all that would be in it."""
    for source in ("subject", "resource", "environment", "token"):
        condition = PolicyCondition(source, "a.b", "exists")
        assert not condition.matches(attempt())


PLAIN = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b", "ab"])
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.tuples(PLAIN) | st.frozensets(PLAIN, max_size=3)


def reference(found: Any, operator: str, value: Any) -> Any:
    """The rules of the operators, one sentence each; ``TypeError`` where they say nothing."""
    if operator == "exists":
        return found is not None
    if operator in {"equals", "not_equals"}:
        return (found == value) == (operator == "equals")
    if operator in {"in", "not_in"}:
        candidates = list(value) if isinstance(value, list | tuple | frozenset) else [value]
        return any(found == candidate for candidate in candidates) == (operator == "in")
    if found is None:
        return False
    if operator == "contains":
        return value in found
    less, more = found < value, found > value
    return {"lt": less, "gt": more, "lte": less or found == value, "gte": more or found == value}[operator]


@given(
    found=VALUES,
    value=VALUES,
    operator=st.sampled_from(
        ["equals", "not_equals", "in", "not_in", "contains", "gt", "gte", "lt", "lte", "exists"]
    ),
)
def test_operators_agree_with_a_reference(found: Any, value: Any, operator: str) -> None:
    """Every operator, on every pair of values, says what its sentence says, or that it cannot be said."""
    try:
        expected = reference(found, operator, value)
    except TypeError:
        with pytest.raises(PolicyEvaluationError):
            holds(found, operator, value)
    else:
        assert holds(found, operator, value) is expected


def test_a_string_is_one_candidate() -> None:
    """Part of a string is not in it, and a single object is a list of one."""
    assert holds("30", "in", "30")
    assert not holds("3", "in", "30")
    assert not holds(b"3", "in", b"30")
    assert holds(30, "in", 30)
    assert holds(None, "in", None)
    assert not holds("k", "in", {"k": 1})


def test_sets_are_candidates_too() -> None:
    """Each member counts; what cannot be a member is simply not one."""
    assert holds(3, "in", {3, 4})
    assert not holds(3, "not_in", frozenset({3}))
    assert not holds([3], "in", {3})
    assert holds("k", "in", {"k": 1}.keys())


@pytest.mark.parametrize(
    ("found", "operator", "value"),
    [
        ("ada", "gt", 1),
        (1, "lt", None),
        (datetime(2026, 1, 1, tzinfo=UTC), "gte", datetime(2026, 1, 1)),  # noqa: DTZ001 - which is the fault
        (3, "contains", 3),
        ("abc", "contains", 1),
        ({1}, "contains", [1]),
    ],
)
def test_what_cannot_be_compared(found: Any, operator: str, value: Any) -> None:
    """A comparison without an answer is an error of the policy, and says which comparison."""
    with pytest.raises(PolicyEvaluationError, match=f"subject 'x' {operator}") as caught:
        holds(found, operator, value)
    assert isinstance(caught.value.__cause__, TypeError)


def test_what_is_not_known() -> None:
    """An unknown source and an unknown operator are errors, also where nothing is found."""
    with pytest.raises(PolicyEvaluationError, match="operator: like"):
        holds(None, "like", 1)
    with pytest.raises(PolicyEvaluationError, match="source: moon"):
        PolicyCondition("moon", "x").matches(attempt())  # type: ignore[arg-type]


# --- rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "name", "matches"),
    [
        (["users:list"], "users:list", True),
        (["users:list"], "users", False),
        (["users:*"], "users:list", True),
        (["users:*"], "users", True),
        (["users:*"], "usersandmore", False),
        (["x", "users:*"], "users:a:b", True),
        (["*"], "whatever:it:is", True),
        ([], "x", False),
        ("users:list", "users:list", True),
        ("users:*", "orders:list", False),
    ],
)
def test_patterns(patterns: Any, name: str, matches: bool) -> None:
    """Patterns cover names as scopes do, a bare star covers all, and one string is one pattern."""
    assert rule(actions=patterns).matches_action(name) is matches
    assert rule(resources=patterns).matches_resource(name) is matches


@pytest.mark.parametrize(
    ("wanted", "all_required", "held", "matches"),
    [
        (None, True, None, True),
        ([], True, None, True),
        (["a"], True, None, False),
        (["a", "b"], True, ["a"], False),
        (["a", "b"], False, ["a"], True),
        (["a:x"], True, ["a:*"], True),
        ("a:x", True, ["a:x"], True),
    ],
)
def test_scopes(wanted: Any, all_required: bool, held: list[str] | None, matches: bool) -> None:
    """The token holds all or any of the scopes; no token holds none."""
    asking = rule(scopes=wanted, all_scopes_required=all_required)

    assert asking.matches_scopes(TokenPayload(sub="ada", scopes=held)) is matches
    assert asking.matches_scopes(None) is not bool(wanted)


def test_all_conditions() -> None:
    """One condition that does not hold is enough."""
    young = PolicyCondition("subject", "age", "lt", 18)
    named = PolicyCondition("subject", "name", "exists")
    both = rule(conditions=[young, named])

    assert decide(both, context=attempt(subject={"age": 3, "name": "ada"})).allowed
    assert not decide(both, context=attempt(subject={"age": 3})).allowed


# --- the engine ---------------------------------------------------------------------------------------


def test_positions() -> None:
    """Rules, conditions and decisions can be written without names."""
    written = PolicyRule("deny", ["a"], ["r"], [PolicyCondition("subject", "x", "equals", 1)], ["s"], False)

    assert (written.conditions[0].value, written.scopes, written.all_scopes_required) == (1, ["s"], False)
    assert PolicyDecision(True, "why") == PolicyDecision(True, "why", None)


class Answering:
    """An evaluator that keeps who asked."""

    def __init__(self, answer: Any = True) -> None:
        self.answer = answer
        self.asked: list[tuple[PolicyContext, PolicyRule]] = []

    def __call__(self, context: PolicyContext, rule: PolicyRule) -> Any:
        self.asked.append((context, rule))
        return self.answer


class Promising(Answering):
    async def __call__(self, context: PolicyContext, rule: PolicyRule) -> Any:
        return super().__call__(context, rule)


def promised(context: PolicyContext, rule: PolicyRule) -> Awaitable[bool]:
    return Promising(False)(context, rule)


async def test_evaluators() -> None:
    """Those of the engine come first, then the rule's, and one no is enough."""
    ours, own, never = Answering(), Promising(), Answering()
    asking = rule(evaluators=[own, Answering(0), never])
    engine = PolicyEngine([asking], [ours])
    context = attempt()

    assert not (await engine.evaluate(context)).allowed
    assert ours.asked == own.asked == [(context, asking)]
    assert never.asked == []


def test_evaluators_are_asked_last() -> None:
    """Where something else does not match, nobody is asked."""
    asked = Answering()
    missing = PolicyCondition("subject", "x", "exists")
    decide(rule(actions=["b"], evaluators=[asked]), rule(conditions=[missing], evaluators=[asked]))

    assert asked.asked == []


@pytest.mark.parametrize("evaluator", [promised, Promising(False), Answering(None)])
def test_whatever_can_be_awaited_is(evaluator: Any) -> None:
    """A promise of a no is not taken for a yes."""
    assert not decide(rule(evaluators=[evaluator])).allowed


def test_evaluators_may_raise() -> None:
    """What an evaluator raises comes out, and nothing is allowed."""

    def broken(context: PolicyContext, rule: PolicyRule) -> bool:
        raise LookupError("no such order")

    with pytest.raises(LookupError):
        decide(rule(), rule(evaluators=[broken]), default_allow=True)


async def test_added_later() -> None:
    """Rules and evaluators may come after the engine, and the list given out is a copy."""
    engine = PolicyEngine()
    engine.add_rule(rule())
    engine.rules.clear()

    assert (await engine.evaluate(attempt())).allowed
    engine.add_evaluator(Answering(False))
    assert not (await engine.evaluate(attempt())).allowed
    assert engine.rules == [rule()]


def test_a_misspelled_effect() -> None:
    """A rule that says neither yes nor no lets nobody through, whatever the others say."""
    with pytest.raises(PolicyEvaluationError, match="effect: Deny"):
        decide(rule(), rule("Deny"), rule())
    assert decide(rule("Deny", actions=["b"]), rule()).allowed


RULES = st.lists(
    st.builds(
        rule,
        effect=st.sampled_from(["allow", "deny"]),
        actions=st.sampled_from([["*"], ["b"]]),
        reason=st.none() | st.sampled_from(["", "one", "two"]),
    ),
    max_size=6,
)


@given(rules=RULES, default_allow=st.booleans())
def test_decisions_agree_with_a_reference(rules: list[PolicyRule], default_allow: bool) -> None:
    """The first matching deny, else the last matching allow, else the default."""
    matching = [candidate for candidate in rules if candidate.actions == ["*"]]
    denying = [candidate for candidate in matching if candidate.effect == "deny"]
    decision = decide(*rules, default_allow=default_allow)

    if matching:
        decisive = denying[0] if denying else matching[-1]
        assert decision.rule is decisive
        assert decision.allowed is not bool(denying)
        assert decision.reason == (decisive.reason or f"Policy rule {decisive.effect} matched")
    else:
        assert decision == PolicyDecision(
            default_allow, "No policy rule matched" + ("; default allow" if default_allow else "")
        )


# --- what is known of an attempt ----------------------------------------------------------------------


def get(client: tuple[str, int] | None) -> Request:
    return Request(
        {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": [], "client": client}
    )


@freeze_time("2026-02-03 04:05:06")
def test_environment() -> None:
    """The time always, the request's facts with a request, and the app's own words above all."""
    times = {"time": datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC), "hour": 4, "weekday": 1}

    assert build_policy_environment() == times
    assert build_policy_environment(get(("192.0.2.1", 5000))) == {
        **times,
        "method": "GET",
        "path": "/x",
        "client_ip": "192.0.2.1",
    }
    assert build_policy_environment(get(None), {"hour": 12, "office": True}) == {
        **times,
        "method": "GET",
        "path": "/x",
        "client_ip": None,
        "hour": 12,
        "office": True,
    }
    assert build_policy_environment()["time"].utcoffset() == timedelta(0)


def test_subject() -> None:
    """A token stands for its user, scopes and login type."""
    payload = TokenPayload.model_validate({"sub": "ada", "login_type": "admin", "scopes": ["a"], "role": "x"})

    assert default_subject_from_payload(payload) == {"sub": "ada", "scopes": ["a"], "login_type": "admin"}
    assert default_subject_from_payload(TokenPayload(sub="ada"))["scopes"] == []
    assert default_subject_from_payload(None) == {}
