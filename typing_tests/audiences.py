"""Audiences: what an emit, a call and a list give."""

from typing import Any, Literal, assert_type

from fastapi import FastAPI

from authx import AuthXSocket
from authx.socket import Audience, ConnectionInfo, Delivery, Reply, SocketDep

app = FastAPI()
socket = AuthXSocket(app)


async def of_everybody() -> None:
    everyone = socket.everyone().in_namespace("/chat").except_sid("a", "b").except_user("mallory")
    assert_type(everyone, Audience)
    assert_type(await everyone.emit("news", {"a": 1}, b"bytes", None), Delivery)
    assert_type(await everyone.disconnect(code="maintenance", retry=True), int)


async def of_some() -> None:
    assert_type(socket.to_user("alice", "bob"), Audience)
    assert_type(socket.to_role("admin"), Audience)
    assert_type(socket.to_session("s"), Audience)
    assert_type(socket.to_room("lobby"), Audience)
    delivery = await socket.to_user("alice").emit("news")
    assert_type(delivery.devices, int)
    assert_type(delivery.nodes, int)
    assert_type(delivery.complete, bool)
    replies = await socket.to_user("alice").call("are you there", timeout=5)
    assert_type(replies, list[Reply])
    assert_type(replies[0].outcome, Literal["answered", "timeout", "left"])
    assert_type(replies[0].values, tuple[Any, ...])
    infos = await socket.to_user("alice").connections()
    assert_type(infos, list[ConnectionInfo])
    assert_type(infos[0].user, str | None)


async def on_the_class() -> None:
    assert_type(await AuthXSocket.to_user("alice").emit("news"), Delivery)
    assert_type(AuthXSocket.rooms("a"), list[Any])


@app.post("/notify/{user}")
async def notify(user: str, socket: SocketDep) -> int:
    assert_type(socket, AuthXSocket)
    return (await socket.to_user(user).emit("notice")).devices


# --- what is wrong ----------------------------------------------------------------------------------------


async def wrong() -> None:
    socket.to_user(42)  # type: ignore[arg-type]
    socket.to_user(["alice", "bob"])  # type: ignore[arg-type]
    socket.everyone("alice")  # type: ignore[call-arg]
    socket.to_user("alice").devices  # type: ignore[attr-defined]
    await socket.to_user("alice").emit()  # type: ignore[call-arg]
    await socket.to_user("alice").disconnect("maintenance")  # type: ignore[call-arg]
    await socket.to_user("alice").call("news", deadline=5)  # type: ignore[call-arg]
    delivery = await socket.to_user("alice").emit("news")
    delivery.devices = 5  # type: ignore[misc]
