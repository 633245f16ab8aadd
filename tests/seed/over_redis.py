"""The seed's app for several processes."""

import os

import socketio
from fastapi import FastAPI

from authx import AuthXSocket

app = FastAPI()
redis_manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"])
socket_manager = AuthXSocket(app=app, client_manager=redis_manager)


@socket_manager.on("join")
async def join(sid, room):
    await socket_manager.enter_room(sid, room)


@socket_manager.on("tell everybody")
async def tell_everybody(sid, data):
    await socket_manager.emit("told", data)
