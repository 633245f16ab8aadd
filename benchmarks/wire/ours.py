"""This project, as an app has it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.socket import CurrentIdentity, require_scope
from benchmarks.wire.contract import ROOM, SCOPE, SECRET, news


def create_app() -> Any:
    app = FastAPI()
    socket = AuthXSocket(app, auth=AuthX(AuthXConfig(JWT_SECRET_KEY=SECRET)), mount_location="")
    opened: set[str] = set()

    @socket.on("connect")
    async def connect(sid: str, me: CurrentIdentity) -> None:
        for room in me.claims["rooms"]:
            await socket.enter_room(sid, room)
        opened.add(sid)

    @socket.on("disconnect")
    async def disconnect(sid: str) -> None:
        opened.discard(sid)

    @socket.on("message")
    @require_scope(SCOPE)
    async def message(data: Any) -> Any:
        return data

    @socket.on("to_room")
    async def to_room(number: Any) -> Any:
        await socket.to_room(ROOM).emit("news", news(number))
        return number

    @socket.on("to_users")
    async def to_users(task: Any) -> Any:
        users, emits = task
        for number in range(emits):
            await socket.to_user(str(number % users)).emit("news", news(number))
            await asyncio.sleep(0)
        return emits

    @socket.on("open")
    async def count() -> int:
        return len(opened)

    return app
