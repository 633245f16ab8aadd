"""A login for browsers: the token in a cookie no script can read, and a CSRF value beside it.

A page copies the cookie ``csrf_access_token`` into the header ``X-CSRF-TOKEN`` of all but GET requests.
"""

from secrets import token_hex

from fastapi import Depends, FastAPI, Response

from authx import AuthX, AuthXConfig, TokenPayload
from examples.login.people import Credentials, check

app = FastAPI()
auth = AuthX(
    AuthXConfig(
        JWT_SECRET_KEY=token_hex(32),
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_COOKIE_SAMESITE="strict",
    )
)
# A browser without activity for a while has to log in again; one that is used never does.
app.middleware("http")(auth.implicit_refresh_middleware)

notes: dict[str, list[str]] = {}


@app.post("/login", status_code=204)
def login(credentials: Credentials, response: Response) -> None:
    auth.set_access_cookies(auth.create_access_token(check(credentials).name), response)


@app.get("/notes")
async def read(token: TokenPayload = Depends(auth.access_token_required)) -> list[str]:
    return notes.get(token.sub, [])


@app.post("/notes", status_code=204)
async def write(text: str, token: TokenPayload = Depends(auth.access_token_required)) -> None:
    notes.setdefault(token.sub, []).append(text)


@app.post("/logout", status_code=204, dependencies=[Depends(auth.access_token_required)])
async def logout(response: Response) -> None:
    auth.unset_cookies(response)
