"""How guarded routes show in the OpenAPI document."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request

from authx.auth.config import AuthXConfig
from authx.auth.openapi import documented, security_schemes
from authx.auth.schema import TokenPayload
from tests.auth.asking import asking, auth_of, bearer


def names(*args: Any, **kwargs: Any) -> list[str]:
    return [scheme.scheme_name for scheme in security_schemes(*args, **kwargs)]  # type: ignore[attr-defined]


def test_one_for_each_place() -> None:
    """Header, cookie, query, in this order whatever the settings' is; none for a body."""
    config = AuthXConfig(JWT_TOKEN_LOCATION=["query", "json", "cookies", "headers"])

    assert names(config) == ["AuthXBearer", "AuthXAccessCookie", "AuthXQuery"]
    assert names(config, type="refresh") == ["AuthXBearer", "AuthXRefreshCookie", "AuthXQuery"]
    assert names(config, locations=["json"]) == []
    assert names(None) == ["AuthXBearer"]


@pytest.mark.parametrize(
    ("header", "scheme", "name"),
    [
        ("authorization", "BEARER", "AuthXBearer"),
        ("Authorization", "Token", "AuthXHeader"),
        ("Authorization", "", "AuthXHeader"),
        ("Authorization", None, "AuthXHeader"),
        ("X-Auth", "Bearer", "AuthXHeader"),
    ],
)
def test_header(header: str, scheme: str | None, name: str) -> None:
    """Only the standard header with the standard scheme is a bearer token to OpenAPI."""
    config = AuthXConfig(JWT_HEADER_NAME=header)
    config.JWT_HEADER_TYPE = scheme  # type: ignore[assignment]

    assert names(config) == [name]


async def test_the_signature_is_for_fastapi() -> None:
    """A guard is still called with a request alone; FastAPI sees the schemes."""
    seen: list[Any] = []

    async def guard(request: Request, **schemes: Any) -> TokenPayload:
        seen.append(schemes)
        return TokenPayload(sub="ada")

    shown = documented(guard, security_schemes(AuthXConfig()))
    parameters = inspect.signature(shown).parameters

    assert shown is guard
    assert [parameters[name].default is inspect.Parameter.empty for name in parameters] == [True, False]
    assert parameters["request"].annotation is Request


async def test_schemes_reject_nothing() -> None:
    """A scheme lets everything through, so that what is missing is answered by the guard."""
    auth = auth_of(JWT_TOKEN_LOCATION=["headers", "cookies", "query"], JWT_COOKIE_CSRF_PROTECT=False)
    app = FastAPI()

    @app.get("/")
    async def root(payload: TokenPayload = Depends(auth.access_token_required)) -> str:
        return payload.sub

    token = auth.create_access_token("ada")
    async with asking(app) as client:
        assert (await client.get("/")).json()["error_type"] == "MissingTokenError"
        assert (await client.get("/", headers={"Authorization": "Basic x"})).status_code == 422
        assert (await client.get("/", headers=bearer(token))).json() == "ada"
        assert (await client.get("/", params={"token": token})).json() == "ada"
    assert "parameters" not in app.openapi()["paths"]["/"]["get"]


async def test_alternatives() -> None:
    """The requirements of a route are alternatives: a list, not one with several schemes."""
    auth = auth_of(JWT_TOKEN_LOCATION=["headers", "query"])
    app = FastAPI()

    @app.get("/", dependencies=[Depends(auth.rate_limited())])
    async def root() -> None: ...

    assert app.openapi()["paths"]["/"]["get"]["security"] == [{"AuthXBearer": []}, {"AuthXQuery": []}]
