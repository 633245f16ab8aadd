"""Ten lines: log in with a password, come back with a token."""

from secrets import token_hex

from fastapi import Depends, FastAPI

from authx import AuthX, AuthXConfig, TokenPayload
from examples.login.people import Credentials, check

app = FastAPI()
# Yours comes from a safe place: with a new secret at each start everybody has to log in again.
auth = AuthX(AuthXConfig(JWT_SECRET_KEY=token_hex(32)))


@app.post("/login")
def login(credentials: Credentials) -> dict[str, str]:
    return {"access_token": auth.create_access_token(check(credentials).name)}


@app.get("/me")
async def me(token: TokenPayload = Depends(auth.access_token_required)) -> dict[str, str]:
    return {"user": token.sub}
