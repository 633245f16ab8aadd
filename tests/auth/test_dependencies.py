"""The login of one request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock, call

import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from authx.auth.dependencies import AuthXDependency
from tests.auth.asking import asking, auth_of, bearer, request


def in_hand() -> tuple[Mock, AuthXDependency[Any]]:
    auth = Mock(get_current_subject=AsyncMock(return_value="subject"))
    return auth, AuthXDependency(auth, request(), Response())


def test_request_and_response() -> None:
    """Both are there to be read, and stay."""
    asked, answer = request(), Response()
    dependency = AuthXDependency(auth_of(), asked, answer)

    assert dependency.request is asked
    assert dependency.response is answer
    with pytest.raises(AttributeError):
        dependency.request = request()  # type: ignore[misc]


def test_tokens() -> None:
    """The login's own methods are called, in the ways that apps have come to override."""
    auth, dependency = in_hand()
    dependency.create_access_token("ada", True, scopes=["a"], session="s")
    dependency.create_refresh_token("ada", {"kid": "k"}, None, None, None, ["r"])
    dependency.create_token_pair("ada", fresh=True, session="s")
    pair = {
        "uid": "ada",
        "fresh": True,
        "headers": None,
        "access_expiry": None,
        "refresh_expiry": None,
        "data": None,
        "audience": None,
        "access_scopes": None,
        "refresh_scopes": None,
    }

    assert auth.mock_calls == [
        call.create_access_token("ada", True, None, None, None, None, scopes=["a"], session="s"),
        call.create_refresh_token("ada", {"kid": "k"}, None, None, None, ["r"]),
        call.create_token_pair(**pair, session="s"),
    ]
    auth.reset_mock()
    dependency.create_token_pair("ada", fresh=True)
    assert auth.mock_calls == [call.create_token_pair(**pair)]


def test_cookies() -> None:
    """Cookies go into the response in hand, or the one that is given."""
    auth, dependency = in_hand()
    own, other = dependency.response, Response()
    dependency.set_access_cookies("t")
    dependency.set_refresh_cookies("t", other, 5)
    dependency.unset_access_cookies()
    dependency.unset_refresh_cookies(other)
    dependency.unset_cookies()

    assert auth.mock_calls == [
        call.set_access_cookies(token="t", response=own, max_age=None),
        call.set_refresh_cookies(token="t", response=other, max_age=5),
        call.unset_access_cookies(response=own),
        call.unset_refresh_cookies(response=other),
        call.unset_cookies(response=own),
    ]


async def test_subject() -> None:
    """The subject is that of the request in hand."""
    auth, dependency = in_hand()

    assert await dependency.get_current_subject() == "subject"
    assert auth.mock_calls == [call.get_current_subject(request=dependency.request)]


async def test_in_a_route() -> None:
    """A route asks for it by a default value, and its cookies reach the client."""
    auth = auth_of(JWT_TOKEN_LOCATION=["headers", "cookies"])
    app = FastAPI()

    @auth.set_subject_getter
    async def user(uid: str) -> dict[str, str]:
        return {"name": uid}

    @app.post("/login")
    async def login(deps: AuthXDependency[Any] = auth.DEPENDENCY) -> None:
        deps.set_access_cookies(deps.create_access_token("ada", expiry=timedelta(seconds=5)))

    @app.post("/logout")
    async def logout(deps: AuthXDependency[Any] = auth.BUNDLE) -> Response:
        answer = JSONResponse("bye")
        deps.unset_access_cookies(answer)
        return answer

    @app.get("/me")
    async def me(deps: AuthXDependency[Any] = auth.DEPENDENCY) -> Any:
        return await deps.get_current_subject()

    async with asking(app) as client:
        assert "access_token_cookie" in (await client.post("/login")).cookies
        assert (await client.get("/me", headers=bearer(auth.create_access_token("bob")))).json() == {
            "name": "bob"
        }
        assert (await client.post("/logout")).headers.get_list("set-cookie")
        assert (await client.get("/me")).json()["error_type"] == "MissingTokenError"
