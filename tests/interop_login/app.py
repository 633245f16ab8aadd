"""An app with a login, as it is written for AuthX 1.7.1. Served as it stands by both.

Below the name of each entry of the JSON file named by ``INTEROP_SETTINGS`` there is one app on its settings.
Revoked tokens are files in the folder named by ``INTEROP_REVOKED``, so that all servers know of them.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response

import authx
from authx import AuthX, AuthXConfig, TokenPayload

REVOKED = Path(os.environ["INTEROP_REVOKED"])


def revocation(token: str) -> Path:
    return REVOKED / hashlib.sha256(token.encode()).hexdigest()


def build(settings: dict[str, Any]) -> FastAPI:
    app = FastAPI()
    auth = AuthX(config=AuthXConfig(**settings))
    auth.handle_errors(app)
    auth.set_token_blocklist(lambda token, **_: revocation(token).exists())
    may_read, may_all = auth.scopes_required("posts:read"), auth.scopes_required("admin")

    @app.post("/login")
    async def login(uid: str, response: Response) -> dict[str, str]:
        pair = auth.create_token_pair(
            uid, fresh=True, data={"role": "editor"}, access_scopes=["posts:*"], refresh_scopes=["posts:*"]
        )
        auth.set_access_cookies(pair.access_token, response)
        auth.set_refresh_cookies(pair.refresh_token, response)
        return {"access_token": pair.access_token, "refresh_token": pair.refresh_token}

    @app.post("/refresh")
    async def refresh(
        response: Response, payload: TokenPayload = Depends(auth.refresh_token_required)
    ) -> dict[str, str]:
        token = auth.create_access_token(payload.sub, scopes=payload.scopes)
        auth.set_access_cookies(token, response)
        return {"access_token": token}

    @app.post("/logout", dependencies=[Depends(auth.access_token_required)])
    async def logout(request: Request, response: Response) -> dict[str, str]:
        found = await auth.get_access_token_from_request(request)
        revocation(found.token).touch()
        auth.unset_cookies(response)
        return {}

    def about(payload: TokenPayload) -> dict[str, Any]:
        return {"sub": payload.sub, "scopes": payload.scopes, "role": getattr(payload, "role", None)}

    @app.api_route("/me", methods=["GET", "POST"])
    async def me(payload: TokenPayload = Depends(auth.access_token_required)) -> dict[str, Any]:
        return about(payload)

    @app.get("/fresh")
    async def fresh(payload: TokenPayload = Depends(auth.fresh_token_required)) -> dict[str, Any]:
        return about(payload)

    @app.get("/posts")
    async def posts(payload: TokenPayload = Depends(may_read)) -> dict[str, Any]:
        return about(payload)

    @app.get("/admin")
    async def admin(payload: TokenPayload = Depends(may_all)) -> dict[str, Any]:
        return about(payload)

    return app


def served() -> FastAPI:
    app = FastAPI()

    @app.get("/version")
    async def version() -> str:
        return authx.__version__

    for name, settings in json.loads(Path(os.environ["INTEROP_SETTINGS"]).read_text()).items():
        app.mount(f"/{name}", build(settings))
    return app
