"""The price of an event that is guarded, injected and validated, beside a handler that does it by hand."""

from __future__ import annotations

import asyncio
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Annotated, Any

import socketio
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ValidationError

from authx import AuthX, AuthXConfig, AuthXSocket, __version__
from authx.socket import CurrentIdentity, require_scope
from authx.socket.packets import Packet

BARE, BY_HAND = "python-socketio, no checks", "python-socketio, by hand"
OUR_PACKETS = "python-socketio, by hand, with authx's packets"
AUTHX = "authx"
LEVELS = ("authx, 1 Depends", "authx, 2 Depends", "authx, 3 Depends")
CACHED = "authx, 1 Depends asked for 3 times"
CONTESTANTS = (BARE, BY_HAND, OUR_PACKETS, AUTHX, *LEVELS, CACHED)

LIBRARIES = ("python-socketio", "python-engineio", "fastapi", "pydantic")

ROUNDS = 41
TURN = 0.03
"""Seconds that one contestant works before it is the next one's turn."""
BURST = 16
"""Events on their way at a time."""

PATH, WHOLE = "event path", "whole server"


class Message(BaseModel):
    to: str
    text: str


class Receipt(BaseModel):
    devices: int
    sender: str


# --- the contestants --------------------------------------------------------------------------------------


def plain_server(*, checks: bool, **options: Any) -> tuple[Any, Any, str]:
    """python-socketio with a login, and a handler that does what ours does for it, or nothing of it."""
    auth = make_auth()
    sio = socketio.AsyncServer(async_mode="asgi", **options)

    async def connect(sid: str, environ: Any, payload: Any) -> None:
        identity = auth.verifier.identity(payload["token"])
        await sio.save_session(sid, {"user": identity.user, "scopes": identity.scopes})

    async def by_hand(sid: str, data: Any) -> Any:
        session = await sio.get_session(sid)
        if "chat:write" not in session["scopes"]:
            return {"error": {"code": "insufficient_scope", "message": "The token lacks a required scope"}}
        try:
            message = Message.model_validate(data)
        except ValidationError as error:
            return {"error": {"code": "validation_error", "message": "Not valid", "details": error.errors()}}
        return Receipt(devices=len(message.to), sender=session["user"]).model_dump()

    async def bare(sid: str, data: Any) -> Any:
        return {"devices": len(data["to"]), "sender": sid}

    sio.on("connect", connect)
    sio.on("message", by_hand if checks else bare)
    app = FastAPI()
    app.mount("/", socketio.ASGIApp(sio))
    return app, sio, auth.create_access_token("alice", scopes=["chat:read", "chat:write"])


def authx_server(handler: Callable[..., Any]) -> tuple[Any, Any, str]:
    app = FastAPI()
    auth = make_auth()
    socket = AuthXSocket(app, auth=auth, mount_location="/")
    socket.on("message")(require_scope("chat:write")(handler))
    return app, socket.sio, auth.create_access_token("alice", scopes=["chat:read", "chat:write"])


def make_auth() -> AuthX:
    return AuthX(
        AuthXConfig(JWT_SECRET_KEY="a secret of the usual length, 64 hexadecimal digits or so, or so")
    )


async def plain(data: Message, me: CurrentIdentity) -> Receipt:
    return Receipt(devices=len(data.to), sender=me.user)


async def first() -> int:
    return 1


async def second(below: Annotated[int, Depends(first)]) -> int:
    return below + 1


async def third(below: Annotated[int, Depends(second)]) -> int:
    return below + 1


async def one_level(data: Message, me: CurrentIdentity, level: Annotated[int, Depends(first)]) -> Receipt:
    return Receipt(devices=len(data.to), sender=me.user)


async def two_levels(data: Message, me: CurrentIdentity, level: Annotated[int, Depends(second)]) -> Receipt:
    return Receipt(devices=len(data.to), sender=me.user)


async def three_levels(data: Message, me: CurrentIdentity, level: Annotated[int, Depends(third)]) -> Receipt:
    return Receipt(devices=len(data.to), sender=me.user)


async def cached(
    data: Message,
    me: CurrentIdentity,
    level: Annotated[int, Depends(first)],
    again: Annotated[int, Depends(first)],
    once_more: Annotated[int, Depends(first)],
) -> Receipt:
    return Receipt(devices=len(data.to), sender=me.user)


def contestants() -> dict[str, tuple[Any, Any, str]]:
    return {
        BARE: plain_server(checks=False),
        BY_HAND: plain_server(checks=True),
        OUR_PACKETS: plain_server(checks=True, serializer=Packet),
        AUTHX: authx_server(plain),
        LEVELS[0]: authx_server(one_level),
        LEVELS[1]: authx_server(two_levels),
        LEVELS[2]: authx_server(three_levels),
        CACHED: authx_server(cached),
    }


# --- a client without a network ---------------------------------------------------------------------------


class Line:
    """A websocket to an app in this process; it counts what comes back."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._awaited = 0
        self._there = asyncio.get_running_loop().create_future()
        self.last = ""
        self._task: asyncio.Task[None] | None = None

    async def open(self, token: str) -> None:
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": "/socket.io/",
            "raw_path": b"/socket.io/",
            "root_path": "",
            "query_string": b"EIO=4&transport=websocket",
            "headers": [(b"host", b"bench"), (b"connection", b"upgrade"), (b"upgrade", b"websocket")],
            "client": ("127.0.0.1", 1),
            "server": ("bench", 80),
            "subprotocols": [],
        }
        self._task = asyncio.create_task(self._app(scope, self._inbox.get, self._send))
        await self.ask([{"type": "websocket.connect"}], answers=2)
        await self.ask([frame(f'40{{"token":"{token}"}}')], answers=1)
        # A socket of ours says who it takes the client for, too.
        await asyncio.sleep(0.05)

    async def ask(self, messages: list[dict[str, Any]], *, answers: int) -> None:
        self.expect(answers)
        for message in messages:
            self._inbox.put_nowait(message)
        await self._there

    def expect(self, answers: int) -> None:
        self._awaited = answers
        self._there = asyncio.get_running_loop().create_future()

    async def arrived(self) -> None:
        await self._there

    def count(self) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            self._there.set_result(None)

    async def _send(self, message: Any) -> None:
        self.last = message.get("text", "")
        self.count()

    async def close(self) -> None:
        assert self._task is not None
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self._task


def frame(text: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": text}


EVENT = '42{number}["message",{{"to":"bob","text":"hello there, how are you doing today?"}}]'
EVENTS = [EVENT.format(number=number) for number in range(BURST)]

Run = Callable[[int], Awaitable[float]]
"""Sends so many bursts, and gives the seconds of CPU time until all are answered."""


async def whole_server(server: tuple[Any, Any, str]) -> Run:
    """From a websocket frame in to a websocket frame out, Engine.IO and all."""
    app, _, token = server
    line = Line(app)
    await line.open(token)
    frames = [frame(event) for event in EVENTS]
    await line.ask(frames, answers=BURST)
    check(line.last)

    async def run(bursts: int) -> float:
        begin = time.process_time_ns()
        for _ in range(bursts):
            await line.ask(frames, answers=BURST)
        return (time.process_time_ns() - begin) / 1e9

    return run


async def event_path(server: tuple[Any, Any, str]) -> Run:
    """From the text of a Socket.IO packet to the text of its acknowledgement, without Engine.IO."""
    app, sio, token = server
    line = Line(app)
    await line.open(token)
    [transport] = sio.eio.sockets
    receive = sio.eio.handlers["message"]
    packets = [event.removeprefix("4") for event in EVENTS]
    answers: list[str] = []

    async def send(_: str, data: Any) -> None:
        answers.append(data)
        line.count()

    sio.eio.send = send

    async def run(bursts: int) -> float:
        begin = time.process_time_ns()
        for _ in range(bursts):
            line.expect(BURST)
            for packet in packets:
                await receive(transport, packet)
            await line.arrived()
        taken = (time.process_time_ns() - begin) / 1e9
        check("4" + answers[-1])
        answers.clear()
        return taken

    return run


def check(answer: str) -> None:
    if not answer.startswith("43") or '"devices":3' not in answer:
        raise RuntimeError(f"not the answer of a handler: {answer}")


# --- measuring --------------------------------------------------------------------------------------------


def main() -> None:
    asyncio.run(measure())


async def measure() -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    print(f"Python {platform.python_version()}, {libraries}, authx {__version__}.")
    print(f"Medians of {ROUNDS} interleaved rounds, one thread, CPU time.\n")
    for level, prepare in ((PATH, event_path), (WHOLE, whole_server)):
        runs = {name: await prepare(server) for name, server in contestants().items()}
        print_table(level, await interleaved(runs))


async def interleaved(runs: dict[str, Run]) -> dict[str, list[float]]:
    """Seconds for one event, by contestant and round."""
    bursts = {}
    for name, run in runs.items():
        await run(100)
        bursts[name] = max(1, round(TURN * 50 / await run(50)))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(ROUNDS):
        # There and back, so that nobody always comes after the same one.
        for name in list(runs)[:: 1 if round_ % 2 else -1]:
            seconds[name].append(await runs[name](bursts[name]) / bursts[name] / BURST)
    return seconds


def print_table(level: str, seconds: dict[str, list[float]]) -> None:
    median = {name: statistics.median(measured) for name, measured in seconds.items()}
    print(f"| {level} | us an event | by hand = 1 | us more than authx |")
    print("| --- | ---: | ---: | ---: |")
    for name in CONTESTANTS:
        # Ratios and differences within a round, for the machine's speed drifts between rounds.
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds[BY_HAND], strict=True))
        more = statistics.median(a - b for a, b in zip(seconds[name], seconds[AUTHX], strict=True))
        extra = f"{more * 1e6:.1f}" if name.startswith("authx,") else ""
        print(f"| {name} | {median[name] * 1e6:.1f} | {ratio:.2f} | {extra} |")
    print()
