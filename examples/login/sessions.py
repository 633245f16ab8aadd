"""Where am I logged in? Each login is a session, and its tokens end with it."""

from secrets import token_hex

from fastapi import Depends, FastAPI, HTTPException, Request

from authx import AuthX, AuthXConfig, SessionInfo, TokenPayload
from authx.auth.sessions import InMemorySessionStore
from examples.login.people import Credentials, check

app = FastAPI()
auth = AuthX(AuthXConfig(JWT_SECRET_KEY=token_hex(32), JWT_SESSION_TRACKING=True))
auth.set_session_store(InMemorySessionStore())


@app.post("/login")
async def login(credentials: Credentials, request: Request) -> dict[str, str]:
    person = check(credentials)
    session = await auth.create_session(person.name, request)
    token = auth.create_access_token(person.name, session=session.session_id)
    return {"access_token": token, "session": session.session_id}


@app.get("/sessions")
async def sessions(token: TokenPayload = Depends(auth.access_token_required)) -> list[SessionInfo]:
    return await auth.list_sessions(token.sub)


@app.delete("/sessions/{session_id}", status_code=204)
async def end(session_id: str, token: TokenPayload = Depends(auth.access_token_required)) -> None:
    session = await auth.get_session(session_id)
    if session is None or session.uid != token.sub:
        raise HTTPException(404)
    await auth.revoke_session(session_id)


@app.delete("/sessions", status_code=204)
async def end_all(token: TokenPayload = Depends(auth.access_token_required)) -> None:
    await auth.revoke_all_sessions(token.sub)
