"""Every way in which a token is accepted over HTTP, walked with one that was ended before its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Message
from starlette.websockets import WebSocket

from authx.auth.dependencies import AuthXDependency
from authx.auth.facade import AuthX
from authx.auth.manager import AuthManager
from authx.auth.policy import PolicyRule
from authx.auth.schema import TokenPayload
from authx.auth.sessions import InMemorySessionStore
from tests.auth.asking import asking, auth_of, bearer, request
from tests.auth.forge import Clock

Asked: TypeAlias = tuple[int, str | None]
"""The status, and the type of the error."""

SOON = timedelta(seconds=30)


def login(clock: Clock | None = None) -> AuthX[Any]:
    auth = auth_of(clock, "admin", JWT_TOKEN_LOCATION=["headers", "cookies", "query", "json"])
    auth.set_subject_getter(str.upper)
    return auth


def app_of(auth: AuthX[Any], *, renews: bool = True) -> FastAPI:
    """An app with every dependency that lets somebody in, each on a path of its own."""
    app = FastAPI()
    if renews:
        app.middleware("http")(auth.implicit_refresh_middleware)
    manager = AuthManager(policy_rules=[PolicyRule(effect="allow", actions="*", resources="*")])
    manager.register(auth)

    guards: dict[str, Any] = {
        "access": auth.access_token_required,
        "fresh": auth.fresh_token_required,
        "refresh": auth.refresh_token_required,
        "untyped": auth.token_required(verify_type=False),
        "lenient": auth.token_required(verify_csrf=False),
        "scopes": auth.scopes_required("a"),
        "rate": auth.rate_limited(100),
        "subject": auth.get_current_subject,
        "manager-access": manager.access_token_required("admin"),
        "manager-fresh": manager.fresh_token_required("admin"),
        "manager-refresh": manager.refresh_token_required("admin"),
        "manager-policy": manager.policy_required("admin", "do", "it"),
    }
    for name, guard in guards.items():
        app.post(f"/{name}", dependencies=[Depends(guard)])(_nothing)
    shortcuts = {
        "ACCESS": auth.ACCESS_REQUIRED,
        "FRESH": auth.FRESH_REQUIRED,
        "REFRESH": auth.REFRESH_REQUIRED,
        "SUBJECT": auth.CURRENT_SUBJECT,
    }
    for name, shortcut in shortcuts.items():
        app.post(f"/{name}", dependencies=[shortcut])(_nothing)

    @app.post("/bundle")
    async def bundle(me: AuthXDependency[Any] = auth.DEPENDENCY) -> None:
        await me.get_current_subject()

    @app.post("/authorize")
    async def authorize(request: Request) -> None:
        await manager.authorize("admin", "do", "it", request=request)

    @app.get("/open")
    async def opened() -> None: ...

    @app.websocket("/websocket")
    async def websocket(websocket: WebSocket, _: TokenPayload = auth.WS_AUTH_REQUIRED) -> None:
        await websocket.accept()
        await websocket.close()

    auth.handle_errors(app)
    return app


async def _nothing() -> None: ...


def paths(app: FastAPI) -> list[str]:
    return [route.path for route in app.routes if isinstance(route, APIRoute) and route.methods == {"POST"}]


def made(auth: AuthX[Any], kind: str) -> str:
    if kind == "refresh":
        return auth.create_refresh_token("ada", session="s", scopes=["a"])
    return auth.create_access_token("ada", fresh=True, session="s", scopes=["a"], expiry=SOON)


@dataclass
class Walk:
    auth: AuthX[Any]
    app: FastAPI
    access: str
    refresh: str

    async def over_http(self) -> dict[str, Asked]:
        """What each path answers, for the token in each of its places."""
        answers: dict[str, Asked] = {}
        async with asking(self.app) as client:
            for path in paths(self.app):
                kind = "refresh" if "refresh" in path.lower() else "access"
                for place, answer in (await self._from_everywhere(client, path, kind)).items():
                    error = None if answer.is_success else answer.json()["error_type"]
                    answers[f"{path} {place}"] = (answer.status_code, error)
        return answers

    async def _from_everywhere(
        self, client: httpx.AsyncClient, path: str, kind: str
    ) -> dict[str, httpx.Response]:
        token = getattr(self, kind)
        csrf = self.auth.verifier.own_claims(token)["csrf"]
        cookie = {"Cookie": f"{kind}_token_cookie={token}", "X-CSRF-TOKEN": csrf}
        return {
            "header": await client.post(path, headers=bearer(token)),
            "cookie": await client.post(path, headers=cookie),
            "query": await client.post(path, params={"token": token}),
            "json": await client.post(path, json={f"{kind}_token": token}),
        }

    async def is_renewed(self) -> bool:
        async with asking(self.app, {"access_token_cookie": self.access}) as client:
            answer = await client.get("/open")
        assert answer.status_code == 200
        return "access_token_cookie" in answer.cookies

    async def opens_a_websocket(self) -> bool:
        by_query = await answer_to_websocket(self.app, query=f"token={self.access}")
        by_header = await answer_to_websocket(self.app, headers=bearer(self.access))
        assert by_query == by_header
        return by_query == "websocket.accept"


async def answer_to_websocket(app: FastAPI, query: str = "", headers: Mapping[str, str] | None = None) -> str:
    """The type of the first message that a socket is sent."""
    incoming: list[Message] = [{"type": "websocket.connect"}]
    sent: list[str] = []

    async def receive() -> Message:
        return incoming.pop() if incoming else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "websocket", "path": "/websocket", "headers": raw, "query_string": query.encode()}
    await app(scope, receive, send)
    return sent[0]


def walk(auth: AuthX[Any], **how: Any) -> Walk:
    return Walk(auth, app_of(auth, **how), made(auth, "access"), made(auth, "refresh"))


async def test_the_walk_goes_everywhere() -> None:
    """A login that goes on is let in by each of them, or the rest would prove nothing."""
    auth = login()
    walked = walk(auth)

    answers = await walked.over_http()
    assert set(answers.values()) == {(200, None)}
    assert len(answers) == 18 * 4
    assert await walked.is_renewed()
    assert await walked.opens_a_websocket()


async def by_tokens(auth: AuthX[Any], walked: Walk) -> None:
    await auth.revoke_token(walked.access)
    await auth.revoke_token(walked.refresh)


async def by_session(auth: AuthX[Any], walked: Walk) -> None:
    await auth.revoke_session("s")


async def by_user(auth: AuthX[Any], walked: Walk) -> None:
    await auth.revoke_user("ada", except_session="another")


async def by_all_sessions(auth: AuthX[Any], walked: Walk) -> None:
    await auth.revoke_all_sessions("ada")


async def by_logout(auth: AuthX[Any], walked: Walk) -> None:
    await auth.logout(request("POST", bearer(walked.access)), Response())


@pytest.mark.parametrize("end", [by_tokens, by_session, by_user, by_all_sessions, by_logout])
async def test_what_was_ended_is_refused_everywhere(
    end: Callable[[AuthX[Any], Walk], Awaitable[None]],
) -> None:
    """In the same words, and without a session store or any tracking."""
    auth = login()
    walked = walk(auth)
    await end(auth, walked)

    assert set((await walked.over_http()).values()) == {(401, "RevokedTokenError")}
    assert not await walked.is_renewed()
    assert not await walked.opens_a_websocket()


class Down(InMemorySessionStore):
    """A store that answers nobody."""

    async def add(self, *_: Any, **__: Any) -> None:
        raise ConnectionError

    async def find(self, *_: Any) -> list[bool]:
        raise ConnectionError


async def test_a_store_that_is_down_lets_nobody_in() -> None:
    """It is the server's fault, and its answer says no more than that."""
    auth = login()
    # Old Starlette leaves a stream open where an error passes through a middleware.
    walked = walk(auth, renews=False)
    auth.revocations = Down()

    async with asking(walked.app) as client:
        for path in paths(walked.app):
            kind = "refresh" if "refresh" in path.lower() else "access"
            for place, answer in (await walked._from_everywhere(client, path, kind)).items():
                assert (answer.status_code, answer.text) == (500, "Internal Server Error"), (path, place)

    async def answering(_: Request) -> Response:
        return Response()

    asked = request("GET", {"Cookie": f"access_token_cookie={walked.access}"}, path="/")
    with pytest.raises(ConnectionError):
        await auth.implicit_refresh_middleware(asked, answering)
    with pytest.raises(ConnectionError):
        await answer_to_websocket(walked.app, headers=bearer(walked.access))


async def test_what_ends_while_a_token_is_renewed() -> None:
    """The new token counts as made before it was asked whether the old one goes on."""
    clock = Clock()
    auth = login(clock)
    walked = walk(auth)
    store = auth.revocations

    class Slow(Down):
        async def find(self, identities: Any) -> list[bool]:
            found = await store.find(identities)
            # Asked just before, answered after: meanwhile the user was ended.
            clock.now += 1
            await auth.revoke_user("ada", issued_before=auth.verifier.now() - 0.5)
            clock.now += 1
            return found

        async def add(self, *args: Any, **how: Any) -> None:
            await store.add(*args, **how)

    auth.revocations = Slow()
    async with asking(walked.app, {"access_token_cookie": walked.access}) as client:
        answer = await client.get("/open")
    renewed = answer.cookies["access_token_cookie"]
    auth.revocations = store

    async with asking(walked.app) as client:
        assert (await client.post("/access", headers=bearer(renewed))).status_code == 401
