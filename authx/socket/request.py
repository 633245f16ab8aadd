"""The handshake as a Starlette request, for dependencies that were written for HTTP.

It carries the connection's current credential and no other: whoever looks for a token in it, in whatever
order of places, finds the one that the identity was made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from authx.auth.config import AuthXConfig
from authx.auth.identity import Identity
from authx.socket.credential import Credential

__all__ = ("as_request", "as_websocket")

_Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_HTTP = {"ws": "http", "wss": "https"}
_WEBSOCKET = {"http": "ws", "https": "wss"}


def as_request(
    opened_with: Mapping[str, Any],
    identity: Identity | None,
    credential: Credential | None,
    config: AuthXConfig | None,
) -> Request:
    """The GET request by which a client would open the transport today; it has no body.

    The scope says under ``authx.identity`` who that is, for its rights may have been changed since the
    credential was made.

    Args:
        opened_with: The ASGI scope of the handshake.
        identity: Who it is.
        credential: By what.
        config: The settings of the login; None if there is none, and nothing is a credential.
    """
    scheme = opened_with.get("scheme", "http")
    scope: Scope = {
        "path": "/",
        "query_string": b"",
        "headers": [],
        **opened_with,
        "type": "http",
        "method": "GET",
        "scheme": _HTTP.get(scheme, scheme),
        # What one event leaves in it is not for the next.
        "state": dict(opened_with.get("state") or {}),
    }
    # Made by the app's middleware of the handshake: the user of today may be another.
    for made in ("user", "auth"):
        scope.pop(made, None)
    if "session" in scope:
        scope["session"] = deepcopy(scope["session"])
    scope["authx.identity"] = identity
    if config is not None:
        scope["headers"] = _headers(scope["headers"], credential, config)
        scope["query_string"] = _query(scope["query_string"], credential, config)
    return Request(scope, _receive_nothing, _send_nothing)


def as_websocket(request: Request) -> WebSocket:
    """The same as a websocket, to read headers and query of; nothing can be received or sent by it."""
    scheme = request.scope["scheme"]
    scope = {**request.scope, "type": "websocket", "scheme": _WEBSOCKET.get(scheme, scheme)}
    return WebSocket(scope, _refuse_to_receive, _send_nothing)


async def _receive_nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _refuse_to_receive() -> Message:
    raise RuntimeError("nothing can be received through the handshake")


async def _send_nothing(_: Message) -> None:
    raise RuntimeError("nothing can be sent through the handshake; emit an event")


def _headers(headers: _Headers, credential: Credential | None, config: AuthXConfig) -> _Headers:
    token_header = config.JWT_HEADER_NAME.lower().encode("latin-1")
    csrf_header = config.JWT_ACCESS_CSRF_HEADER_NAME.lower().encode("latin-1")
    replaced = {token_header, csrf_header, b"cookie"}
    kept = [(name, value) for name, value in headers if name.lower() not in replaced]
    cookies = _cookies(headers, config)
    if credential is not None:
        if credential.place == "cookie":
            cookies[config.JWT_ACCESS_COOKIE_NAME] = credential.token
            if credential.csrf is not None:
                kept.append((csrf_header, _bytes(credential.csrf)))
        elif credential.place in ("payload", "header"):
            scheme = f"{config.JWT_HEADER_TYPE} " if config.JWT_HEADER_TYPE else ""
            kept.append((token_header, _bytes(scheme + credential.token)))
    if cookies:
        kept.append((b"cookie", _bytes("; ".join(f"{name}={value}" for name, value in cookies.items()))))
    return kept


def _cookies(headers: _Headers, config: AuthXConfig) -> dict[str, str]:
    """The cookies that are no token."""
    tokens = (config.JWT_ACCESS_COOKIE_NAME, config.JWT_REFRESH_COOKIE_NAME)
    return {
        name: value
        for header, text in headers
        if header.lower() == b"cookie"
        for name, value in _split(text)
        if name not in tokens
    }


def _split(text: bytes) -> list[tuple[str, str]]:
    # As they were written: Starlette takes the quotes off when it reads what is made of them.
    pairs = (chunk.strip().partition("=") for chunk in text.decode("latin-1").split(";"))
    return [(name.strip(), value.strip()) if sep else ("", name.strip()) for name, sep, value in pairs]


def _query(query: bytes, credential: Credential | None, config: AuthXConfig) -> bytes:
    name = config.JWT_QUERY_STRING_NAME
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] != name]
    if credential is not None and credential.place == "query":
        kept.append((name, credential.token))
    return urlencode(kept).encode("ascii")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")
