"""Frames and payloads that a guided fuzzer makes up, sent to a whole server in the same process.

`make fuzz SECONDS=600`. It stops at the first input that raises out of the server, or that leaves something
behind in one of its tables.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["authx.socket", "socketio.packet", "engineio.payload"]):
    from authx import AuthX, AuthXConfig, AuthXSocket

from fastapi import FastAPI
from starlette.types import Message

from tests.support.tables import filled


class Target:
    """An app, and clients that come with what was made up."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.auth = AuthX(AuthXConfig(JWT_SECRET_KEY="k" * 32))
        self.socket = AuthXSocket(self.app, auth=self.auth, connect_timeout=1.0, max_in_flight=2)
        self.token = self.auth.create_access_token("alice", scopes=["a"])

        @self.socket.on("echo")
        async def echo(*arguments: Any) -> Any:
            return arguments

    def scope(self, kind: str, query: str, **more: Any) -> dict[str, Any]:
        return {
            "type": kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http" if kind == "http" else "ws",
            "path": "/ws/socket.io/",
            "raw_path": b"/ws/socket.io/",
            "root_path": "",
            "query_string": query.encode("utf-8", "replace"),
            "headers": [(b"host", b"app.test")],
            "client": ("192.0.2.1", 5),
            "server": ("app.test", 80),
            "subprotocols": [],
            **more,
        }

    async def websocket(self, frames: list[str | bytes]) -> None:
        """Connect, or begin to, send the frames and go."""
        coming: list[Message] = [{"type": "websocket.connect"}]
        coming += [
            {"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame}
            for frame in frames
        ]
        coming.append({"type": "websocket.disconnect", "code": 1006})
        messages = iter(coming)

        async def receive() -> Message:
            await asyncio.sleep(0)
            return next(messages)

        async def send(_: Message) -> None: ...

        await self.app(self.scope("websocket", "EIO=4&transport=websocket"), receive, send)

    async def post(self, body: bytes) -> None:
        """Open a polling transport, send a payload, and say goodbye."""
        answer = await self.request("GET", "EIO=4&transport=polling")
        sid = answer.split(b'"sid":"')[1].split(b'"')[0].decode()
        query = f"EIO=4&transport=polling&sid={sid}"
        await self.request("POST", query, body)
        await self.request("POST", query, b"1")

    async def request(self, method: str, query: str, body: bytes = b"") -> bytes:
        said: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message.get("body", b""))

        await self.app(self.scope("http", query, method=method), receive, send)
        return b"".join(said)

    async def run(self, data: bytes) -> None:
        made_up = atheris.FuzzedDataProvider(data)
        choice = made_up.ConsumeIntInRange(0, 2)
        if choice == 0:
            await self.post(made_up.ConsumeBytes(2_000))
        else:
            frames: list[str | bytes] = [f'40{{"token":"{self.token}"}}'] if choice == 1 else []
            for _ in range(made_up.ConsumeIntInRange(1, 8)):
                text = made_up.ConsumeUnicode(200)
                frames.append(text if made_up.ConsumeBool() else text.encode("utf-8", "surrogatepass"))
            await self.websocket(frames)
        await self.socket.sio.settle()
        left = {name: table for name, table in filled(self.socket).items() if name != "tasks"}
        if left:
            raise AssertionError(f"left behind: {sorted(left)}")


def main() -> None:
    """Run until the fuzzer is told to stop."""
    logging.disable(logging.CRITICAL)
    target = Target()
    runner = asyncio.Runner()

    def one_input(data: bytes) -> None:
        runner.run(target.run(data))

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
