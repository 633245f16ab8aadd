"""The first lines anybody wrote for AuthXSocket, as they stand."""

from fastapi import FastAPI

from authx import AuthXSocket

app = FastAPI()


@AuthXSocket.on("join")
async def handle_join(sid, *args, **kwargs):
    await AuthXSocket.emit("lobby", "User joined")


socket_manager = AuthXSocket(app=app)


@AuthXSocket.on("leave")
async def handle_leave(sid, *args, **kwargs):
    await AuthXSocket.emit("lobby", "User left")


@app.get("/rooms/{sid}")
async def rooms(sid: str) -> list[str]:
    return app.sio.rooms(sid)  # type: ignore[attr-defined,no-any-return] # the name apps know
