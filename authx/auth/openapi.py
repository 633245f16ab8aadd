"""How guarded routes show in the OpenAPI document: one security requirement for each place of a token.

They are alternatives. The schemes only document; whether a token is there the guard finds out.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from fastapi import Depends
from fastapi.security import APIKeyCookie, APIKeyHeader, APIKeyQuery, HTTPBearer
from starlette.requests import Request

from authx.auth.config import AuthXConfig
from authx.auth.schema import TokenPayload
from authx.auth.types import TokenLocations

__all__ = ("Guard", "documented", "security_schemes")

_Scheme: TypeAlias = Callable[..., Any]

Guard: TypeAlias = Callable[..., Awaitable[TokenPayload]]
"""A dependency that lets a request pass, and gives the claims of its token. Called with ``request=``."""


def security_schemes(
    config: AuthXConfig | None,
    *,
    type: str = "access",  # noqa: A002 - the name of the claim
    locations: TokenLocations | None = None,
) -> Sequence[_Scheme]:
    """The schemes a guard is shown with, in the order header, cookie, query. A JSON body has none.

    Args:
        config: the settings; a bearer token if there are none yet.
        type: what the token is wanted for.
        locations: instead of the settings'.
    """
    if config is None:
        return (_bearer(),)
    places = config.JWT_TOKEN_LOCATION if locations is None else locations
    schemes: list[_Scheme] = []
    if "headers" in places:
        schemes.append(_header(config))
    if "cookies" in places:
        schemes.append(_cookie(config, type))
    if "query" in places:
        schemes.append(
            APIKeyQuery(name=config.JWT_QUERY_STRING_NAME, scheme_name="AuthXQuery", auto_error=False)
        )
    return schemes


def documented(guard: Guard, schemes: Sequence[_Scheme]) -> Guard:
    """Let a guard be shown with the schemes, by a signature that asks for each of them."""
    parameter = inspect.Parameter
    guard.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter("request", parameter.POSITIONAL_OR_KEYWORD, annotation=Request),
            *(
                parameter(f"scheme_{number}", parameter.KEYWORD_ONLY, default=Depends(scheme))
                for number, scheme in enumerate(schemes)
            ),
        ],
        return_annotation=TokenPayload,
    )
    return guard


def _header(config: AuthXConfig) -> _Scheme:
    scheme = config.JWT_HEADER_TYPE or ""
    if config.JWT_HEADER_NAME.lower() == "authorization" and scheme.lower() == "bearer":
        return _bearer()
    return APIKeyHeader(name=config.JWT_HEADER_NAME, scheme_name="AuthXHeader", auto_error=False)


def _bearer() -> _Scheme:
    return HTTPBearer(bearerFormat="JWT", scheme_name="AuthXBearer", auto_error=False)


def _cookie(config: AuthXConfig, kind: str) -> _Scheme:
    if kind == "refresh":
        return APIKeyCookie(
            name=config.JWT_REFRESH_COOKIE_NAME, scheme_name="AuthXRefreshCookie", auto_error=False
        )
    return APIKeyCookie(name=config.JWT_ACCESS_COOKIE_NAME, scheme_name="AuthXAccessCookie", auto_error=False)
