"""The seed's emitter: a process without a server."""

import os

import socketio

socketio.RedisManager(os.environ["REDIS_URL"], write_only=True).emit(
    "my event", data={"foo": "bar"}, room="my room"
)
