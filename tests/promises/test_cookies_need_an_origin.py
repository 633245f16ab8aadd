"""Promise 3: a credential from a cookie counts only from an origin that is the app's own, or was named."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from authx import AuthX, AuthXSocket
from tests.support import wire
from tests.support.logins import cookie_header, csrf_of, login
from tests.support.server import serving
from tests.support.wire import Opener

EVIL = "https://evil.test"
SPA = "https://spa.test"
OWN, SAFE_OWN = object(), object()

opened = pytest.mark.parametrize("opened", wire.OPENERS)


async def answer(
    opened: Opener,
    app: FastAPI,
    auth: AuthX,
    origin: Any,
    *,
    csrf: bool = True,
    in_header: bool = False,
    headers: dict[str, str] | None = None,
) -> str:
    """What a browser hears that holds alice's cookie, from a page of `origin`: "in", or the code."""
    token = auth.create_access_token("alice")
    sent = {**cookie_header(auth, token), **(headers or {})}
    async with serving(app) as url:
        if origin is not None:
            own = {OWN: url, SAFE_OWN: url.replace("http:", "https:")}
            sent["Origin"] = own.get(origin, origin)
        if csrf and in_header:
            sent[auth.config.JWT_ACCESS_CSRF_HEADER_NAME] = csrf_of(auth, token)
        async with opened(url, headers=sent) as client:
            payload = {"csrf_token": csrf_of(auth, token)} if csrf and not in_header else None
            packet = await client.connect(payload)
            return "in" if packet.type is wire.PacketType.CONNECT else packet.data["data"]["code"]


@opened
@pytest.mark.parametrize(
    ("origin", "csrf", "expected"),
    [
        (OWN, True, "in"),
        (OWN, False, "csrf_failed"),
        (None, True, "in"),
        (None, False, "csrf_failed"),
        (EVIL, True, "origin_not_allowed"),
        (EVIL, False, "origin_not_allowed"),
        ("null", True, "origin_not_allowed"),
    ],
)
@pytest.mark.parametrize("in_header", [False, True])
async def test_by_default_the_app_itself_and_nobody_else(
    opened: Opener, origin: Any, csrf: bool, in_header: bool, expected: str
) -> None:
    app, auth = FastAPI(), login("cookies")
    AuthXSocket(app, auth=auth)

    assert await answer(opened, app, auth, origin, csrf=csrf, in_header=in_header) == expected


@opened
@pytest.mark.parametrize("allowed", ["*", ["*"], [EVIL, "*"]])
async def test_a_wildcard_never_lets_cookies_in(opened: Opener, allowed: Any) -> None:
    app, auth = FastAPI(), login("cookies")
    AuthXSocket(app, auth=auth, cors_allowed_origins=allowed)

    expected = "in" if EVIL in allowed else "origin_not_allowed"
    assert await answer(opened, app, auth, EVIL) == expected
    assert await answer(opened, app, auth, SPA) == "origin_not_allowed"


@pytest.mark.parametrize(
    ("options", "spa", "evil"),
    [
        ({"allow_origins": [SPA], "allow_credentials": True}, "in", "origin_not_allowed"),
        ({"allow_origins": [SPA]}, "origin_not_allowed", "origin_not_allowed"),
        ({"allow_origins": ["*"], "allow_credentials": True}, "origin_not_allowed", "origin_not_allowed"),
        ({"allow_origin_regex": r"https://spa\..*", "allow_credentials": True}, "in", "origin_not_allowed"),
        ({"allow_origin_regex": ".*", "allow_credentials": True}, "origin_not_allowed", "origin_not_allowed"),
    ],
)
async def test_the_apps_cors_middleware_names_origins_whenever_it_was_added(
    options: dict[str, Any], spa: str, evil: str
) -> None:
    app, auth = FastAPI(), login("cookies")
    AuthXSocket(app, auth=auth)
    app.add_middleware(CORSMiddleware, **options)

    assert await answer(wire.websocket, app, auth, SPA) == spa
    assert await answer(wire.websocket, app, auth, EVIL) == evil


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_plain_get_of_a_foreign_page_is_known_without_an_origin(site: str) -> None:
    app, auth = FastAPI(), login("cookies", JWT_COOKIE_CSRF_PROTECT=False)
    AuthXSocket(app, auth=auth)

    headers = {"Sec-Fetch-Site": site}
    assert await answer(wire.polling, app, auth, None, csrf=False, headers=headers) == "origin_not_allowed"
    assert await answer(wire.polling, app, auth, None, csrf=False) == "in"


async def test_behind_a_proxy_that_ends_tls_the_safe_origin_is_the_apps_own() -> None:
    app, auth = FastAPI(), login("cookies")
    AuthXSocket(app, auth=auth)
    proxied = {"X-Forwarded-Proto": "https"}

    assert await answer(wire.websocket, app, auth, SAFE_OWN, headers=proxied) == "in"
    assert await answer(wire.websocket, app, auth, SAFE_OWN) == "origin_not_allowed"
    assert await answer(wire.websocket, app, auth, EVIL, headers=proxied) == "origin_not_allowed"


async def test_a_page_cannot_name_itself_the_apps_own() -> None:
    """Where CORS allows any header, a page may send X-Forwarded-Host with its victim's cookies."""
    app, auth = FastAPI(), login("cookies", JWT_COOKIE_CSRF_PROTECT=False)
    AuthXSocket(app, auth=auth)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_headers=["*"])
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}

    for opened in wire.OPENERS:
        assert await answer(opened, app, auth, EVIL, csrf=False, headers=forged) == "origin_not_allowed"
