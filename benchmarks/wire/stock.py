"""python-socketio beside FastAPI, with the login and the guard written by hand."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import socketio
from fastapi import FastAPI

from benchmarks.wire.contract import ROOM, SCOPE, SECRET, news


def verify(payload: Any) -> dict[str, Any]:
    try:
        return jwt.decode(payload["token"], SECRET, algorithms=["HS256"], options={"require": ["exp", "sub"]})
    except (jwt.InvalidTokenError, KeyError, TypeError) as error:
        raise socketio.exceptions.ConnectionRefusedError("unauthorized") from error


def create_app() -> Any:
    sio = socketio.AsyncServer(async_mode="asgi")
    opened: set[str] = set()

    async def connect(sid: str, environ: Any, payload: Any) -> None:
        claims = verify(payload)
        await sio.save_session(sid, {"user": claims["sub"], "claims": claims})
        for room in (f"user:{claims['sub']}", *claims["rooms"]):
            await sio.enter_room(sid, room)
        opened.add(sid)

    async def disconnect(sid: str, reason: str) -> None:
        opened.discard(sid)

    async def message(sid: str, data: Any) -> Any:
        claims = (await sio.get_session(sid))["claims"]
        if claims["exp"] < time.time() or SCOPE not in claims["scopes"]:
            return {"error": "forbidden"}
        return data

    async def to_room(sid: str, number: int) -> int:
        await sio.emit("news", news(number), to=ROOM)
        return number

    async def to_users(sid: str, task: list[int]) -> int:
        users, emits = task
        for number in range(emits):
            await sio.emit("news", news(number), to=f"user:{number % users}")
            await asyncio.sleep(0)
        return emits

    async def count(sid: str) -> int:
        return len(opened)

    sio.on("connect", connect)
    sio.on("disconnect", disconnect)
    sio.on("message", message)
    sio.on("to_room", to_room)
    sio.on("to_users", to_users)
    sio.on("open", count)
    return socketio.ASGIApp(sio, other_asgi_app=FastAPI())
