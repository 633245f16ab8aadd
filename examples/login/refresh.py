"""Short access tokens, and refresh tokens that are good for one use each."""

from secrets import token_hex

from fastapi import Depends, FastAPI

from authx import AuthX, AuthXConfig, TokenPayload, TokenResponse
from examples.login.people import Credentials, check

app = FastAPI()
auth = AuthX(AuthXConfig(JWT_SECRET_KEY=token_hex(32)))

used: set[str | None] = set()
"""The ``jti`` of refresh tokens that were used. With several servers this belongs into a database."""


@auth.set_token_blocklist
def is_used(token: str) -> bool:
    return TokenPayload.decode(token, key="", verify=False).jti in used


@app.post("/login")
def login(credentials: Credentials) -> TokenResponse:
    return auth.create_token_pair(check(credentials).name, fresh=True)


@app.post("/refresh")
async def refresh(token: TokenPayload = Depends(auth.refresh_token_required)) -> TokenResponse:
    used.add(token.jti)
    return auth.create_token_pair(token.sub)


@app.get("/me")
async def me(token: TokenPayload = Depends(auth.access_token_required)) -> dict[str, str]:
    return {"user": token.sub}


@app.put("/password", status_code=204)
async def change_password(token: TokenPayload = Depends(auth.fresh_token_required)) -> None:
    """Asks for a token that comes from a login, not from a refresh."""
