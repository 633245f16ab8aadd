"""What a client opened its transport with, as a handshake and as python-socketio's environment."""

from typing import Any

from engineio.async_drivers.asgi import translate_request

from authx.socket.environ import Environ, read_handshake

PATH = "/ws/socket.io/"


def test_a_handshake_is_read_from_the_scope() -> None:
    handshake = read_handshake(
        {
            "type": "websocket",
            "scheme": "wss",
            "path": PATH,
            "query_string": b"EIO=4&token=a%20b&token=last",
            "headers": [
                (b"host", b"app.test"),
                (b"origin", b"https://app.test"),
                (b"cookie", b'one=1; two="2"'),
                (b"x-odd", b"\xff"),
            ],
            "client": ("192.0.2.1", 5),
        }
    )

    assert handshake.origin == "https://app.test"
    assert handshake.own_origins == {"https://app.test"}
    assert handshake.cookies == {"one": "1", "two": "2"}
    assert handshake.query["token"] == "last"
    assert handshake.address == "192.0.2.1"


def test_a_scope_without_client_has_no_address() -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "client": None,
    }

    assert read_handshake(scope).address is None


SCOPE: dict[str, Any] = {
    "type": "websocket",
    "scheme": "ws",
    "path": PATH,
    "query_string": b"EIO=4",
    "headers": [(b"cookie", b"a=b"), (b"x-two", b"1"), (b"x-two", b"2"), (b"content-type", b"text/plain")],
}


def test_the_environment_is_the_one_that_python_engineio_makes() -> None:
    environ = Environ(SCOPE)

    assert environ["HTTP_COOKIE"] == "a=b"
    assert environ["HTTP_X_TWO"] == "1,2"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("GET", PATH)
    assert (environ["QUERY_STRING"], environ["RAW_URI"]) == ("EIO=4", f"{PATH}?EIO=4")
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["asgi.scope"] is SCOPE
    assert environ.get("HTTP_ORIGIN") is None
    assert set(dict(environ)) == set(environ)
    assert len(environ) == len(dict(environ))


async def test_it_has_what_that_has_but_for_what_belongs_to_the_transport() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    made = await translate_request(SCOPE, receive, receive)
    inside = {"wsgi.input", "wsgi.errors", "asgi.receive", "asgi.send"}
    assert dict(Environ(SCOPE)) == {name: value for name, value in made.items() if name not in inside}


def test_the_scope_alone_makes_nothing_and_what_an_app_writes_stays() -> None:
    environ = Environ(SCOPE)
    assert environ["asgi.scope"] is environ.scope
    assert environ._made is None
    environ["user"] = "alice"
    assert environ["user"] == "alice"
    assert environ["asgi.scope"] is SCOPE
    del environ["user"]
    assert "user" not in environ


def test_a_token_is_not_shown() -> None:
    assert "a=b" not in repr(Environ(SCOPE))
