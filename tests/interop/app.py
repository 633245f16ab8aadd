"""The app that clients of others connect to."""

from fastapi import FastAPI
from pydantic import BaseModel

from authx import AuthX, AuthXConfig, AuthXSocket
from authx.socket import CurrentIdentity, require_scope

auth = AuthX(AuthXConfig(JWT_SECRET_KEY="k" * 32, JWT_TOKEN_LOCATION=["headers"]))


class Message(BaseModel):
    to: str
    text: str


class Receipt(BaseModel):
    devices: int


def create_app() -> FastAPI:
    app = FastAPI()
    socket = AuthXSocket(app, auth=auth)

    @socket.on("message")
    @require_scope("chat:write")
    async def message(data: Message, me: CurrentIdentity) -> Receipt:
        delivery = await socket.to_user(data.to).emit("message", {"from": me.user, "text": data.text})
        return Receipt(devices=delivery.devices)

    return app


def token(user: str, *scopes: str) -> str:
    return auth.create_access_token(user, scopes=list(scopes))
