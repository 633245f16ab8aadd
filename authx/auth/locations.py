"""The places of a request where a token may be, each looked at in its turn.

The first place that has something decides, be it good or not. Nothing is verified here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from authx.auth.config import AuthXConfig
from authx.auth.csrf import demands_csrf
from authx.auth.exceptions import BadConfigurationError, MissingTokenError
from authx.auth.schema import RequestToken
from authx.auth.types import TokenLocations, TokenType

__all__ = ("find_token", "find_websocket_token")


async def find_token(
    request: Request,
    config: AuthXConfig,
    *,
    type: TokenType = "access",  # noqa: A002 - the name of the claim
    locations: TokenLocations | None = None,
    demand_csrf: bool | None = None,
    login_type: str | None = None,
) -> RequestToken:
    """Find the token of a request.

    Args:
        request: where to look.
        config: what the places are called.
        type: what the token is wanted for.
        locations: the places to look at, in this order, instead of the settings'.
        demand_csrf: whether a cookie counts only with its CSRF value beside it; None leaves that to the
            settings and the method. A value in the header is taken along in any case.
        login_type: whose token is looked for; the exception carries it.

    Raises:
        MissingTokenError: with one argument for each place, which says what is missing there.
        BadConfigurationError: there is no such place.
    """
    if demand_csrf is None:
        demand_csrf = demands_csrf(config, request.method)
    wanted = _Wanted(request, config, type, demand_csrf)
    missing = []
    for location in config.JWT_TOKEN_LOCATION if locations is None else locations:
        if location not in _PLACES:
            raise BadConfigurationError(f"There is no token location {location!r}")
        found = await _PLACES[location](wanted)
        if isinstance(found, RequestToken):
            return found
        missing.append(found)
    raise MissingTokenError(*missing or ("There is no place to look at",), login_type=login_type)


def find_websocket_token(
    websocket: WebSocket, config: AuthXConfig, *, login_type: str | None = None
) -> RequestToken:
    """Find the token a socket is opened with: in the query, else in the header, whatever the settings say.

    Browsers can set no header of a WebSocket, and send its cookies wherever the page is from.

    Raises:
        MissingTokenError: it is in neither.
    """
    token = websocket.query_params.get(config.JWT_QUERY_STRING_NAME)
    if token is not None:
        return RequestToken(token=token, type="access", location="query")
    token = _header(websocket, config)
    if token is not None:
        return RequestToken(token=token, type="access", location="headers")
    raise MissingTokenError(
        f"Missing token in WebSocket query parameter {config.JWT_QUERY_STRING_NAME!r} "
        f"or header {config.JWT_HEADER_NAME!r}",
        login_type=login_type,
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    request: Request
    config: AuthXConfig
    type: TokenType
    demand_csrf: bool

    def named(self, access: str, refresh: str) -> str:
        """The name of a place, where each type of token has its own."""
        return access if self.type == "access" else refresh


_Place: TypeAlias = Callable[[_Wanted], Awaitable[RequestToken | str]]
"""Gives the token, or says what is missing."""


async def _in_header(wanted: _Wanted) -> RequestToken | str:
    token = _header(wanted.request, wanted.config)
    if token is None:
        return f"Missing header {wanted.config.JWT_HEADER_NAME!r}"
    return RequestToken(token=token, type=wanted.type, location="headers")


async def _in_cookie(wanted: _Wanted) -> RequestToken | str:
    config = wanted.config
    name = wanted.named(config.JWT_ACCESS_COOKIE_NAME, config.JWT_REFRESH_COOKIE_NAME)
    token = wanted.request.cookies.get(name)
    if not token:
        return f"Missing cookie {name!r}"
    csrf = await _csrf(wanted)
    if wanted.demand_csrf and csrf is None:
        return f"Missing CSRF token of cookie {name!r}"
    return RequestToken(token=token, csrf=csrf, type=wanted.type, location="cookies")


async def _in_query(wanted: _Wanted) -> RequestToken | str:
    name = wanted.config.JWT_QUERY_STRING_NAME
    token = wanted.request.query_params.get(name)
    if token is None:
        return f"Missing query parameter {name!r}"
    return RequestToken(token=token, type=wanted.type, location="query")


async def _in_json(wanted: _Wanted) -> RequestToken | str:
    config = wanted.config
    media_type = wanted.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        return "Missing JSON body"
    try:
        body: Any = await wanted.request.json()
    except (ValueError, RecursionError):
        return "Missing JSON body: it cannot be read"
    name = wanted.named(config.JWT_JSON_KEY, config.JWT_REFRESH_JSON_KEY)
    token = body.get(name) if isinstance(body, dict) else None
    if not isinstance(token, str):
        return f"Missing key {name!r} in the JSON body"
    return RequestToken(token=token, type=wanted.type, location="json")


_PLACES: dict[str, _Place] = {
    "headers": _in_header,
    "cookies": _in_cookie,
    "query": _in_query,
    "json": _in_json,
}


def _header(connection: HTTPConnection, config: AuthXConfig) -> str | None:
    """The token in the header, without the scheme, which may be in any case (RFC 9110, section 11.1)."""
    value = connection.headers.get(config.JWT_HEADER_NAME)
    scheme = config.JWT_HEADER_TYPE
    if value is None or not scheme or not value.lower().startswith(f"{scheme} ".lower()):
        return value
    return value[len(scheme) + 1 :].strip()


async def _csrf(wanted: _Wanted) -> str | None:
    """The CSRF value of the request. An empty one is none: it would be the claim of an unprotected token."""
    config = wanted.config
    name = wanted.named(config.JWT_ACCESS_CSRF_HEADER_NAME, config.JWT_REFRESH_CSRF_HEADER_NAME)
    value = wanted.request.headers.get(name)
    if value or not wanted.demand_csrf or not config.JWT_CSRF_CHECK_FORM:
        return value or None
    form = await wanted.request.form()
    field = form.get(wanted.named(config.JWT_ACCESS_CSRF_FIELD_NAME, config.JWT_REFRESH_CSRF_FIELD_NAME))
    return field if isinstance(field, str) and field else None
