"""Policies, under the import path apps know."""

from authx.auth.exceptions import PolicyEvaluationError
from authx.auth.policy import (
    PolicyCondition,
    PolicyContext,
    PolicyDecision,
    PolicyEffect,
    PolicyEngine,
    PolicyEvaluator,
    PolicyOperator,
    PolicyRule,
    PolicySource,
    build_policy_environment,
    default_subject_from_payload,
)
from authx.auth.schema import TokenPayload

__all__ = (
    "PolicyCondition",
    "PolicyContext",
    "PolicyDecision",
    "PolicyEffect",
    "PolicyEngine",
    "PolicyEvaluationError",
    "PolicyEvaluator",
    "PolicyOperator",
    "PolicyRule",
    "PolicySource",
    "TokenPayload",
    "build_policy_environment",
    "default_subject_from_payload",
)
