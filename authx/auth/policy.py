"""Policies: may somebody do this to that, by rules over the four things known of a request.

An action and a resource are names like scopes are, and rules speak of them in patterns.
"""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from authx.auth.clock import system_clock
from authx.auth.exceptions import PolicyEvaluationError
from authx.auth.schema import TokenPayload
from authx.auth.scopes import has_scopes, satisfies

if TYPE_CHECKING:
    # Carried along for evaluators, and never looked into but by attribute.
    from starlette.requests import Request

__all__ = (
    "PolicyCondition",
    "PolicyContext",
    "PolicyDecision",
    "PolicyEffect",
    "PolicyEngine",
    "PolicyEvaluator",
    "PolicyOperator",
    "PolicyRule",
    "PolicySource",
    "build_policy_environment",
    "default_subject_from_payload",
)

PolicyEffect: TypeAlias = Literal["allow", "deny"]
"""What a rule says where it matches."""

PolicySource: TypeAlias = Literal["subject", "resource", "environment", "token"]
"""What a condition looks at."""

PolicyOperator: TypeAlias = Literal[
    "equals", "not_equals", "in", "not_in", "contains", "gt", "gte", "lt", "lte", "exists"
]
"""How a condition compares what it finds with its own value."""


@dataclass(frozen=True)
class PolicyContext:
    """All that is known of one attempt."""

    login_type: str
    action: str
    resource: str
    payload: TokenPayload | None = None
    request: Request | None = None
    subject: Any = None
    """Who tries: a mapping, or an object with attributes."""
    resource_attrs: Any = None
    """What the resource is like: a mapping, or an object with attributes."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """When, from where and how; see :func:`build_policy_environment`."""

    def get_source(self, source: PolicySource) -> Any:
        """Give what a condition looks at.

        Raises:
            PolicyEvaluationError: there is no such source.
        """
        match source:
            case "subject":
                return self.subject
            case "resource":
                return self.resource_attrs
            case "environment":
                return self.environment
            case "token":
                return {} if self.payload is None else self.payload.model_dump()
        raise PolicyEvaluationError(f"Unsupported policy source: {source}")


@dataclass(frozen=True)
class PolicyCondition:
    """One comparison: something known of the attempt with a value."""

    source: PolicySource
    key: str
    """What to take of the source: a key or an attribute, dotted to go deeper. What is missing is None."""
    operator: PolicyOperator = "equals"
    value: Any = None

    def matches(self, context: PolicyContext) -> bool:
        """Whether the comparison holds.

        Raises:
            PolicyEvaluationError: source or operator are unknown, or the two cannot be compared.
        """
        found = _found(context.get_source(self.source), self.key)
        compare = _OPERATORS.get(self.operator)
        if compare is None:
            raise PolicyEvaluationError(f"Unsupported policy operator: {self.operator}")
        try:
            return bool(compare(found, self.value))
        except TypeError as error:
            raise PolicyEvaluationError(f"{self.source} {self.key!r} {self.operator}: {error}") from error


class PolicyEvaluator(Protocol):
    """A check of the app's own, asked when all else of a rule matches."""

    def __call__(self, context: PolicyContext, rule: PolicyRule) -> bool | Awaitable[bool]:
        """Truthy, now or when awaited, if the rule matches."""


@dataclass(frozen=True)
class PolicyRule:
    """What is allowed or denied, to whom and when.

    A rule matches if an action and a resource pattern do, the scopes are held, and all conditions and
    evaluators agree. The pattern ``*`` matches everything, ``users:*`` what the scope of that name covers.
    """

    effect: PolicyEffect
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Sequence[PolicyCondition] = field(default_factory=list)
    scopes: Sequence[str] | None = None
    """Scopes that the token must hold; None asks for nothing."""
    all_scopes_required: bool = True
    evaluators: Sequence[PolicyEvaluator] = field(default_factory=list)
    reason: str | None = None
    """Told to the client where the rule decides."""

    def matches_action(self, action: str) -> bool:
        """Whether any of the action patterns matches."""
        return _matches(self.actions, action)

    def matches_resource(self, resource: str) -> bool:
        """Whether any of the resource patterns matches."""
        return _matches(self.resources, resource)

    def matches_scopes(self, payload: TokenPayload | None) -> bool:
        """Whether the token holds what is asked for. No token is one without scopes."""
        if self.scopes is None:
            return True
        held = None if payload is None else payload.scopes
        return has_scopes(held, *_several(self.scopes), all_required=self.all_scopes_required)


@dataclass(frozen=True)
class PolicyDecision:
    """The answer, and what it rests on."""

    allowed: bool
    reason: str
    rule: PolicyRule | None = None
    """The rule that decided, if any did."""


class PolicyEngine:
    """Judges attempts by rules, in their order.

    The first ``deny`` that matches ends it; else the last ``allow`` that matches is the answer.

    Args:
        rules: the rules.
        evaluators: checks that every rule must pass, before its own.
        default_allow: the answer where no rule matches.
    """

    def __init__(
        self,
        rules: Sequence[PolicyRule] | None = None,
        evaluators: Sequence[PolicyEvaluator] | None = None,
        default_allow: bool = False,
    ) -> None:
        self._rules = list(rules or ())
        self._evaluators = list(evaluators or ())
        self.default_allow = default_allow

    @property
    def rules(self) -> list[PolicyRule]:
        """A copy of the rules."""
        return list(self._rules)

    def add_rule(self, rule: PolicyRule) -> None:
        """Add a rule behind the others."""
        self._rules.append(rule)

    def add_evaluator(self, evaluator: PolicyEvaluator) -> None:
        """Add a check that every rule must pass."""
        self._evaluators.append(evaluator)

    async def evaluate(self, context: PolicyContext) -> PolicyDecision:
        """Judge an attempt. What an evaluator raises is not caught.

        Raises:
            PolicyEvaluationError: a rule cannot be judged.
        """
        answer: PolicyDecision | None = None
        for rule in self._rules:
            if not await self._matches(rule, context):
                continue
            if rule.effect not in {"allow", "deny"}:
                # A misspelled "deny" must not let anybody through.
                raise PolicyEvaluationError(f"Unsupported policy effect: {rule.effect}")
            reason = rule.reason or f"Policy rule {rule.effect} matched"
            answer = PolicyDecision(rule.effect == "allow", reason, rule)
            if not answer.allowed:
                return answer
        if answer is not None:
            return answer
        if self.default_allow:
            return PolicyDecision(True, "No policy rule matched; default allow")
        return PolicyDecision(False, "No policy rule matched")

    async def _matches(self, rule: PolicyRule, context: PolicyContext) -> bool:
        if not (
            rule.matches_action(context.action)
            and rule.matches_resource(context.resource)
            and rule.matches_scopes(context.payload)
            and all(condition.matches(context) for condition in rule.conditions)
        ):
            return False
        for evaluator in (*self._evaluators, *rule.evaluators):
            agrees = evaluator(context, rule)
            if not (await agrees if isawaitable(agrees) else agrees):
                return False
        return True


def build_policy_environment(
    request: Request | None = None, environment: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What an attempt's environment holds: ``time`` (in UTC), ``hour`` and ``weekday`` (Monday is 0).

    With a request also ``method``, ``path`` and ``client_ip``. ``environment`` adds to these, and wins.
    """
    now = datetime.fromtimestamp(system_clock(), UTC)
    built: dict[str, Any] = {"time": now, "hour": now.hour, "weekday": now.weekday()}
    if request is not None:
        built["method"] = request.method
        built["path"] = request.url.path
        built["client_ip"] = request.client.host if request.client else None
    return {**built, **(environment or {})}


def default_subject_from_payload(payload: TokenPayload | None) -> dict[str, Any]:
    """Who a token stands for: ``sub``, ``scopes`` and ``login_type``; nothing without a token."""
    if payload is None:
        return {}
    return {"sub": payload.sub, "scopes": payload.scopes or [], "login_type": payload.login_type}


def _found(source: Any, key: str) -> Any:
    found = source
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
        if found is None:
            return None
    return found


def _several(names: Sequence[str]) -> Sequence[str]:
    # A string is a sequence of strings too: letter by letter, "users:*" would hold the pattern "*".
    return (names,) if isinstance(names, str) else names


def _matches(patterns: Sequence[str], name: str) -> bool:
    return any(pattern == "*" or satisfies(pattern, name) for pattern in _several(patterns))


def _in(found: Any, value: Any) -> bool:
    several = isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes)
    # Compared one by one, for what is not hashable cannot be looked up in a set.
    return found in tuple(value) if several else found == value


def _unless_missing(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda found, value: found is not None and compare(found, value)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "equals": operator.eq,
    "not_equals": operator.ne,
    "in": _in,
    "not_in": lambda found, value: not _in(found, value),
    "contains": _unless_missing(operator.contains),
    "gt": _unless_missing(operator.gt),
    "gte": _unless_missing(operator.ge),
    "lt": _unless_missing(operator.lt),
    "lte": _unless_missing(operator.le),
    "exists": lambda found, _: found is not None,
}
