"""The login of one request: AuthX with the request and the response already in hand."""

from __future__ import annotations

from typing import Any, Generic, Protocol

from starlette.requests import Request
from starlette.responses import Response

from authx.auth.schema import TokenResponse
from authx.auth.types import DateTimeExpression, StringOrSequence, T, T_co

__all__ = ("AuthXDependency",)


class _Login(Protocol[T_co]):
    """What of ``AuthX`` is called with a request or a response, or is passed on."""

    def create_access_token(self, uid: str, *args: Any, **kwargs: Any) -> str: ...

    def create_refresh_token(self, uid: str, *args: Any, **kwargs: Any) -> str: ...

    def create_token_pair(self, uid: str, *args: Any, **kwargs: Any) -> TokenResponse: ...

    def set_access_cookies(self, token: str, response: Response, max_age: int | None = None) -> None: ...

    def set_refresh_cookies(self, token: str, response: Response, max_age: int | None = None) -> None: ...

    def unset_access_cookies(self, response: Response) -> None: ...

    def unset_refresh_cookies(self, response: Response) -> None: ...

    def unset_cookies(self, response: Response) -> None: ...

    async def get_current_subject(self, request: Request) -> T_co | None: ...


class AuthXDependency(Generic[T]):
    """Makes tokens, and carries them with the response of one request.

    A route asks for it with ``auth.DEPENDENCY``. Where a ``response`` can be given, it is used instead of
    FastAPI's own: a route that returns a response has to give that one.
    """

    def __init__(self, _from: _Login[T], request: Request, response: Response) -> None:
        self._auth = _from
        self._request = request
        self._response = response

    @property
    def request(self) -> Request:
        """The request."""
        return self._request

    @property
    def response(self) -> Response:
        """What FastAPI takes cookies and headers of the answer from."""
        return self._response

    def create_access_token(  # noqa: PLR0917 - the order apps know
        self,
        uid: str,
        fresh: bool = False,
        headers: dict[str, Any] | None = None,
        expiry: DateTimeExpression | None = None,
        data: dict[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> str:
        """Make an access token; see ``AuthX.create_access_token``."""
        return self._auth.create_access_token(uid, fresh, headers, expiry, data, audience, *args, **kwargs)

    def create_refresh_token(
        self,
        uid: str,
        headers: dict[str, Any] | None = None,
        expiry: DateTimeExpression | None = None,
        data: dict[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> str:
        """Make a refresh token; see ``AuthX.create_refresh_token``."""
        return self._auth.create_refresh_token(uid, headers, expiry, data, audience, *args, **kwargs)

    def create_token_pair(  # noqa: PLR0917 - the order apps know
        self,
        uid: str,
        fresh: bool = False,
        headers: dict[str, Any] | None = None,
        access_expiry: DateTimeExpression | None = None,
        refresh_expiry: DateTimeExpression | None = None,
        data: dict[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        access_scopes: list[str] | None = None,
        refresh_scopes: list[str] | None = None,
        **kwargs: Any,
    ) -> TokenResponse:
        """Make both tokens; see ``AuthX.create_token_pair``."""
        return self._auth.create_token_pair(
            uid=uid,
            fresh=fresh,
            headers=headers,
            access_expiry=access_expiry,
            refresh_expiry=refresh_expiry,
            data=data,
            audience=audience,
            access_scopes=access_scopes,
            refresh_scopes=refresh_scopes,
            **kwargs,
        )

    def set_access_cookies(
        self, token: str, response: Response | None = None, max_age: int | None = None
    ) -> None:
        """Put an access token into the cookies of the response."""
        self._auth.set_access_cookies(token=token, response=self._given(response), max_age=max_age)

    def set_refresh_cookies(
        self, token: str, response: Response | None = None, max_age: int | None = None
    ) -> None:
        """Put a refresh token into the cookies of the response."""
        self._auth.set_refresh_cookies(token=token, response=self._given(response), max_age=max_age)

    def unset_access_cookies(self, response: Response | None = None) -> None:
        """Remove the cookies of the access token."""
        self._auth.unset_access_cookies(response=self._given(response))

    def unset_refresh_cookies(self, response: Response | None = None) -> None:
        """Remove the cookies of the refresh token."""
        self._auth.unset_refresh_cookies(response=self._given(response))

    def unset_cookies(self, response: Response | None = None) -> None:
        """Remove the cookies of both tokens."""
        self._auth.unset_cookies(response=self._given(response))

    async def get_current_subject(self) -> T | None:
        """Find whom the access token of the request stands for."""
        return await self._auth.get_current_subject(request=self._request)

    def _given(self, response: Response | None) -> Response:
        return self._response if response is None else response
