"""The pages for users: every Python block runs, and does what is said beside it."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from fastapi import FastAPI

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.socket import ReservedNameError
from authx.socket.exceptions import CODES
from authx.socket.testing import ManualClock, SocketTestClient
from tests.support import wire
from tests.support.server import ROOT, serving

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Page:
    """One page: its blocks, and the names that its Python blocks make when they are run in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = path.read_text()
        self.names: dict[str, Any] = {"__name__": path.stem}

    def blocks(self, language: str) -> list[tuple[int, str]]:
        """Each with the line it begins at."""
        return [
            (self._text.count("\n", 0, found.start(1)), found[1])
            for found in re.finditer(rf"^```{language}\n(.*?)^```", self._text, re.DOTALL | re.MULTILINE)
        ]

    def run(self) -> None:
        for line, block in self.blocks("python"):
            # The lines before it make a traceback name the line of the page.
            exec(compile("\n" * line + block, self._path, "exec"), self.names)

    @property
    def shapes(self) -> list[Any]:
        """What the page shows of the wire, in its order."""
        return [json.loads(block) for _, block in self.blocks("json")]

    @property
    def app(self) -> FastAPI:
        app = self.names["app"]
        assert isinstance(app, FastAPI)
        return app

    @property
    def socket(self) -> AuthXSocket:
        socket = self.names["socket"]
        assert isinstance(socket, AuthXSocket)
        return socket


Open: TypeAlias = Callable[[str], Page]
"""Runs the page of a name."""


@pytest.fixture
def page() -> Iterator[Open]:
    opened: list[Page] = []

    def run(name: str) -> Page:
        opened.append(Page(ROOT / name))
        opened[-1].run()
        return opened[-1]

    yield run
    for found in opened:
        # Annotations live on in typing's cache, and with them all that a page made.
        found.names.clear()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_block_runs(page: Open, path: Path) -> None:
    page(str(path.relative_to(ROOT)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / link).exists(), link


async def test_the_example_of_the_readme(page: Open) -> None:
    """Over a real server, as its reader would try it."""
    readme = page("README.md")
    token = readme.names["auth"].create_access_token

    async with (
        serving(readme.app) as base_url,
        wire.websocket(base_url) as alice,
        wire.polling(base_url) as bob,
        wire.websocket(base_url) as nobody,
    ):
        await alice.connect(auth={"token": token("alice", scopes=["chat:write"])})
        await bob.connect(auth={"token": token("bob")})

        assert await alice.emit("message", {"to": "bob", "text": "hi"}) == [{"devices": 1}]
        assert (await bob.receive_event("message")).args == [{"from": "alice", "text": "hi"}]
        (answer,) = await bob.emit("message", {"to": "alice", "text": "hi"})
        assert answer["error"]["code"] == "insufficient_scope"
        assert (await nobody.connect()).data["data"]["code"] == "missing_token"


# --- docs/handlers.md -------------------------------------------------------------------------------------


async def test_handlers_take_what_they_ask_for(page: Open) -> None:
    handlers = page("docs/handlers.md")
    async with SocketTestClient(handlers.app) as client:
        alice = await client.connect("alice")

        assert await alice.call("message", {"room": "lobby", "text": "hi"}) == {
            "sender": "alice",
            "length": 2,
        }
        assert await alice.call("move", 1, 2) == (1, 2)
        assert await alice.call("move", 1) == (1, 0)
        assert await alice.call("save", b"four") == 4


async def test_handlers_tell_their_failures(page: Open) -> None:
    handlers = page("docs/handlers.md")
    invalid, unknown, refused = handlers.shapes
    async with SocketTestClient(handlers.app) as client:
        alice = await client.connect("alice")

        denial = await alice.expect_denied("message", {"room": "lobby"})
        told = {"code": denial.code, "message": denial.message, "details": denial.details}
        assert {"error": told} == invalid
        await alice.emit("mesage")
        assert (await alice.receive("exception")).data == unknown
        refusal = await client.expect_refused("mallory")
        assert {"message": refusal.message, "data": refusal.data} == refused

        assert await alice.call("join", "hall") is None
        assert (await alice.expect_denied("join", "attic")).details == {"opens": "tomorrow"}
        cellar = await alice.expect_denied("join", "cellar")
        assert (cellar.code, cellar.message) == ("policy_denied", "The cellar is not for guests")
        assert (await alice.expect_denied("buy", 3)).details == {"left": 2}


async def test_the_table_of_statuses_is_true(page: Open) -> None:
    handlers = page("docs/handlers.md")
    text = (ROOT / "docs" / "handlers.md").read_text()
    table = {
        int(status): code for status, code in re.findall(r"^\|[^|]*\b(\d{3}) \| `(\w+)`", text, re.MULTILINE)
    }
    (otherwise,) = re.findall(r"^\| anything else \| `(\w+)`", text, re.MULTILINE)

    @handlers.socket.on("status")
    async def status(code: int) -> None:
        raise handlers.names["HTTPException"](code, "no")

    assert len(table) == 5
    async with SocketTestClient(handlers.app) as client:
        alice = await client.connect("alice")
        for code, expected in {**table, 500: otherwise}.items():
            assert (await alice.expect_denied("status", code)).code == expected


async def test_dependencies_are_those_of_http(page: Open) -> None:
    handlers = page("docs/handlers.md")
    async with SocketTestClient(handlers.app) as client:
        alice = await client.connect(
            "alice", headers={"Accept-Language": "fr", "Cookie": "theme=dark"}, query={"page": "2"}
        )
        reader = await client.connect("bob", namespace="/news")
        writer = await client.connect("carol", namespace="/news", scopes=["news:write"])

        assert await alice.call("note", "milk") is True
        (database,) = handlers.names["opened"]
        assert (database.saved, database.is_open) == (["milk"], False)
        assert await alice.call("settings") == {
            "language": "fr",
            "theme": "dark",
            "page": 2,
            "path": "/ws/socket.io/",
        }
        assert (await reader.expect_denied("publish", "extra")).code == "insufficient_scope"
        assert await writer.call("publish", "extra") == "carol"


async def test_connecting_and_leaving(page: Open) -> None:
    handlers = page("docs/handlers.md")
    async with SocketTestClient(handlers.app) as client:
        alice = await client.connect("alice")
        bob = await client.connect("bob")
        assert (await alice.receive("welcome")).data == {"user": "alice"}

        await bob.disconnect()

        assert (await alice.receive("left")).data == {"user": "bob"}


async def test_routers_and_classes_have_a_namespace_of_their_own(page: Open) -> None:
    handlers = page("docs/handlers.md")
    async with SocketTestClient(handlers.app) as client:
        alice = await client.connect("alice", namespace="/shop/orders")
        lobby = await alice.connect("/lobby")

        assert await alice.call("order", "tea") == "tea for alice"
        assert await lobby.call("greet", "bob") == "alice greets bob"


async def test_a_route_emits(page: Open) -> None:
    handlers = page("docs/handlers.md")
    transport = httpx.ASGITransport(handlers.app)
    async with (
        SocketTestClient(handlers.app) as client,
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as http,
    ):
        alice = await client.connect("alice")

        assert (await http.post("/notify/alice")).json() == 1
        assert (await alice.receive("notice")).data == {"text": "Your order is on its way"}
        assert (await http.post("/notify/bob")).json() == 0


# --- docs/audiences.md ------------------------------------------------------------------------------------


async def test_audiences_reach_whom_they_name(page: Open) -> None:
    audiences = page("docs/audiences.md")
    async with SocketTestClient(audiences.app) as client:
        alice = await client.connect("alice", roles=["member"])
        bob = await client.connect("bob", roles=["member"])
        carol = await client.connect("carol")

        assert await alice.call("tell", "bob", "hi") == 1
        assert (await bob.receive("told")).data == {"from": "alice", "text": "hi"}
        await alice.call("say", "hi")
        assert (await bob.receive("said")).args == ("alice", "hi")
        assert (await carol.receive("said")).args == ("alice", "hi")
        await carol.call("gossip", "who knows", "bob")
        assert (await alice.receive("gossip")).data == "who knows"
        for connection in (alice, bob, carol):
            await connection.nothing_received()


async def test_what_can_be_done_with_an_audience(page: Open) -> None:
    audiences = page("docs/audiences.md")
    (closing,) = audiences.shapes
    async with SocketTestClient(audiences.app) as client:
        alice = await client.connect("alice", headers={"User-Agent": "phone"})
        bob = await client.connect("bob")

        assert await alice.call("devices") == ["phone"]
        await alice.emit("ping everywhere")
        ping = await alice.receive("ping")
        assert ping.acknowledge is not None
        await ping.acknowledge("pong")
        await client.settle()

        assert await audiences.names["close_for_today"]() == 2
        for connection in (alice, bob):
            said = await connection.wait_closed()
            assert said is not None
            body = {"code": said.code, "message": said.message, "retry": said.retry}
            assert ["authx:closing", body] == closing


async def test_names_of_the_library_are_refused(page: Open) -> None:
    socket = page("docs/audiences.md").socket

    with pytest.raises(ReservedNameError):
        socket.to_room("authx:user:bob")
    with pytest.raises(ReservedNameError):
        await socket.everyone().emit("authx:closing")


# --- docs/guards.md ---------------------------------------------------------------------------------------


def told(denial: Any) -> Any:
    details = {} if denial.details is None else {"details": denial.details}
    return {"error": {"code": denial.code, "message": denial.message, **details}}


async def test_guards_let_through_whom_the_page_says(page: Open) -> None:
    guards = page("docs/guards.md")
    scope, limit, _ = guards.shapes
    async with SocketTestClient(guards.app) as client:
        alice = await client.connect("alice", scopes=["chat:*"], fresh=True, address="10.0.0.1")
        bob = await client.connect("bob")

        assert await alice.call("message", "hi") == 2
        assert told(await bob.expect_denied("message", "hi")) == scope
        assert await bob.call("search", "x") == ["x"]
        assert await bob.call("search", "x") == ["x"]
        limited = told(await bob.expect_denied("search", "x"))
        assert (
            0 < limited["error"]["details"].pop("retry_after") <= limit["error"]["details"].pop("retry_after")
        )
        assert limited == limit
        assert await alice.call("search", "x") == ["x"]
        assert await alice.call("change password", "secret") is None
        assert (await bob.expect_denied("change password", "secret")).code == "fresh_token_required"
        assert await alice.call("download", "song") == "song"
        assert (await bob.expect_denied("download", "song")).details == {"price": 5}
        assert await alice.call("print", "song") == "song"
        assert (await bob.expect_denied("print", "song")).code == "policy_denied"


async def test_guards_of_routers_and_classes_judge_the_connect(page: Open) -> None:
    guards = page("docs/guards.md")
    *_, refused = guards.shapes
    async with SocketTestClient(guards.app) as client:
        refusal = await client.expect_refused("alice", namespace="/admin")
        assert {"message": refusal.message, "data": refusal.data} == refused
        assert (
            await client.expect_refused("bob", namespace="/admin", roles=["admin"])
        ).code == "payment_required"
        alice = await client.connect("alice", namespace="/admin", roles=["admin"])
        assert await alice.call("kick", "bob") == "bob is out"

        assert (await client.expect_refused("bob", namespace="/club")).code == "insufficient_role"
        member = await client.connect("bob", namespace="/club", roles=["member"])
        assert await member.call("enter") == "welcome"
        assert (await member.expect_denied("close")).code == "insufficient_role"


async def test_an_event_without_a_guard_can_be_denied(page: Open) -> None:
    guards = page("docs/guards.md")
    async with SocketTestClient(guards.names["strict_app"]) as client:
        alice = await client.connect("alice", scopes=["chat:read"])

        assert (await alice.expect_denied("forgotten", "x")).code == "policy_denied"
        assert await alice.call("remembered", "x") == "x"


async def test_a_guard_that_got_lost_is_told(page: Open, caplog: pytest.LogCaptureFixture) -> None:
    guards = page("docs/guards.md")

    @guards.names["require_scope"]("lost:scope")
    def lost() -> None: ...

    with caplog.at_level(logging.ERROR):
        async with SocketTestClient(guards.app) as client:
            await client.connect("alice")

    assert "lost:scope" in caplog.text


# --- docs/validity.md -------------------------------------------------------------------------------------


async def test_the_page_about_how_long_a_connection_lasts(page: Open) -> None:
    validity = page("docs/validity.md")
    async with SocketTestClient(validity.app) as client:
        alice = await client.connect("alice", scopes=["chat:write"])
        assert alice.session["ttl"] == pytest.approx(900 + 5, abs=5)
        assert await alice.call("message", "hi") == "alice: hi"

        assert await validity.names["mute"]("alice") == 1
        assert (await alice.expect_denied("message", "hi")).code == "insufficient_scope"
        await alice.call("authx:refresh", {"token": client.token("alice", scopes=["chat:write"])})
        assert await alice.call("message", "hi") == "alice: hi"
        assert "alice goes on until" in validity.names["seen"][0]

        assert await validity.names["promote"]("alice") == 1
        boss = await client.connect("bob", namespace="/admin", roles=["admin"])
        assert await boss.call("greet", "carol") == "hello carol"
        await boss.emit("authx:refresh", {"token": client.token("bob")})
        closing = await boss.wait_closed()
        assert closing is not None
        assert (closing.code, closing.retry) == ("insufficient_role", False)


# --- docs/revocation.md -----------------------------------------------------------------------------------


async def test_the_page_about_ending_a_login(page: Open) -> None:
    revocation = page("docs/revocation.md")
    transport = httpx.ASGITransport(revocation.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:

        async def log_in() -> tuple[dict[str, str], dict[str, str]]:
            tokens = (await http.post("/login/alice")).json()
            access, refresh = ({"Authorization": f"Bearer {tokens[kind]}"} for kind in ("access", "refresh"))
            return access, refresh

        async def status(path: str, headers: dict[str, str]) -> int:
            return (await http.post(path, headers=headers)).status_code

        (here, refresh), (there, _) = await log_in(), await log_in()
        renewed = (await http.post("/refresh", headers=refresh)).json()["access"]
        claims = [
            revocation.names["auth"].verifier.own_claims(token)
            for token in (renewed, refresh["Authorization"].removeprefix("Bearer "))
        ]
        assert [claims[0][name] for name in ("iat", "session_id")] == [
            claims[1][name] for name in ("iat", "session_id")
        ]
        assert await status("/password", here) == 204
        assert await status("/password", there) == 401
        assert await status("/logout", refresh) == 204
        assert await status("/password", here) == 401
        assert await status("/logout", here) == 204
        assert revocation.names["log"] == ["alice", "somebody", "somebody"]

        auth = revocation.names["auth"]
        token = auth.create_access_token("bob")
        held = {"Authorization": f"Bearer {token}"}
        assert await status("/password", {"Authorization": "Bearer junk"}) == 422
        revocation.names["blocked"].add(auth.verifier.own_claims(token)["jti"])
        assert await status("/logout-everywhere", held) == 401
        revocation.names["blocked"].clear()
        assert await status("/logout-everywhere", held) == 204
        assert await status("/logout-everywhere", held) == 401

    other = revocation.names["other_auth"]
    ended = other.create_access_token("carol")
    await other.revoke_user("carol")
    assert await other.find_revoked([(ended, other.verifier.identity(ended))]) == [True]


# --- docs/protocol.md -------------------------------------------------------------------------------------


def test_the_table_of_codes_is_that_of_the_library() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    table = re.findall(r"^\| `(\w+)` \| (yes|no) \| ([\w ]+) \| .+ \|$", text, re.MULTILINE)
    explained = re.findall(r"^- \*\*([\w ]+)\*\*:", text, re.MULTILINE)

    assert [(code, retry == "yes") for code, retry, _ in table] == [
        (code, known.retry) for code, known in CODES.items()
    ]
    assert {does for _, _, does in table} == set(explained)


def test_the_recipes_go_to_the_login_where_the_table_says(page: Open) -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    (listed,) = re.findall(r"^const LOG_IN = (\[.*\]);", text, re.MULTILINE)
    told = set(re.findall(r"^\| `(\w+)` \| \w+ \| log in", text, re.MULTILINE))

    assert set(json.loads(listed)) == page("docs/protocol.md").names["LOG_IN"] == told


async def test_what_goes_over_the_wire_is_what_the_page_says(page: Open) -> None:
    """By the clock of the page, told to clients that hide nothing."""
    session, refused, expiring, refreshed, denied, by_request, closing, failed = page(
        "docs/protocol.md"
    ).shapes
    app, clock = FastAPI(), ManualClock(1_800_000_000)
    config = AuthXConfig(JWT_SECRET_KEY="k" * 64, JWT_TOKEN_LOCATION=["headers", "cookies"])
    auth = AuthX(config, clock=clock)
    socket = AuthXSocket(app, auth=auth)
    socket.on("known", lambda: None)

    def token() -> str:
        return auth.create_access_token("alice", scopes=["chat:write"], data={"roles": ["member"]})

    async with serving(app) as base_url, wire.websocket(base_url) as alice, wire.websocket(base_url) as late:
        old = token()
        await alice.connect({"token": old})
        name, told = (await alice.receive()).data
        assert isinstance(told.pop("key"), str)
        del session[1]["key"]
        assert [name, told] == session

        await alice.emit("mesage", ack=False)
        assert (await alice.receive()).data == failed
        assert await alice.emit("authx:refresh", {"token": "nonsense"}) == [denied]

        clock.advance(840)
        socket.sio.obey_clock()
        assert (await alice.receive()).data == expiring
        new = token()
        assert await alice.emit("authx:refresh", {"token": new}) == [refreshed]

        clock.advance(60)
        assert (await late.connect({"token": old})).data == refused
        async with httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
            cookie = {"Cookie": f"{config.JWT_ACCESS_COOKIE_NAME}={new}"}
            response = await http.post("/ws/refresh", json={"key": "of nobody"}, headers=cookie)
        assert (response.status_code, response.json()) == (403, by_request)

        await auth.revoke_token(new)
        assert (await alice.receive()).data == closing


# --- docs/testing.md --------------------------------------------------------------------------------------


def test_the_page_about_testing_is_a_test(tmp_path: Path) -> None:
    """As its reader would run it: the blocks in a file, by pytest, with the plugin."""
    blocks = [block for _, block in Page(ROOT / "docs" / "testing.md").blocks("python")]
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks))
    # With the settings of this project, warnings that are errors among them.
    options = ["-q", "-p", "pytest_authx", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            "--rootdir",
            str(tmp_path),
            str(tmp_path / "test_page.py"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    written = sum(block.count("async def test_") for block in blocks)
    assert f"{written} passed" in done.stdout
