"""Whatever a user is called, a browser brings back the cookies that were set."""

from __future__ import annotations

import asyncio

import httpx
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.facade import AuthX
from authx.auth.schema import TokenPayload
from tests.auth.forge import SECRET

URL = "https://example.test/"


def browser(response: Response) -> httpx.Cookies:
    """The cookies that a client keeps of a response, by the rules of the standard library."""
    jar = httpx.Cookies()
    headers = [("set-cookie", value) for value in response.headers.getlist("set-cookie")]
    jar.extract_cookies(httpx.Response(200, headers=headers, request=httpx.Request("GET", URL)))
    return jar


def sent(jar: httpx.Cookies, csrf: str) -> Request:
    """The next request of that client, as a server sees it."""
    request = httpx.Request("POST", URL, cookies=jar, headers={"X-CSRF-TOKEN": csrf})
    headers = [(name.lower(), value) for name, value in request.headers.raw]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers})


@given(uid=st.text(), role=st.text())
@example(uid="a;b=c; Path=/x, d", role='"\\\r\n\0')
@example(uid="", role="Łódź 🐍 \u202e\uffff")
def test_there_and_back(uid: str, role: str) -> None:
    """User and claims come back as they were, with the CSRF value of the readable cookie."""
    config = AuthXConfig(JWT_SECRET_KEY=SECRET, JWT_TOKEN_LOCATION=["cookies"])
    auth = AuthX(config)
    response = Response()
    auth.set_access_cookies(auth.create_access_token(uid, data={"role": role}), response)
    auth.set_refresh_cookies(auth.create_refresh_token(uid), response)
    jar = browser(response)

    async def back() -> tuple[TokenPayload, TokenPayload]:
        access = await auth.get_access_token_from_request(sent(jar, jar["csrf_access_token"]))
        refresh = await auth.get_refresh_token_from_request(sent(jar, jar["csrf_refresh_token"]))
        return auth.verify_token(access), auth.verify_token(refresh)

    access, refresh = asyncio.run(back())
    assert (access.sub, access.custom_claims) == (uid, {"role": role})
    assert (refresh.sub, refresh.type) == (uid, "refresh")
