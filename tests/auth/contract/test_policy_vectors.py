"""Replays what AuthX 1.7.1 was recorded to do with policies and with several logins."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI

from authx.auth.exceptions import PolicyEvaluationError
from authx.auth.manager import AuthManager
from authx.auth.openapi import Guard
from authx.auth.policy import PolicyCondition, PolicyContext, PolicyEngine, PolicyRule
from authx.auth.schema import TokenPayload
from tests.auth.contract.recorded import cases, login

RULES = [
    PolicyRule("allow", ["users:*"], ["users"], scopes=["staff"]),
    PolicyRule("deny", ["users:delete"], ["*"], reason="no deletes"),
    PolicyRule(
        "allow", ["report"], ["reports:*"], [PolicyCondition("environment", "method", "equals", "GET")]
    ),
]


def expected(vector: dict[str, Any]) -> Any:
    """What was recorded, except that values that cannot be compared are an error of the policy."""
    if vector["expect"] == {"exception": "TypeError"}:
        assert vector["quirk"]
        return {"exception": "PolicyEvaluationError"}
    return vector["expect"]


@pytest.mark.parametrize("vector", cases("policy"))
def test_conditions(vector: dict[str, Any]) -> None:
    """Conditions hold for the same values, or cannot be judged."""
    context = PolicyContext(
        login_type="t",
        action="a",
        resource="r",
        payload=TokenPayload.from_claims(vector["payload"]) if "payload" in vector else None,
        subject=vector.get("subject"),
        resource_attrs=vector.get("resource_attrs"),
        environment=vector.get("environment", {}),
    )
    try:
        got: dict[str, Any] = {"result": PolicyCondition(**vector["condition"]).matches(context)}
    except PolicyEvaluationError:
        got = {"exception": "PolicyEvaluationError"}

    assert got == expected(vector)


@pytest.mark.parametrize("vector", cases("engine"))
async def test_engines(vector: dict[str, Any]) -> None:
    """Engines decide the same, for the same reason."""
    engine = PolicyEngine(
        [PolicyRule(**rule) for rule in vector["rules"]], default_allow=vector.get("default_allow", False)
    )
    scopes = vector.get("scopes")
    payload = None if scopes is None else TokenPayload(sub="x", scopes=scopes)
    decision = await engine.evaluate(PolicyContext("t", vector["action"], vector["resource"], payload))

    assert {"allowed": decision.allowed, "reason": decision.reason} == expected(vector)


@pytest.mark.parametrize("vector", cases("manager"))
@pytest.mark.parametrize("told", [True, False], ids=["handle_errors", "by itself"])
async def test_managers(vector: dict[str, Any], told: bool) -> None:
    """Routes of several logins are answered the same, whether or not the app was told to handle errors."""
    manager = AuthManager(policy_rules=RULES)
    app = FastAPI()
    if told:
        manager.handle_errors(app)
    for name in vector["configs"]:
        manager.register(login(name))
    for kind in manager.login_types:
        add_routes(app, manager, kind)
    request = vector["request"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.request(
            request["method"], request["path"], headers={**request.get("headers", {})}
        )

    assert {"status": answer.status_code, "body": answer.json()} == expected(vector)


def add_routes(app: FastAPI, manager: AuthManager, kind: str) -> None:
    guards: dict[str, Guard] = {
        "access": manager.access_token_required(kind),
        "refresh": manager.refresh_token_required(kind),
        "fresh": manager.fresh_token_required(kind),
        "list": manager.policy_required(kind, "users:list", "users"),
        "delete": manager.policy_required(kind, "users:delete", "users"),
        "report": manager.policy_required(kind, "report", "reports:q1"),
    }
    for path, guard in guards.items():

        async def endpoint(payload: TokenPayload = Depends(guard)) -> dict[str, Any]:
            return {"sub": payload.sub, "login_type": payload.login_type}

        app.add_api_route(f"/{kind}/{path}", endpoint, methods=["GET", "POST"])
