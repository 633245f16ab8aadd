"""AuthX: one login, put together from the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from authx.auth.clock import Clock, system_clock
from authx.auth.config import AuthXConfig
from authx.auth.cookies import set_token_cookies, unset_token_cookies
from authx.auth.dependencies import AuthXDependency
from authx.auth.exceptions import MissingTokenError
from authx.auth.guards import (
    Terms,
    admit,
    admit_websocket,
    rate_guard,
    scopes_guard,
    token_guard,
)
from authx.auth.issuer import Issuer
from authx.auth.limiter import KeyFunc, RateLimiter
from authx.auth.locations import find_token
from authx.auth.logout import log_out
from authx.auth.middleware import answer_and_renew
from authx.auth.openapi import Guard
from authx.auth.responses import ErrorResponses
from authx.auth.revocation import InMemoryRevocations, Revocations
from authx.auth.revoker import Revoker
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse
from authx.auth.shortcuts import Shortcuts
from authx.auth.types import (
    DateTimeExpression,
    StringOrSequence,
    T,
    TokenLocations,
    TokenType,
)
from authx.auth.verifier import RolesClaim, Verifier

__all__ = ("AuthX",)


class AuthX(ErrorResponses, Revoker, Shortcuts, Generic[T]):
    """Makes, carries and verifies the tokens of one login, and guards routes with them.

    ``T`` is what stands for a user in the app; see :meth:`set_subject_getter`.

    Args:
        config: the settings; read from the environment now if None.
        model: accepted for the apps that pass it, and not used.
        login_type: a name for this login, written into its tokens, where an app has several.
        roles_claim: where an identity's roles are; see :class:`~authx.auth.verifier.Verifier`.
        revocations: where it is kept what was ended before its time; in this process if None. Logins may
            share it if the same name is the same user in all of them.
        clock: gives the current time in Unix seconds.
    """

    def __init__(
        self,
        config: AuthXConfig | None = None,
        model: T | None = None,  # noqa: ARG002 - a part of the signature apps know
        login_type: str | None = None,
        *,
        roles_claim: RolesClaim = "roles",
        revocations: Revocations | None = None,
        clock: Clock = system_clock,
    ) -> None:
        config = AuthXConfig() if config is None else config
        self.revocations = InMemoryRevocations(clock=clock) if revocations is None else revocations
        self._issuer = Issuer(config, login_type=login_type, clock=clock)
        self._verifier = Verifier(config, login_type=login_type, roles_claim=roles_claim, clock=clock)
        self._clock = clock

    @property
    def config(self) -> AuthXConfig:
        """The settings."""
        return self._verifier.config

    def load_config(self, config: AuthXConfig) -> None:
        """Take other settings from now on, also for those who hold the :attr:`verifier`."""
        self._issuer.config = config
        self._verifier.config = config

    @property
    def login_type(self) -> str | None:
        """The name of this login, where an app has several."""
        return self._verifier.login_type

    @property
    def verifier(self) -> Verifier:
        """The door every token of this login goes through."""
        return self._verifier

    @property
    def _message_key(self) -> str:
        # The setting has a default that clients never saw: only those who ask for it get another name.
        if "JWT_ERROR_MESSAGE_KEY" in self.config.model_fields_set:
            return self.config.JWT_ERROR_MESSAGE_KEY
        return super()._message_key

    # --- tokens ---------------------------------------------------------------------------------------

    def create_access_token(  # noqa: PLR0917 - the order apps know
        self,
        uid: str,
        fresh: bool = False,
        headers: dict[str, Any] | None = None,
        expiry: DateTimeExpression | None = None,
        data: dict[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        scopes: list[str] | None = None,
        *_args: Any,
        session: str | None = None,
        **_kwargs: Any,
    ) -> str:
        """Make an access token. What else is passed is ignored.

        Args:
            uid: the user.
            fresh: whether an actual login is the reason, and not a refresh.
            headers: more of the JOSE header (RFC 7515, section 4.1), but not ``alg``.
            expiry: when the token ends, or after how long; the settings' lifetime if None.
            data: more claims; see :meth:`Issuer.token <authx.auth.issuer.Issuer.token>`.
            audience: instead of the settings'.
            scopes: what the token permits; None writes no claim.
            session: the id of the login session the token ends with, see :meth:`create_session` and
                :meth:`revoke_session`; None writes no claim.

        Raises:
            BadConfigurationError: the settings hold no key to sign with.
            ValueError: ``data`` or ``headers`` set what they must not.
            pydantic.ValidationError: ``uid`` is no string.
        """
        return self._issuer.token(
            uid,
            type="access",
            fresh=fresh,
            headers=headers,
            expiry=expiry,
            data=data,
            audience=audience,
            scopes=scopes,
            session=session,
        )

    def create_refresh_token(  # noqa: PLR0917 - the order apps know
        self,
        uid: str,
        headers: dict[str, Any] | None = None,
        expiry: DateTimeExpression | None = None,
        data: dict[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        scopes: list[str] | None = None,
        *_args: Any,
        session: str | None = None,
        **_kwargs: Any,
    ) -> str:
        """Make a refresh token, as :meth:`create_access_token` makes an access token."""
        return self._issuer.token(
            uid,
            type="refresh",
            headers=headers,
            expiry=expiry,
            data=data,
            audience=audience,
            scopes=scopes,
            session=session,
        )

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
        *,
        session: str | None = None,
    ) -> TokenResponse:
        """Make both tokens; ``headers``, ``data``, ``audience`` and ``session`` go into both."""
        return TokenResponse(
            access_token=self.create_access_token(
                uid,
                fresh=fresh,
                headers=headers,
                expiry=access_expiry,
                data=data,
                audience=audience,
                scopes=access_scopes,
                session=session,
            ),
            refresh_token=self.create_refresh_token(
                uid,
                headers=headers,
                expiry=refresh_expiry,
                data=data,
                audience=audience,
                scopes=refresh_scopes,
                session=session,
            ),
        )

    def verify_token(
        self,
        token: RequestToken,
        verify_type: bool = True,
        verify_fresh: bool = False,
        verify_csrf: bool = True,
    ) -> TokenPayload:
        """Verify a token found in a request, and give its claims.

        Raises:
            AuthXException: one of those of :meth:`Verifier.claims <authx.auth.verifier.Verifier.claims>`.
        """
        claims = self._verifier.claims(
            token.token,
            type=token.type if verify_type else None,
            fresh=verify_fresh,
            csrf=token.csrf,
            verify_csrf=verify_csrf and token.location == "cookies",
        )
        return TokenPayload.from_claims(claims)

    # --- requests -------------------------------------------------------------------------------------

    async def get_access_token_from_request(
        self, request: Request, locations: TokenLocations | None = None, *, demand_csrf: bool | None = None
    ) -> RequestToken:
        """Find the access token of a request, and verify nothing.

        Args:
            request: where to look.
            locations: the places to look at, in this order, instead of the settings'.
            demand_csrf: see :func:`~authx.auth.locations.find_token`.

        Raises:
            MissingTokenError: there is none.
        """
        return await self._find(request, "access", locations, demand_csrf)

    async def get_refresh_token_from_request(
        self, request: Request, locations: TokenLocations | None = None, *, demand_csrf: bool | None = None
    ) -> RequestToken:
        """Find the refresh token of a request, as :meth:`get_access_token_from_request` does."""
        return await self._find(request, "refresh", locations, demand_csrf)

    async def get_token_from_request(
        self,
        request: Request,
        type: TokenType = "access",  # noqa: A002 - the name apps know
        optional: bool = True,
        locations: TokenLocations | None = None,
    ) -> RequestToken | None:
        """Find the token of a request, and verify nothing. None if there is none and it is optional.

        Raises:
            MissingTokenError: there is none, and it is not optional.
        """
        try:
            return await self._find(request, type, locations, None)
        except MissingTokenError:
            if optional:
                return None
            raise

    async def _find(
        self,
        request: Request,
        kind: TokenType,
        locations: TokenLocations | None,
        demand_csrf: bool | None,
    ) -> RequestToken:
        return await find_token(
            request,
            self.config,
            type=kind,
            locations=locations,
            demand_csrf=demand_csrf,
            login_type=self.login_type,
        )

    # --- dependencies ---------------------------------------------------------------------------------

    def token_required(
        self,
        type: str = "access",  # noqa: A002 - the name apps know
        verify_type: bool = True,
        verify_fresh: bool = False,
        verify_csrf: bool | None = None,
        locations: TokenLocations | None = None,
    ) -> Guard:
        """Make a dependency that asks for a token, and gives its payload.

        Args:
            type: what the token is wanted for.
            verify_type: whether it must be of that type.
            verify_fresh: whether it must come from an actual login.
            verify_csrf: whether the CSRF value of a token from a cookie is checked; None leaves that to
                the settings and the method.
            locations: the places to look at, in this order, instead of the settings'.
        """
        return token_guard(self, Terms(type, verify_type, verify_fresh, verify_csrf, locations))

    @property
    def access_token_required(self) -> Guard:
        """A dependency that asks for an access token."""
        return self.token_required()

    @property
    def fresh_token_required(self) -> Guard:
        """A dependency that asks for a fresh access token."""
        return self.token_required(verify_fresh=True)

    @property
    def refresh_token_required(self) -> Guard:
        """A dependency that asks for a refresh token."""
        return self.token_required(type="refresh")

    def scopes_required(
        self,
        *scopes: str,
        all_required: bool = True,
        verify_type: bool = True,
        verify_fresh: bool = False,
        verify_csrf: bool | None = None,
        locations: TokenLocations | None = None,
    ) -> Guard:
        """Make a dependency that asks for an access token that holds all, or any, of the scopes."""
        terms = Terms("access", verify_type, verify_fresh, verify_csrf, locations)
        return scopes_guard(self, terms, scopes, all_required=all_required)

    def rate_limited(
        self, max_requests: int = 10, window: int = 60, key_func: KeyFunc | None = None
    ) -> Guard:
        """Make a dependency that takes so many requests in so many seconds, and asks for an access token."""
        return rate_guard(self, RateLimiter(max_requests, window, key_func=key_func))

    async def get_current_subject(self, request: Request) -> T | None:
        """A dependency: ask for an access token, and find whom it stands for.

        Raises:
            AttributeError: there is no subject getter.
            AuthXException: the token will not do.
        """
        self.ensure_request_exception_handlers(request)
        payload = await admit(self, request, Terms())
        subject: T | None = await self.find_subject(payload.sub)
        return subject

    def get_dependency(self, request: Request, response: Response) -> AuthXDependency[T]:
        """A dependency: this login, with the request and the response in hand."""
        return AuthXDependency(self, request, response)

    async def _ws_auth_required(self, websocket: WebSocket) -> TokenPayload:
        """A dependency: ask for the access token a WebSocket is opened with. It is asked for once."""
        return await admit_websocket(self, websocket)

    async def implicit_refresh_middleware(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """A middleware: renew access tokens in cookies that end soon. ``app.middleware("http")(...)``."""
        return await answer_and_renew(self, request, call_next, now=self._clock)

    # --- cookies --------------------------------------------------------------------------------------

    def set_access_cookies(self, token: str, response: Response, max_age: int | None = None) -> None:
        """Put an access token, and its CSRF value, into cookies. ``max_age`` is in seconds."""
        set_token_cookies(response, self.config, token, type="access", max_age=max_age)

    def set_refresh_cookies(self, token: str, response: Response, max_age: int | None = None) -> None:
        """Put a refresh token, and its CSRF value, into cookies. ``max_age`` is in seconds."""
        set_token_cookies(response, self.config, token, type="refresh", max_age=max_age)

    def unset_access_cookies(self, response: Response) -> None:
        """Remove the cookies of the access token."""
        unset_token_cookies(response, self.config, type="access")

    def unset_refresh_cookies(self, response: Response) -> None:
        """Remove the cookies of the refresh token."""
        unset_token_cookies(response, self.config, type="refresh")

    def unset_cookies(self, response: Response) -> None:
        """Remove the cookies of both tokens."""
        self.unset_access_cookies(response)
        self.unset_refresh_cookies(response)

    async def logout(self, request: Request, response: Response) -> None:
        """End the session that the tokens of a request name, or else the tokens, and remove the cookies.

        Every place of the settings is looked at. No token, or one that will not do, is nothing to end, so
        this may be called again. What was ended is on record before this returns.

        Raises:
            CSRFError: a token came in a cookie without its CSRF value, where the settings demand it for
                the method. Then nothing is ended, and the cookies stay.
            ValueError: a token names neither a session nor, by a ``jti``, itself. Then the cookies stay.
        """
        await log_out(self, request, response)
