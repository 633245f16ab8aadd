"""The dependencies of a login, already wrapped in ``Depends``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, WebSocket
from fastapi.params import Depends

from authx.auth.schema import RequestToken, TokenPayload
from authx.auth.shortcuts import Shortcuts
from tests.auth.asking import asking, auth_of, bearer


def test_each_is_a_dependency() -> None:
    """Every shortcut is a default value that FastAPI knows."""
    auth = auth_of()
    names = [name for name in vars(Shortcuts) if name.isupper()]

    assert len(names) == 9
    assert all(isinstance(getattr(auth, name), Depends) for name in names)
    assert auth.BUNDLE.dependency == auth.DEPENDENCY.dependency == auth.get_dependency
    assert auth.WS_AUTH_REQUIRED.dependency == auth._ws_auth_required
    assert auth.CURRENT_SUBJECT.dependency == auth.get_current_subject


async def test_in_routes() -> None:
    """Each asks for what its name says."""
    auth = auth_of()
    auth.set_subject_getter(str.upper)
    app = FastAPI()

    @app.get("/access")
    async def access(payload: TokenPayload = auth.ACCESS_REQUIRED) -> str | None:
        return payload.type

    @app.get("/fresh")
    async def fresh(payload: TokenPayload = auth.FRESH_REQUIRED) -> bool:
        return payload.fresh

    @app.get("/refresh")
    async def refresh(payload: TokenPayload = auth.REFRESH_REQUIRED) -> str | None:
        return payload.type

    @app.get("/subject")
    async def subject(name: str = auth.CURRENT_SUBJECT) -> str:
        return name

    @app.get("/tokens")
    async def tokens(
        access: RequestToken | None = auth.ACCESS_TOKEN, refresh: RequestToken | None = auth.REFRESH_TOKEN
    ) -> list[Any]:
        return [access and (access.token, access.type), refresh and (refresh.token, refresh.type)]

    stale, new = auth.create_access_token("ada"), auth.create_access_token("ada", fresh=True)
    async with asking(app) as client:
        assert (await client.get("/access", headers=bearer(stale))).json() == "access"
        assert (await client.get("/fresh", headers=bearer(stale))).status_code == 401
        assert (await client.get("/fresh", headers=bearer(new))).json() is True
        assert (await client.get("/refresh", headers=bearer(stale))).status_code == 401
        assert (await client.get("/subject", headers=bearer(stale))).json() == "ADA"
        assert (await client.get("/tokens", headers=bearer("x"))).json() == [
            ["x", "access"],
            ["x", "refresh"],
        ]
        assert (await client.get("/tokens")).json() == [None, None]


def test_on_a_socket() -> None:
    """A socket's endpoint takes one as a default value, too."""
    auth = auth_of()
    app = FastAPI()

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket, payload: TokenPayload = auth.WS_AUTH_REQUIRED) -> None: ...

    assert app.routes
