"""Implicit refresh: an access token in a cookie that ends soon is renewed along with the answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from authx.auth.facade import AuthX
from authx.auth.schema import TokenPayload
from authx.auth.sessions import InMemorySessionStore
from tests.auth.asking import asking, auth_of
from tests.auth.forge import NOW, Clock

SOON = timedelta(seconds=30)


def login(**settings: Any) -> AuthX[Any]:
    return auth_of(**{"JWT_TOKEN_LOCATION": ["cookies"], **settings})


def app_of(auth: AuthX[Any]) -> FastAPI:
    app = FastAPI()
    app.middleware("http")(auth.implicit_refresh_middleware)

    @app.api_route("/guarded", methods=["GET", "POST", "PUT"])
    async def guarded(payload: TokenPayload = Depends(auth.access_token_required)) -> str:
        return payload.sub

    @app.api_route("/open", methods=["GET", "POST", "PUT"])
    async def opened() -> None: ...

    @app.get("/missing")
    async def missing() -> None:
        raise HTTPException(404)

    @app.get("/logout")
    async def logout(response: Response) -> None:
        auth.unset_access_cookies(response)

    @app.get("/login")
    async def again(response: Response) -> None:
        auth.set_access_cookies(auth.create_access_token("bob"), response)

    return app


async def ask(
    auth: AuthX[Any], token: str, path: str = "/guarded", method: str = "GET", **how: Any
) -> tuple[int, str | None]:
    """The status, and the new token if there is one."""
    async with asking(app_of(auth), {"access_token_cookie": token}) as client:
        answer = await client.request(method, path, **how)
    return answer.status_code, answer.cookies.get("access_token_cookie")


async def test_a_token_that_ends_soon() -> None:
    """The user, the scopes, the audience and the app's own claims stay; the rest is as of a new token."""
    auth = login(JWT_DECODE_AUDIENCE="web")
    data = {"role": "x", "session_id": "s", "login_type": "admin"}
    token = auth.create_access_token(
        "ada", fresh=True, expiry=SOON, data=data, audience=["web", "app"], scopes=["a:*"]
    )
    status, renewed = await ask(auth, token)

    assert status == 200
    assert renewed
    old, new = auth.verifier.claims(token), auth.verifier.claims(renewed)
    assert new.pop("jti") != old["jti"]
    assert new.pop("csrf") != old["csrf"]
    assert new == {
        "sub": "ada",
        "type": "access",
        "fresh": False,
        "iat": NOW,
        "exp": NOW + 900,
        "aud": ["web", "app"],
        "scopes": ["a:*"],
        **data,
    }


async def test_a_login_s_own_type() -> None:
    """A login that has a type writes it by itself."""
    auth = auth_of(login_type="admin", JWT_TOKEN_LOCATION=["cookies"])
    _, renewed = await ask(auth, auth.create_access_token("ada", expiry=SOON))

    assert renewed
    assert auth.verifier.claims(renewed)["login_type"] == "admin"


@pytest.mark.parametrize(("left", "renews"), [(599.5, True), (600, False), (0.5, True), (0, False)])
async def test_how_soon(left: float, renews: bool) -> None:
    """A token is renewed within the time that is set, and not once it has ended."""
    auth = login()
    _, renewed = await ask(auth, auth.create_access_token("ada", expiry=timedelta(seconds=left)))

    assert bool(renewed) == renews


async def test_a_token_that_never_ends() -> None:
    """It is left alone."""
    auth = login(JWT_ACCESS_TOKEN_EXPIRES=None)

    assert await ask(auth, auth.create_access_token("ada")) == (200, None)


async def test_only_cookies() -> None:
    """A token that came in a header is the client's to renew."""
    auth = auth_of()

    assert await ask(auth, auth.create_access_token("ada", expiry=SOON), "/open") == (200, None)


async def test_a_revoked_token() -> None:
    """A revoked token is not renewed, not even where nobody asks for one."""
    auth = login()
    auth.set_token_blocklist(lambda _: True)
    token = auth.create_access_token("ada", expiry=SOON)

    assert await ask(auth, token) == (401, None)
    assert await ask(auth, token, "/open") == (200, None)


async def test_a_revoked_session() -> None:
    """Neither is a token whose session has ended."""
    auth = login(JWT_SESSION_TRACKING=True)
    auth.set_session_store(InMemorySessionStore())
    session = await auth.create_session("ada")
    token = auth.create_access_token("ada", expiry=SOON, session=session.session_id)
    assert (await ask(auth, token, "/open"))[1]

    await auth.revoke_session(session.session_id)
    assert await ask(auth, token, "/open") == (200, None)


@pytest.mark.parametrize(("path", "status"), [("/missing", 404), ("/nowhere", 404)])
async def test_errors_renew_nothing(path: str, status: int) -> None:
    """A request that failed is no sign of life."""
    auth = login()

    assert await ask(auth, auth.create_access_token("ada", expiry=SOON), path) == (status, None)


async def test_the_app_s_own_cookie_stays() -> None:
    """Who logs out is logged out, and who logs in is who they say."""
    auth = login()
    token = auth.create_access_token("ada", expiry=SOON)
    async with asking(app_of(auth), {"access_token_cookie": token}) as client:
        answer = await client.get("/logout")
        names = [cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")]
        assert names == ["access_token_cookie", "csrf_access_token"]
    status, renewed = await ask(auth, token, "/login")
    assert status == 200
    assert renewed
    assert auth.verifier.claims(renewed)["sub"] == "bob"


@pytest.mark.parametrize("token", ["x", ""])
async def test_what_is_no_token(token: str) -> None:
    """The answer stays as it is."""
    assert await ask(login(), token, "/open") == (200, None)


async def test_csrf() -> None:
    """Where the method demands the value, a cookie without it renews nothing."""
    auth = login()
    token = auth.create_access_token("ada", expiry=SOON)
    csrf = {"X-CSRF-TOKEN": auth.verifier.claims(token)["csrf"]}

    assert await ask(auth, token, "/open", "POST") == (200, None)
    assert (await ask(auth, token, "/open", "POST", headers=csrf))[1]


async def test_a_form_is_left_to_the_app() -> None:
    """A value in a form is not looked for once the app has read the form."""
    auth = login(JWT_CSRF_CHECK_FORM=True)
    token = auth.create_access_token("ada", expiry=SOON)
    form = {"csrf_token": auth.verifier.claims(token)["csrf"]}

    assert await ask(auth, token, "/guarded", "POST", data=form) == (200, None)


@pytest.mark.parametrize(
    ("settings", "method", "renews"),
    [
        ({"ROUTE_EXCLUDE": ["/open"]}, "GET", False),
        ({"ROUTE_EXCLUDE": ["/open"], "ROUTE_INCLUDE": ["/open"]}, "GET", False),
        ({"ROUTE_EXCLUDE": ["/op"]}, "GET", True),
        ({"METHOD_EXCLUDE": ["GET"]}, "GET", False),
        ({"METHOD_EXCLUDE": ["GET"], "ROUTE_INCLUDE": ["/open"]}, "GET", True),
        ({"METHOD_INCLUDE": ["GET"]}, "GET", True),
        ({"METHOD_INCLUDE": ["PUT"]}, "GET", True),
        ({"ROUTE_INCLUDE": ["/other"]}, "GET", True),
    ],
)
async def test_who_takes_part(settings: dict[str, list[str]], method: str, renews: bool) -> None:
    """What is left out is left out, what is named besides is not, and everything else takes part."""
    auth = login(**{f"JWT_IMPLICIT_REFRESH_{name}": value for name, value in settings.items()})
    _, renewed = await ask(auth, auth.create_access_token("ada", expiry=SOON), "/open", method)

    assert bool(renewed) == renews


async def test_the_request_is_handled_first() -> None:
    """The time that counts is when the answer is there, and only then is anything looked at."""
    clock = Clock()
    auth = auth_of(clock, JWT_TOKEN_LOCATION=["cookies"])
    token = auth.create_access_token("ada")

    async def answering(_request: Request) -> Response:
        clock.now += 800
        return Response()

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "server": ("app.test", 443),
        "query_string": b"",
        "headers": [(b"cookie", f"access_token_cookie={token}".encode())],
    }
    answer = await auth.implicit_refresh_middleware(Request(scope), answering)

    assert answer.headers.getlist("set-cookie")
