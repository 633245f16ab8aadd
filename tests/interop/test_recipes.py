"""The recipes of docs/protocol.md, taken out of the page and run against a server with the real clients.

Every token that a client shows is one that the test gave it when it was asked for one, so a test follows a
client through hours of tokens without a clock of its own.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import aiohttp
import pytest
import socketio
from fastapi import FastAPI

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.auth.clock import system_clock
from authx.auth.exceptions import TokenExpiredError
from authx.socket import Connection, CurrentIdentity, Refusal
from authx.socket.exceptions import CODES
from tests.support.logins import KEY
from tests.support.node import node
from tests.support.server import ROOT, free_port, serving
from tests.support.settling import until
from tests.test_docs import Page

PAGE = ROOT / "docs" / "protocol.md"
HARNESS = Path(__file__).with_name("stay_signed_in.js")

LIFETIME = 3
"""Seconds: hours of a real login. The client has a third of it to answer."""


def recipe(language: str) -> str:
    return next(block for _, block in Page(PAGE).blocks(language) if "LOG_IN" in block)


def login(clock: Callable[[], float] = system_clock) -> AuthX:
    return AuthX(AuthXConfig(JWT_SECRET_KEY=KEY, JWT_TOKEN_LOCATION=["headers"]), clock=clock)


class Node:
    """A server of the tests, and what it saw."""

    def __init__(self, auth: AuthX) -> None:
        self.auth = auth
        self.app = FastAPI()
        self.socket = AuthXSocket(self.app, auth=auth)
        self.connected: asyncio.Queue[str] = asyncio.Queue()
        """The sids that were let in."""
        self.refreshed: asyncio.Queue[str] = asyncio.Queue()
        """The sids that were refreshed."""
        self.socket.on("connect", self._connect)
        self.socket.on_refresh(self._refresh)

    def token(self, lifetime: float = LIFETIME) -> str:
        return self.auth.create_access_token("alice", session="s1", expiry=timedelta(seconds=lifetime))

    async def _connect(self, here: Connection) -> None:
        await self.connected.put(here.sid)

    async def _refresh(self, here: Connection) -> None:
        await self.refreshed.put(here.sid)


class Peer(Protocol):
    """A client that stays signed in by a recipe."""

    async def wanted(self) -> None:
        """Return when the recipe asks for a token."""

    async def give(self, token: str | None) -> None:
        """Give it one; None says that the login is over."""

    async def go_offline(self) -> None:
        """Say that no token can be had."""

    async def connected(self) -> None:
        """Return when the client knows that it is connected."""

    async def outcome(self) -> tuple[str, str | None]:
        """What the recipe decides, ``go to login`` or ``give up``, and the code that made it."""


class JavaScript:
    def __init__(self, process: Any) -> None:
        self._process = process

    async def wanted(self) -> None:
        await self._told("wants")

    async def give(self, token: str | None) -> None:
        await self._process.send({"at": "/", "token": token})

    async def go_offline(self) -> None:
        await self._process.send({"at": "/", "offline": True})

    async def connected(self) -> None:
        await self._told("connect")

    async def outcome(self) -> tuple[str, str | None]:
        told = await self._told("goToLogin", "giveUp")
        return ("go to login", told["goToLogin"]) if "goToLogin" in told else ("give up", told["giveUp"])

    async def _told(self, *names: str) -> Any:
        while not (told := await self._process.receive()).keys() & set(names):
            pass
        return told


class Python:
    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        exec(recipe("python"), self.names)
        self.running: asyncio.Task[str]
        self._client: socketio.AsyncClient
        self._wants: asyncio.Queue[asyncio.Future[str | None]] = asyncio.Queue()
        self._asked: asyncio.Future[str | None]

    def run(self, base_url: str, http: aiohttp.ClientSession) -> None:
        self._client = socketio.AsyncClient(reconnection=False, http_session=http)
        staying = self.names["stay_signed_in"](
            self._client, base_url, self.get_token, transports=["websocket"]
        )
        self.running = asyncio.create_task(staying)

    async def end(self) -> None:
        await self._client.disconnect()
        self.running.cancel()
        await asyncio.wait({self.running})

    async def get_token(self) -> str | None:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        await self._wants.put(answer)
        return await answer

    async def wanted(self) -> None:
        self._asked = await asyncio.wait_for(self._wants.get(), 10.0)

    async def give(self, token: str | None) -> None:
        self._asked.set_result(token)

    async def go_offline(self) -> None:
        self._asked.set_exception(OSError("offline"))

    async def connected(self) -> None:
        await until(lambda: self._client.connected)

    async def outcome(self) -> tuple[str, str | None]:
        code = await asyncio.wait_for(self.running, 10.0)
        return ("go to login" if code in self.names["LOG_IN"] else "give up"), code


@asynccontextmanager
async def javascript(base_url: str, tmp_path: Path) -> AsyncIterator[Peer]:
    script = tmp_path / "recipe.js"
    script.write_text(recipe("javascript"))
    async with node(HARNESS, str(script), base_url, "/") as process:
        yield JavaScript(process)


@asynccontextmanager
async def python(base_url: str, tmp_path: Path) -> AsyncIterator[Peer]:
    peer = Python()
    async with aiohttp.ClientSession() as http:
        peer.run(base_url, http)
        try:
            yield peer
        finally:
            await peer.end()


Opened: TypeAlias = Callable[[str, Path], AbstractAsyncContextManager[Peer]]
either = pytest.mark.parametrize("opened", [javascript, python], ids=lambda opened: opened.__name__)


async def soon(queue: asyncio.Queue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 10.0)


async def sign_in(peer: Peer, server: Node) -> str:
    """Give the client a token for its connect, and return the sid."""
    await peer.wanted()
    await peer.give(server.token())
    await peer.connected()
    return await soon(server.connected)


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_a_recipe_is_no_longer_than_it_may_be(language: str) -> None:
    lines = [line for line in recipe(language).splitlines() if line.strip()]

    assert len(lines) <= 30


@either
async def test_one_connection_lives_through_many_tokens(opened: Opened, tmp_path: Path) -> None:
    server = Node(login())
    async with serving(server.app) as base_url, opened(base_url, tmp_path) as peer:
        sid = await sign_in(peer, server)

        for _ in range(3):
            await peer.wanted()
            await peer.give(server.token())
            assert await soon(server.refreshed) == sid

        assert [one.sid for one in await server.socket.to_user("alice").connections()] == [sid]
        assert server.connected.empty()


@either
async def test_it_goes_to_the_login_when_the_login_is_revoked(opened: Opened, tmp_path: Path) -> None:
    server = Node(login())
    async with serving(server.app) as base_url, opened(base_url, tmp_path) as peer:
        await sign_in(peer, server)

        await server.auth.revoke_session("s1")

        assert await peer.outcome() == ("go to login", "token_revoked")


@either
async def test_it_goes_to_the_login_when_there_is_no_token_any_more(opened: Opened, tmp_path: Path) -> None:
    server = Node(login())
    async with serving(server.app) as base_url, opened(base_url, tmp_path) as peer:
        await peer.wanted()
        await peer.give(None)

        assert (await peer.outcome())[0] == "go to login"


@either
async def test_it_comes_back_with_a_new_token_when_it_could_not_get_one_in_time(
    opened: Opened, tmp_path: Path
) -> None:
    server = Node(login())
    async with serving(server.app) as base_url, opened(base_url, tmp_path) as peer:
        first = await sign_in(peer, server)
        await peer.wanted()
        await peer.go_offline()

        # Closed with token_expired meanwhile; still without a network at the first attempt.
        await peer.wanted()
        await peer.go_offline()

        assert await sign_in(peer, server) != first


@either
async def test_it_comes_back_with_a_new_token_to_a_server_that_was_away(
    opened: Opened, tmp_path: Path
) -> None:
    """For an hour, by the clock of the server that comes up again: no token of before is good there."""
    before, after = Node(login()), Node(login(lambda: system_clock() + 3600))
    port = free_port()
    async with opened(f"http://127.0.0.1:{port}", tmp_path) as peer:
        async with serving(before.app, port=port):
            await sign_in(peer, before)
            # A JavaScript client that loses its server in the midst of an upgrade notices only by the pings.
            await until(lambda: all(one.upgraded for one in before.socket.sio.eio.sockets.values()))
        async with serving(after.app, port=port):
            with pytest.raises(TokenExpiredError):
                after.auth.verifier.identity(before.token())

            await sign_in(peer, after)

            assert len(await after.socket.to_user("alice").connections()) == 1


# --- what it does on each code ----------------------------------------------------------------------------


def expected() -> dict[str, str]:
    """By the table of the page."""
    rows = re.findall(r"^\| `(\w+)` \| (?:yes|no) \| ([\w ]+) \|", PAGE.read_text(), re.MULTILINE)
    return {
        code: {"log in": "go to login", "give up": "give up"}.get(does, "come back") for code, does in rows
    }


def refusing() -> Node:
    """A server that refuses everybody once, with the code that is their name."""
    server, refused = Node(login()), set[str]()

    async def connect(me: CurrentIdentity) -> None:
        if me.user not in refused:
            refused.add(me.user)
            raise Refusal(me.user, details={"retry_after": 0.01} if me.user == "rate_limited" else None)

    for namespace in ("/", *(f"/{code}" for code in CODES)):
        server.socket.on("connect", connect, namespace)
    return server


async def test_the_javascript_recipe_does_on_each_code_what_the_page_says(tmp_path: Path) -> None:
    server, outcomes, given = refusing(), dict[str, str](), set[str]()
    script = tmp_path / "recipe.js"
    script.write_text(recipe("javascript"))
    names = [f"/{code}" for code in CODES]

    async with serving(server.app) as base_url, node(HARNESS, str(script), base_url, *names) as process:
        while len(outcomes) < len(CODES):
            told = await process.receive()
            code = told["at"].removeprefix("/")
            if "wants" in told and code not in given:
                given.add(code)
                await process.send({"at": told["at"], "token": server.auth.create_access_token(code)})
            elif "wants" in told:
                outcomes[code] = "come back"
            elif told.get("goToLogin", told.get("giveUp")) == code:
                outcomes[code] = "go to login" if "goToLogin" in told else "give up"

    assert outcomes == expected()


async def test_the_python_recipe_does_on_each_code_what_the_page_says() -> None:
    server = refusing()

    async def outcome(base_url: str, code: str) -> str:
        peer = Python()
        async with aiohttp.ClientSession() as http:
            peer.run(base_url, http)
            await peer.wanted()
            await peer.give(server.auth.create_access_token(code))
            asked, ended = asyncio.create_task(peer.wanted()), asyncio.create_task(peer.outcome())
            await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            result = (await ended)[0] if peer.running.done() else "come back"
            ended.cancel()
            await peer.end()
        return result

    async with serving(server.app) as base_url:
        outcomes = await asyncio.gather(*(outcome(base_url, code) for code in CODES))

    assert dict(zip(CODES, outcomes, strict=True)) == expected()
