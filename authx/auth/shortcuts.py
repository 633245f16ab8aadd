"""Shortcuts: the dependencies of a login, already wrapped in ``Depends``."""

from __future__ import annotations

from typing import Any, Protocol

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from authx.auth.openapi import Guard
from authx.auth.schema import RequestToken, TokenPayload
from authx.auth.types import TokenType

__all__ = ("Shortcuts",)


class _Dependencies(Protocol):
    """What the shortcuts lead to."""

    @property
    def access_token_required(self) -> Guard: ...

    @property
    def fresh_token_required(self) -> Guard: ...

    @property
    def refresh_token_required(self) -> Guard: ...

    async def get_token_from_request(
        self,
        request: Request,
        type: TokenType = "access",  # noqa: A002 - the name apps know
        optional: bool = True,
    ) -> RequestToken | None: ...

    async def get_current_subject(self, request: Request) -> Any: ...

    def get_dependency(self, request: Request, response: Response) -> Any: ...

    async def _ws_auth_required(self, websocket: WebSocket) -> TokenPayload: ...


class Shortcuts:
    """Default values of parameters: ``async def route(payload: TokenPayload = auth.ACCESS_REQUIRED)``."""

    @property
    def ACCESS_REQUIRED(self: _Dependencies) -> Any:  # noqa: N802 - the name apps know
        """Asks for an access token; gives its payload."""
        return Depends(self.access_token_required)

    @property
    def FRESH_REQUIRED(self: _Dependencies) -> Any:  # noqa: N802
        """Asks for a fresh access token; gives its payload."""
        return Depends(self.fresh_token_required)

    @property
    def REFRESH_REQUIRED(self: _Dependencies) -> Any:  # noqa: N802
        """Asks for a refresh token; gives its payload."""
        return Depends(self.refresh_token_required)

    @property
    def ACCESS_TOKEN(self: _Dependencies) -> Any:  # noqa: N802
        """Gives the access token as it was found, not verified; None if there is none."""

        async def access_token(request: Request) -> RequestToken | None:
            return await self.get_token_from_request(request, type="access")

        return Depends(access_token)

    @property
    def REFRESH_TOKEN(self: _Dependencies) -> Any:  # noqa: N802
        """Gives the refresh token as it was found, not verified; None if there is none."""

        async def refresh_token(request: Request) -> RequestToken | None:
            return await self.get_token_from_request(request, type="refresh")

        return Depends(refresh_token)

    @property
    def CURRENT_SUBJECT(self: _Dependencies) -> Any:  # noqa: N802
        """Asks for an access token; gives the object that stands for its user."""
        return Depends(self.get_current_subject)

    @property
    def DEPENDENCY(self: _Dependencies) -> Any:  # noqa: N802
        """Gives the login with the request and the response in hand."""
        return Depends(self.get_dependency)

    @property
    def BUNDLE(self: _Dependencies) -> Any:  # noqa: N802
        """The same as ``DEPENDENCY``."""
        return Depends(self.get_dependency)

    @property
    def WS_AUTH_REQUIRED(self: _Dependencies) -> Any:  # noqa: N802
        """Asks for the access token a WebSocket is opened with; gives its payload."""
        return Depends(self._ws_auth_required)
