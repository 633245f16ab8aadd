"""What a token permits: scopes, with ``posts:*`` for all that is under ``posts``."""

from secrets import token_hex

from fastapi import Depends, FastAPI

from authx import AuthX, AuthXConfig, TokenPayload
from examples.login.people import Credentials, check

app = FastAPI()
auth = AuthX(AuthXConfig(JWT_SECRET_KEY=token_hex(32)))

posts: dict[int, str] = {}


@app.post("/login")
def login(credentials: Credentials) -> dict[str, str]:
    person = check(credentials)
    return {"access_token": auth.create_access_token(person.name, scopes=person.scopes)}


@app.get("/posts/{number}", dependencies=[Depends(auth.scopes_required("posts:read"))])
async def read(number: int) -> str | None:
    return posts.get(number)


@app.put("/posts/{number}", status_code=204, dependencies=[Depends(auth.scopes_required("posts:write"))])
async def write(number: int, text: str) -> None:
    posts[number] = text


@app.get("/rights")
async def rights(token: TokenPayload = Depends(auth.access_token_required)) -> dict[str, bool]:
    """A token can be asked, too."""
    return {right: token.has_scopes(right) for right in ("posts:read", "posts:write", "users:ban")}
