"""The places of a request where a token may be."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.websockets import WebSocket

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import BadConfigurationError, MissingTokenError
from authx.auth.locations import find_token, find_websocket_token
from authx.auth.types import TokenLocation, TokenType
from tests.auth.asking import asking, request

EVERYWHERE: list[TokenLocation] = ["headers", "cookies", "json", "query"]
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def config(*places: TokenLocation, **settings: Any) -> AuthXConfig:
    return AuthXConfig(JWT_TOKEN_LOCATION=places or EVERYWHERE, **settings)


async def found(asked: Request, settings: AuthXConfig | None = None, **how: Any) -> str | None:
    try:
        return (await find_token(asked, settings or config(), **how)).token
    except MissingTokenError:
        return None


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer t", "t"),
        ("bearer t", "t"),
        ("BEARER  t ", "t"),
        ("t", "t"),
        ("Bearer", "Bearer"),
        ("Bearer ", ""),
        ("Bearer Bearer t", "Bearer t"),
        ("t Bearer ", "t Bearer "),
        ("Basic dTpw", "Basic dTpw"),
        ("", ""),
    ],
)
async def test_header(value: str, token: str) -> None:
    """The scheme, in any case, is taken from the start; without it the header is used as it is."""
    assert await found(request(headers={"Authorization": value})) == token


@pytest.mark.parametrize("scheme", ["", None])
async def test_header_without_a_scheme(scheme: str | None) -> None:
    """An app may have a header of its own, and no scheme in it."""
    settings = config(JWT_HEADER_NAME="X-Auth")
    settings.JWT_HEADER_TYPE = scheme  # type: ignore[assignment]

    assert await found(request(headers={"X-AUTH": "Bearer t"}), settings) == "Bearer t"
    assert await found(request(headers={"Authorization": "Bearer t"}), settings) is None


async def test_query() -> None:
    """A parameter that is there is a token, even an empty one."""
    assert await found(request(query="token=t")) == "t"
    assert await found(request(query="token=")) == ""
    assert await found(request(query="tok=t")) is None


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"]
)
async def test_json(content_type: str) -> None:
    """JSON is JSON in whatever charset, and in a request of any method."""
    headers = {"content-type": content_type}

    assert await found(request("GET", headers, body=b'{"access_token": "t"}')) == "t"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b'{"access_token": "t"}'),
        ({"content-type": "text/plain"}, b'{"access_token": "t"}'),
        ({"content-type": "application/json-seq"}, b'{"access_token": "t"}'),
        (JSON, b""),
        (JSON, b"{"),
        (JSON, b"\xff"),
        (JSON, b"[" * 200_000),
        (JSON, b'["access_token"]'),
        (JSON, b'{"access_token": 5}'),
        (JSON, b'{"access_token": null}'),
        (JSON, b'{"refresh_token": "t"}'),
    ],
)
async def test_json_without_a_token(headers: dict[str, str], body: bytes) -> None:
    """What is no object in JSON, or has no string there, has no token."""
    assert await found(request("POST", headers, body=body)) is None


async def test_the_body_can_be_read_again() -> None:
    """Looking for a token in the body does not use it up."""
    asked = request("POST", JSON, body=b'{"access_token": "t"}')

    assert await found(asked) == "t"
    assert await asked.json() == {"access_token": "t"}


@pytest.mark.parametrize("kind", ["access", "refresh"])
@pytest.mark.parametrize("location", EVERYWHERE)
async def test_every_place_knows_what_is_wanted(location: TokenLocation, kind: TokenType) -> None:
    """A token is wanted for what was asked for, wherever it is found."""
    asked = request(
        "GET",
        {"Authorization": "Bearer t", "cookie": "access_token_cookie=t; refresh_token_cookie=t", **JSON},
        "token=t",
        b'{"access_token": "t", "refresh_token": "t"}',
    )
    token = await find_token(asked, config(), type=kind, locations=[location])

    assert (token.token, token.type, token.location) == ("t", kind, location)


async def test_each_type_has_its_own_names() -> None:
    """Cookies and keys of the body differ; header and query do not."""
    settings = config("cookies", "json", JWT_REFRESH_COOKIE_NAME="r", JWT_REFRESH_JSON_KEY="rt")

    assert await found(request(headers={"cookie": "r=t"}), settings, type="refresh") == "t"
    assert await found(request(headers={"cookie": "r=t"}), settings) is None
    assert await found(request("POST", JSON, body=b'{"rt": "t"}'), settings, type="refresh") == "t"
    assert await found(request("POST", JSON, body=b'{"rt": "t"}'), settings) is None


async def test_the_first_place_decides() -> None:
    """The places are looked at in their order, and the first that has something wins."""
    asked = request(headers={"Authorization": ""}, query="token=q")

    assert await found(asked, config("headers", "query")) == ""
    assert await found(asked, config("query", "headers")) == "q"
    assert await found(asked, config("cookies", "query")) == "q"
    assert await found(asked, config("headers"), locations=["query"]) == "q"


async def test_nothing_anywhere() -> None:
    """The exception names what is missing, place by place, and whose token it was."""
    with pytest.raises(MissingTokenError) as caught:
        await find_token(request(), config(), login_type="admin")
    assert [("header" in text, "cookie" in text) for text in caught.value.args] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]
    assert caught.value.login_type == "admin"

    with pytest.raises(MissingTokenError) as caught:
        await find_token(request(), config(), locations=[])
    assert len(caught.value.args) == 1


async def test_a_place_that_is_none() -> None:
    """A misspelt place is the server's fault."""
    with pytest.raises(BadConfigurationError, match="'cookie'"):
        await find_token(request(), config(), locations=["cookie"])  # type: ignore[list-item]


COOKIE = {"cookie": "access_token_cookie=t"}


@pytest.mark.parametrize(
    ("method", "headers", "csrf"),
    [
        ("GET", {}, None),
        ("GET", {"X-CSRF-Token": "c"}, "c"),
        ("GET", {"X-CSRF-Token": ""}, None),
        ("POST", {"x-csrf-token": "c"}, "c"),
        ("POST", {"X-CSRF-TOKEN": "ä"}, "ä"),
    ],
)
async def test_cookie(method: str, headers: dict[str, str], csrf: str | None) -> None:
    """The CSRF value comes along wherever there is one."""
    token = await find_token(request(method, COOKIE | headers), config("cookies"))

    assert (token.token, token.csrf) == ("t", csrf)


@pytest.mark.parametrize("headers", [{}, {"X-CSRF-TOKEN": ""}])
async def test_a_cookie_without_its_csrf_value(headers: dict[str, str]) -> None:
    """Where it is demanded, the cookie counts as missing, and the next place may do."""
    asked = request("POST", COOKIE | headers, "token=q")

    assert await found(asked, config("cookies")) is None
    assert await found(asked, config("cookies", "query")) == "q"
    assert await found(asked, config("cookies"), demand_csrf=False) == "t"
    assert await found(asked, config("cookies", JWT_COOKIE_CSRF_PROTECT=False)) == "t"
    assert await found(asked, config("cookies", JWT_CSRF_METHODS=["PUT"])) == "t"
    assert await found(request("GET", COOKIE), config("cookies"), demand_csrf=True) is None


async def test_an_empty_cookie() -> None:
    """A cookie without a value is how some browsers remember that there is none."""
    assert await found(request(headers={"cookie": "access_token_cookie="}), config("cookies")) is None


@pytest.mark.parametrize(
    ("body", "csrf"), [(b"csrf_token=c", "c"), (b"csrf_token=", None), (b"other=c", None)]
)
async def test_a_form(body: bytes, csrf: str | None) -> None:
    """The CSRF value may be a field of a form, where the settings say so and the header has none."""
    settings = config("cookies", JWT_CSRF_CHECK_FORM=True)
    app = FastAPI()

    @app.post("/")
    async def root(asked: Request) -> list[str | None]:
        token = await find_token(asked, settings, demand_csrf=None)
        return [token.token, token.csrf]

    @app.exception_handler(MissingTokenError)
    async def missing(*_: Any) -> None: ...

    async with asking(app, {"access_token_cookie": "t"}) as client:
        with_header = await client.post("/", content=body, headers=FORM | {"X-CSRF-TOKEN": "h"})
        assert with_header.json() == ["t", "h"]
        if csrf is not None:
            assert (await client.post("/", content=body, headers=FORM)).json() == ["t", csrf]
    assert await found(request("POST", COOKIE | FORM, body=body), config("cookies")) is None
    if csrf is None:
        assert await found(request("POST", COOKIE | FORM, body=body), settings) is None


async def test_a_file_in_place_of_the_field() -> None:
    """An upload of that name is no CSRF value."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="csrf_token"; filename="f"\r\n'
        b"Content-Type: text/plain\r\n\r\nc\r\n--b--\r\n"
    )
    asked = request("POST", COOKIE | {"content-type": "multipart/form-data; boundary=b"}, body=body)

    assert await found(asked, config("cookies", JWT_CSRF_CHECK_FORM=True)) is None
    await asked.close()


def socket(query: str = "", headers: dict[str, str] | None = None) -> WebSocket:
    async def unused(*_: Any) -> Any:
        raise AssertionError

    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "websocket", "query_string": query.encode(), "headers": raw}
    return WebSocket(scope, unused, unused)


def test_websocket() -> None:
    """The query, even an empty one, goes before the header, whatever the settings say."""
    settings = config("cookies")
    headers = {"Authorization": "bearer h", "cookie": "access_token_cookie=c"}

    assert find_websocket_token(socket("token=q", headers), settings).token == "q"
    assert find_websocket_token(socket("token=", headers), settings).token == ""
    assert find_websocket_token(socket("", headers), settings).token == "h"
    with pytest.raises(MissingTokenError, match=r"^Missing token in WebSocket") as caught:
        find_websocket_token(
            socket("", {"cookie": "access_token_cookie=c"}), config("cookies"), login_type="admin"
        )
    assert caught.value.login_type == "admin"
