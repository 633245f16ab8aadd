"""One app, one login: cookies for the pages, and the same cookies for Socket.IO."""

import secrets
import time
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, BaseModel, StringConstraints

from authx import AuthX, AuthXConfig, AuthXSocket, TokenPayload
from authx.socket import CurrentIdentity, require_role, require_scope
from examples.chat.people import PEOPLE, Person, check_password

HERE = Path(__file__).parent
CLIENT = HERE.parents[1] / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js"

app = FastAPI(title="authx chat")
auth = AuthX(
    AuthXConfig(
        JWT_SECRET_KEY=secrets.token_urlsafe(32),
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(hours=8),
        # The example speaks plain http on the loopback, where a secure cookie would not be sent.
        # Behind https, leave this line out.
        JWT_COOKIE_SECURE=False,
    )
)
socket = AuthXSocket(app, auth=auth)


# --- pages and login --------------------------------------------------------------------------------------


class Login(BaseModel):
    user: str
    password: str


LoggedIn = Annotated[TokenPayload, Depends(auth.access_token_required)]


def set_cookies(person: Person, session: str, response: Response, **more: Any) -> None:
    token = auth.create_access_token(
        person.user,
        scopes=list(person.scopes),
        data={"roles": list(person.roles), "name": person.name, **more},
        session=session,
    )
    auth.set_access_cookies(token, response)


@app.post("/login", status_code=204)
async def login(form: Login, request: Request, response: Response) -> None:
    person = await run_in_threadpool(check_password, form.user, form.password)
    if person is None:
        raise HTTPException(401, "That name and password do not belong together.")
    session = await auth.create_session(person.user, request)
    set_cookies(person, session.session_id, response)


@app.post("/renew", status_code=204)
async def renew(token: LoggedIn, response: Response) -> None:
    # As old as the one it comes from: whoever is logged out everywhere meanwhile stays logged out.
    set_cookies(PEOPLE[token.sub], token.custom_claims["session_id"], response, iat=token.iat)


@app.post("/logout", status_code=204)
async def logout(request: Request, response: Response) -> None:
    await auth.logout(request, response)


@app.post("/logout-everywhere", status_code=204)
async def logout_everywhere(token: LoggedIn, response: Response) -> None:
    await auth.revoke_user(token.sub)
    auth.unset_cookies(response)


def page(name: str) -> FileResponse:
    # Nothing is loaded from anywhere else, and nobody else's page can frame it.
    policy = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'"}
    return FileResponse(HERE / "static" / name, headers=policy)


@app.get("/")
def chat_page() -> FileResponse:
    return page("chat.html")


@app.get("/login")
def login_page() -> FileResponse:
    return page("login.html")


@app.get("/socket.io.min.js")
def socket_io_client() -> FileResponse:
    return FileResponse(CLIENT)


app.mount("/static", StaticFiles(directory=HERE / "static"))


# --- the conversation -------------------------------------------------------------------------------------


def a_person(user: str) -> str:
    if user not in PEOPLE:
        raise ValueError("nobody has that name")
    return user


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
PersonName = Annotated[str, AfterValidator(a_person)]


class Message(BaseModel):
    id: Annotated[str, StringConstraints(max_length=64)]
    """Chosen by the page that sends it, which so knows its own message when it comes back."""
    to: PersonName
    text: Text


class Note(BaseModel):
    id: str
    sender: str
    to: str
    text: str
    sent_at: float


class Receipt(BaseModel):
    devices: int
    sent_at: float


class Contact(BaseModel):
    user: str
    name: str
    online: bool


class Device(BaseModel):
    browser: str
    connected_at: float
    current: bool


notes: deque[Note] = deque(maxlen=500)


@socket.on("connect")
async def connect(me: CurrentIdentity) -> None:
    await socket.emit("presence", {"user": me.user, "online": True})


@socket.on("disconnect")
async def disconnect(me: CurrentIdentity) -> None:
    await socket.emit("presence", {"user": me.user, "online": await is_online(me.user)})


@socket.on("message")
@require_scope("chat:write")
async def message(message: Message, me: CurrentIdentity) -> Receipt:
    note = Note(id=message.id, sender=me.user, to=message.to, text=message.text, sent_at=time.time())
    notes.append(note)
    delivery = await socket.to_user(note.to).emit("message", note)
    if note.to != note.sender:
        await socket.to_user(note.sender).emit("message", note)
    return Receipt(devices=delivery.devices, sent_at=note.sent_at)


@socket.on("announce")
@require_role("admin")
async def announce(text: Text, me: CurrentIdentity) -> None:
    await socket.emit("announcement", {"sender": me.user, "text": text})


@socket.on("history")
@require_scope("chat:read")
async def history(me: CurrentIdentity) -> list[Note]:
    return [note for note in notes if me.user in {note.sender, note.to}]


@socket.on("people")
@require_scope("chat:read")
async def people(me: CurrentIdentity) -> list[Contact]:
    return [
        Contact(user=person.user, name=person.name, online=await is_online(person.user))
        for person in PEOPLE.values()
        if person.user != me.user
    ]


@socket.on("devices")
async def devices(me: CurrentIdentity, sid: str) -> list[Device]:
    return [
        Device(browser=one.user_agent or "", connected_at=one.connected_at, current=one.sid == sid)
        for one in await socket.to_user(me.user).connections()
    ]


async def is_online(user: str) -> bool:
    return bool(await socket.to_user(user).connections())
