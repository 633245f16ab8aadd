"""Handlers keep their types, whatever registers them."""

from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, Security
from pydantic import BaseModel

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.auth.identity import Identity
from authx.socket import Connection, CurrentIdentity, SocketRouter

app = FastAPI()
auth = AuthX(AuthXConfig(JWT_SECRET_KEY="a secret of at least 32 characters"))
socket = AuthXSocket(app, auth=auth)
router = SocketRouter(namespace="/chat", dependencies=[Depends(lambda: None)])
admin = SocketRouter(namespace="/admin", allow_anonymous=True)


class Message(BaseModel):
    to: str
    text: str


class Receipt(BaseModel):
    devices: int


class Database:
    async def save(self, message: Message) -> int:
        return len(message.text)


def get_database() -> Database:
    return Database()


@socket.on("message")
async def message(
    data: Message, me: CurrentIdentity, database: Annotated[Database, Depends(get_database)]
) -> Receipt:
    assert_type(me, Identity)
    assert_type(me.user, str)
    assert_type(me.scopes, frozenset[str])
    assert_type(database, Database)
    return Receipt(devices=await database.save(data))


@socket.on("connect")
async def connect(
    connection: Connection, me: Identity | None, server: AuthXSocket, environ: dict[str, Any], auth: Any
) -> bool:
    assert_type(connection.identity, Identity | None)
    assert_type(connection.user, str | None)
    return me is not None


@socket.event
async def typing(sid: str, to: str) -> None: ...


@socket.event(namespace="/chat")
def read(sid: str, *notes: Any) -> int:
    return len(notes)


@router.on("message")
def answer(text: str, scopes: Annotated[list[str], Security(get_database, scopes=["chat:write"])]) -> str:
    return text


@router.event
async def leave(sid: str) -> None: ...


def save(sid: str, data: bytes) -> int:
    return len(data)


socket.on("save")(save)
socket.on("save", save, "/chat")


# What the decorators give back is the function.
assert_type(read("a", 1, 2), int)
assert_type(answer("a", ["b"]), str)
assert_type(save("a", b"b"), int)


async def called() -> None:
    assert_type(await message(Message(to="a", text="b"), identity(), Database()), Receipt)
    assert_type(await typing("a", "b"), None)
    assert_type(await leave("a"), None)
    assert_type(await on_the_class("a"), int)


def identity() -> Identity:
    return Identity("alice")


# On the class, where it means the one instance.
@AuthXSocket.on("leave")
async def on_the_class(sid: str) -> int:
    return len(sid)


class Full(Exception):
    seats: int


@socket.exception_handler(Full)
async def when_full(connection: Connection, error: Full) -> dict[str, int]:
    return {"seats": error.seats}


@router.exception_handler(Full, KeyError)
def when_lost(connection: Connection, error: Exception) -> dict[str, str]:
    return {"error": str(error)}


router.include_router(admin)
socket.include_router(router)

# --- what is wrong ----------------------------------------------------------------------------------------

socket.on()  # type: ignore[call-arg]
socket.on(message)  # type: ignore[arg-type]
socket.on("message")("not a function")  # type: ignore[type-var]
socket.on("message", namespace=1)  # type: ignore[arg-type]
socket.event("typing")  # type: ignore[call-overload]
socket.include_router(socket)  # type: ignore[arg-type]
SocketRouter("/chat", dependencies=[get_database])  # type: ignore[list-item]
answer("a", times=2)  # type: ignore[call-arg]
socket.exception_handler(Full())  # type: ignore[arg-type]


@socket.on("wrong")
async def wrong(me: CurrentIdentity) -> str:
    me.user = "mallory"  # type: ignore[misc]
    return me.email  # type: ignore[attr-defined,no-any-return]


@socket.on_refresh
async def refreshed(connection: Connection, me: CurrentIdentity) -> None:
    assert_type(me, Identity)
    assert_type(await socket.update_user(me.user, scopes=["chat:read"], roles=None), int)


@socket.on_refresh(namespace="/chat")
def refreshed_there(sid: str) -> None:
    assert_type(sid, str)


assert_type(refreshed_there("s"), None)
