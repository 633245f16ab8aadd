"""AuthX: one login, put together from the settings."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, TypeVar

from starlette.responses import Response

from authx.auth.clock import Clock, system_clock
from authx.auth.config import AuthXConfig
from authx.auth.cookies import set_token_cookies, unset_token_cookies
from authx.auth.issuer import Issuer
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse
from authx.auth.types import DateTimeExpression, StringOrSequence
from authx.auth.verifier import RolesClaim, Verifier

__all__ = ("AuthX",)

_Callback = TypeVar("_Callback", bound=Callable[..., Any])


class AuthX:
    """Makes, carries and verifies the tokens of one login.

    Args:
        config: the settings; read from the environment now if None.
        model: accepted for the apps that pass it, and not used.
        login_type: a name for this login, written into its tokens, where an app has several.
        roles_claim: where an identity's roles are; see :class:`~authx.auth.verifier.Verifier`.
        clock: gives the current time in Unix seconds.
    """

    def __init__(
        self,
        config: AuthXConfig | None = None,
        model: Any = None,  # noqa: ARG002 - a part of the signature apps know
        login_type: str | None = None,
        *,
        roles_claim: RolesClaim = "roles",
        clock: Clock = system_clock,
    ) -> None:
        config = AuthXConfig() if config is None else config
        self._issuer = Issuer(config, login_type=login_type, clock=clock)
        self._verifier = Verifier(config, login_type=login_type, roles_claim=roles_claim, clock=clock)
        self.callback_is_token_in_blocklist: Callable[..., Any] | None = None
        """Says of a raw token, now or when awaited, whether it has been revoked."""

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
    ) -> TokenResponse:
        """Make both tokens; ``headers``, ``data`` and ``audience`` go into both."""
        return TokenResponse(
            access_token=self.create_access_token(
                uid,
                fresh=fresh,
                headers=headers,
                expiry=access_expiry,
                data=data,
                audience=audience,
                scopes=access_scopes,
            ),
            refresh_token=self.create_refresh_token(
                uid,
                headers=headers,
                expiry=refresh_expiry,
                data=data,
                audience=audience,
                scopes=refresh_scopes,
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

    # --- revoked tokens -------------------------------------------------------------------------------

    def set_token_blocklist(self, callback: _Callback) -> _Callback:
        """Let a function, sync or async, say whether a raw token has been revoked. Works as a decorator.

        It should go by the token's ``jti``, not by its text, where tokens are signed with ECDSA: such a
        signature has a twin that anybody can compute.
        """
        self.callback_is_token_in_blocklist = callback
        return callback

    def set_callback_token_blocklist(self, callback: _Callback) -> _Callback:
        """The same as :meth:`set_token_blocklist`."""
        return self.set_token_blocklist(callback)

    @property
    def is_token_callback_set(self) -> bool:
        """Whether there is a blocklist."""
        return self.callback_is_token_in_blocklist is not None

    async def is_token_in_blocklist(self, token: str | None, **kwargs: Any) -> bool:
        """Whether a raw token has been revoked, as far as the blocklist says.

        Its answer is given as it is, and what it raises is not caught.
        """
        if self.callback_is_token_in_blocklist is None or token is None:
            return False
        answer = self.callback_is_token_in_blocklist(token, **kwargs)
        return await answer if isawaitable(answer) else answer  # type: ignore[no-any-return]

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
