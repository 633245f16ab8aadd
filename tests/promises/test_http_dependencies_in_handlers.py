"""What an app depends on over HTTP works in its handlers, on the connection's current credential."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from authx import AuthX, AuthXDependency, AuthXSocket, RateLimiter, TokenPayload
from authx.auth.types import TokenLocation
from authx.socket import Connection
from authx.socket.credential import Credential
from tests.support import wire
from tests.support.logins import cookie_header, csrf_of, login
from tests.support.server import serving


async def code(client: wire.Client, event: str, *arguments: Any) -> Any:
    """The code of a failure, or the first value of the acknowledgement."""
    [answer] = await client.emit(event, *arguments)
    return answer["error"]["code"] if isinstance(answer, dict) and "error" in answer else answer


def served(*locations: TokenLocation, **settings: Any) -> tuple[FastAPI, AuthX, AuthXSocket]:
    app, auth = FastAPI(), login(*locations, **settings)

    @auth.set_subject_getter
    def subject(uid: str) -> dict[str, str]:
        return {"name": uid}

    return app, auth, AuthXSocket(app, auth=auth)


def register(auth: AuthX, socket: AuthXSocket) -> None:
    @socket.on("access")
    async def access(payload: Annotated[TokenPayload, Depends(auth.access_token_required)]) -> str:
        return payload.sub

    @socket.on("scopes")
    async def scopes(payload: Annotated[TokenPayload, Depends(auth.scopes_required("chat:write"))]) -> str:
        return payload.sub

    @socket.on("fresh")
    async def fresh(payload: TokenPayload = Depends(auth.fresh_token_required)) -> str:
        return payload.sub

    @socket.on("refresh")
    async def refresh(payload: TokenPayload = Depends(auth.refresh_token_required)) -> str:
        return payload.sub

    @socket.on("subject")
    async def subject(me: Annotated[dict[str, str], Depends(auth.get_current_subject)]) -> dict[str, str]:
        return me

    @socket.on("bundle")
    async def bundle(dependency: AuthXDependency[Any] = auth.BUNDLE) -> Any:
        dependency.set_access_cookies(dependency.create_access_token("alice"))
        return await dependency.get_current_subject()

    @socket.on("bearer")
    async def bearer(found: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
        return found.scheme


@pytest.mark.parametrize("place", ["payload", "header", "cookie", "query"])
async def test_the_dependencies_of_authx_take_the_credential_that_opened_the_socket(place: str) -> None:
    app, auth, socket = served("headers", "cookies", "query", JWT_CSRF_METHODS=["GET"])
    register(auth, socket)
    token = auth.create_access_token("alice", scopes=["chat:read"], fresh=True)
    headers: dict[str, str] = {}
    payload: dict[str, str] | None = None
    query: dict[str, str] = {}
    async with serving(app) as url:
        match place:
            case "payload":
                payload = {"token": token}
            case "header":
                headers = {"Authorization": f"Bearer {token}"}
            case "cookie":
                headers, payload = cookie_header(auth, token), {"csrf_token": csrf_of(auth, token)}
            case _:
                query = {"token": token}
        async with wire.websocket(url, headers=headers, query=query) as client:
            assert (await client.connect(payload)).type is wire.PacketType.CONNECT
            assert await code(client, "access") == "alice"
            assert await code(client, "scopes") == "insufficient_scope"
            assert await code(client, "fresh") == "alice"
            assert await code(client, "refresh") in ("wrong_token_type", "missing_token")
            assert await code(client, "subject") == {"name": "alice"}
            assert await code(client, "bundle") == {"name": "alice"}
            # FastAPI's own answer to a missing token was 403 until 0.122.
            nowhere = ("missing_token", "policy_denied")
            in_header = place in ("payload", "header")
            assert await code(client, "bearer") in (("Bearer",) if in_header else nowhere)


async def test_they_follow_the_current_credential_and_the_blocklist() -> None:
    app, auth, socket = served()
    register(auth, socket)
    here: list[Connection] = []
    revoked: list[str] = []
    auth.set_token_blocklist(lambda token: token in revoked)
    socket.on("here")(_remember(here))
    async with serving(app) as url, wire.websocket(url) as client:
        token = auth.create_access_token("alice")
        await client.connect({"token": token})
        await client.emit("here")
        assert await code(client, "fresh") == "fresh_token_required"

        [connection] = here
        assert connection.credential is not None
        fresh = auth.create_access_token("alice", fresh=True)
        connection.credential = replace(connection.credential, token=fresh)
        assert await code(client, "fresh") == "alice"

        revoked.append(fresh)
        assert await code(client, "access") == "token_revoked"
        connection.credential = Credential("garbage", "payload")
        assert await code(client, "access") == "invalid_token"


def _remember(here: list[Connection]) -> Any:
    async def remember(connection: Connection) -> None:
        here.append(connection)

    return remember


async def test_dependencies_of_the_app_serve_routes_and_handlers_alike() -> None:
    app, auth, socket = served()
    open_now: list[str] = []

    async def get_db(request: Request) -> AsyncIterator[str]:
        open_now.append(request.url.path)
        yield f"db of {request.app.title}"
        open_now.remove(request.url.path)

    async def another_db() -> AsyncIterator[str]:
        open_now.append("another")
        yield "another db"
        open_now.remove("another")

    async def tenant(db: Annotated[str, Depends(get_db)], x_tenant: Annotated[str, Header()]) -> str:
        if x_tenant == "gone":
            raise HTTPException(410, "The tenant has left")
        return f"{x_tenant} in {db}"

    Tenant = Annotated[str, Security(tenant, scopes=["any"])]  # noqa: N806

    @app.get("/tenant")
    async def route(tenant: Tenant) -> str:
        return tenant

    @socket.on("tenant")
    async def handler(tenant: Tenant) -> str:
        assert open_now
        return tenant

    @socket.on("limited")
    async def limited(_: Annotated[None, Depends(RateLimiter(1, 60))]) -> str:
        return "passed"

    token = {"token": auth.create_access_token("alice")}
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/tenant", headers={"X-Tenant": "acme"})).json() == "acme in db of FastAPI"
        async with wire.websocket(url, headers={"X-Tenant": "acme"}) as client:
            await client.connect(token)
            assert await client.emit("tenant") == ["acme in db of FastAPI"]
            # Nothing is open any more when the acknowledgement is there.
            assert open_now == []
            assert await code(client, "limited") == "passed"
            assert await code(client, "limited") == "rate_limited"
            app.dependency_overrides[get_db] = another_db
            assert await client.emit("tenant") == ["acme in another db"]
        async with wire.websocket(url, headers={"X-Tenant": "gone"}) as client:
            await client.connect(token)
            [answer] = await client.emit("tenant")
            assert answer == {"error": {"code": "http_410", "message": "The tenant has left"}}
        async with wire.websocket(url) as client:
            await client.connect(token)
            assert await code(client, "tenant") == "validation_error"


async def test_rights_that_were_changed_hold_for_them_too() -> None:
    """The token still says what it said."""
    app, auth, socket = served()
    register(auth, socket)
    async with serving(app) as url, wire.websocket(url) as client:
        await client.connect({"token": auth.create_access_token("alice", scopes=["chat:write"])})
        assert await code(client, "scopes") == "alice"

        await socket.update_user("alice", scopes=["chat:read"])
        assert await code(client, "scopes") == "insufficient_scope"
        assert await code(client, "access") == "alice"

        await socket.update_user("alice", scopes=["chat:write"])
        assert await code(client, "scopes") == "alice"

        await client.emit("authx:refresh", {"token": auth.create_access_token("alice", scopes=["other"])})
        assert await code(client, "scopes") == "insufficient_scope"
