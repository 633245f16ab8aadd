"""AuthManager: several logins in one app, each with its own keys, and policies over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from authx.auth.exceptions import (
    BadConfigurationError,
    JWTDecodeError,
    LoginTypeMismatchError,
    PolicyDeniedError,
)
from authx.auth.facade import AuthX
from authx.auth.guards import Terms, find_current, go_on, verify_on_terms
from authx.auth.openapi import Guard, documented, security_schemes
from authx.auth.policy import (
    PolicyContext,
    PolicyEngine,
    PolicyEvaluator,
    PolicyRule,
    build_policy_environment,
    default_subject_from_payload,
)
from authx.auth.responses import ErrorResponses
from authx.auth.schema import RequestToken, TokenPayload, TokenResponse
from authx.auth.types import DateTimeExpression, StringOrSequence, TokenLocations

__all__ = ("AuthManager",)


class AuthManager(ErrorResponses):
    """Knows the logins of an app by their ``login_type``, and guards routes for one of them each.

    A guard may be made before its login is registered: it is looked for when a request comes.

    Args:
        policy_engine: judges for :meth:`authorize`.
        policy_rules: rules for an engine of its own, where none is given.
    """

    def __init__(
        self,
        policy_engine: PolicyEngine | None = None,
        policy_rules: Sequence[PolicyRule] | None = None,
    ) -> None:
        self.policy_engine = PolicyEngine(policy_rules) if policy_engine is None else policy_engine
        self._logins: dict[str, AuthX[Any]] = {}

    @property
    def login_types(self) -> tuple[str, ...]:
        """The names of the logins, in the order they were registered in."""
        return tuple(self._logins)

    def register(self, auth: AuthX[Any]) -> None:
        """Add a login.

        Raises:
            BadConfigurationError: it has no ``login_type``, or one that is taken.
        """
        if auth.login_type is None:
            raise BadConfigurationError("An AuthX needs a login_type to be registered")
        if auth.login_type in self._logins:
            raise BadConfigurationError(f"The login_type {auth.login_type!r} is already registered")
        self._logins[auth.login_type] = auth

    def get(self, login_type: str) -> AuthX[Any]:
        """Give a login.

        Raises:
            BadConfigurationError: there is none of that name.
        """
        if login_type not in self._logins:
            raise BadConfigurationError(f"Unknown login_type {login_type!r}")
        return self._logins[login_type]

    # --- tokens ---------------------------------------------------------------------------------------

    def create_access_token(  # noqa: PLR0917 - the order apps know
        self,
        login_type: str,
        uid: str,
        fresh: bool = False,
        headers: dict[str, Any] | None = None,
        expiry: DateTimeExpression | None = None,
        data: dict[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        scopes: list[str] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> str:
        """Make an access token of a login, as :meth:`AuthX.create_access_token` does."""
        return self.get(login_type).create_access_token(
            uid, fresh, headers, expiry, data, audience, scopes, *args, **kwargs
        )

    def create_refresh_token(  # noqa: PLR0917 - the order apps know
        self,
        login_type: str,
        uid: str,
        headers: dict[str, Any] | None = None,
        expiry: DateTimeExpression | None = None,
        data: dict[str, Any] | None = None,
        audience: StringOrSequence | None = None,
        scopes: list[str] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> str:
        """Make a refresh token of a login, as :meth:`AuthX.create_refresh_token` does."""
        return self.get(login_type).create_refresh_token(
            uid, headers, expiry, data, audience, scopes, *args, **kwargs
        )

    def create_token_pair(  # noqa: PLR0917 - the order apps know
        self,
        login_type: str,
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
        """Make both tokens of a login, as :meth:`AuthX.create_token_pair` does."""
        return self.get(login_type).create_token_pair(
            uid=uid,
            fresh=fresh,
            headers=headers,
            access_expiry=access_expiry,
            refresh_expiry=refresh_expiry,
            data=data,
            audience=audience,
            access_scopes=access_scopes,
            refresh_scopes=refresh_scopes,
        )

    # --- guards ---------------------------------------------------------------------------------------

    def token_required(  # noqa: PLR0917 - the order apps know
        self,
        login_type: str,
        type: str = "access",  # noqa: A002 - the name of the claim
        verify_type: bool = True,
        verify_fresh: bool = False,
        verify_csrf: bool | None = None,
        locations: TokenLocations | None = None,
    ) -> Guard:
        """Make a dependency that asks for a token of a login; see :meth:`AuthX.token_required`.

        It raises :exc:`LoginTypeMismatchError` for a good token of another login.
        """
        terms = Terms(type, verify_type, verify_fresh, verify_csrf, locations)

        async def guard(request: Request, **_schemes: Any) -> TokenPayload:
            self.ensure_request_exception_handlers(request)
            return await self._admit(login_type, request, terms)

        return self._documented(guard, login_type, terms)

    def access_token_required(self, login_type: str) -> Guard:
        """Make a dependency that asks for an access token of a login."""
        return self.token_required(login_type)

    def refresh_token_required(self, login_type: str) -> Guard:
        """Make a dependency that asks for a refresh token of a login."""
        return self.token_required(login_type, type="refresh")

    def fresh_token_required(self, login_type: str) -> Guard:
        """Make a dependency that asks for an access token of a login that comes from an actual login."""
        return self.token_required(login_type, verify_fresh=True)

    # --- policies -------------------------------------------------------------------------------------

    def add_policy_rule(self, rule: PolicyRule) -> None:
        """Add a rule behind the others."""
        self.policy_engine.add_rule(rule)

    def add_policy_evaluator(self, evaluator: PolicyEvaluator) -> None:
        """Add a check that every rule must pass."""
        self.policy_engine.add_evaluator(evaluator)

    async def authorize(
        self,
        login_type: str,
        action: str,
        resource: str,
        *,
        payload: TokenPayload | None = None,
        request: Request | None = None,
        subject: Any = None,
        resource_attrs: Any = None,
        env: Mapping[str, Any] | None = None,
    ) -> TokenPayload:
        """See that the policies allow something, and give the claims of whoever does it.

        Args:
            login_type: the login that the token has to be of.
            action: what is done.
            resource: to what it is done.
            payload: the claims of a token that has been verified. Else the request's token is.
            request: the request in which it is done.
            subject: who does it; made of the claims if None.
            resource_attrs: what the resource is like.
            env: more of the circumstances; see :func:`~authx.auth.policy.build_policy_environment`.

        Raises:
            PolicyDeniedError: they do not, or there is neither a payload nor a request.
            PolicyEvaluationError: they cannot be judged.
            AuthXException: the token will not do.
        """
        if payload is not None:
            _check_login_type(payload, login_type)
        elif request is not None:
            payload = await self._admit(login_type, request, Terms())
        else:
            raise PolicyDeniedError("A policy needs a request or a token to judge", login_type=login_type)
        decision = await self.policy_engine.evaluate(
            PolicyContext(
                login_type=login_type,
                action=action,
                resource=resource,
                payload=payload,
                request=request,
                subject=default_subject_from_payload(payload) if subject is None else subject,
                resource_attrs={} if resource_attrs is None else resource_attrs,
                environment=build_policy_environment(request, env),
            )
        )
        if not decision.allowed:
            raise PolicyDeniedError(decision.reason, login_type=login_type)
        return payload

    def policy_required(
        self,
        login_type: str,
        action: str,
        resource: str,
        *,
        subject: Any = None,
        resource_attrs: Any = None,
        env: Mapping[str, Any] | None = None,
    ) -> Guard:
        """Make a dependency that asks for an access token of a login, and for :meth:`authorize` to agree."""

        async def guard(request: Request, **_schemes: Any) -> TokenPayload:
            self.ensure_request_exception_handlers(request)
            return await self.authorize(
                login_type,
                action,
                resource,
                request=request,
                subject=subject,
                resource_attrs=resource_attrs,
                env=env,
            )

        return self._documented(guard, login_type, Terms())

    # --- inside ---------------------------------------------------------------------------------------

    def _documented(self, guard: Guard, login_type: str, terms: Terms) -> Guard:
        auth = self._logins.get(login_type)
        config = None if auth is None else auth.config
        return documented(guard, security_schemes(config, type=terms.type, locations=terms.locations))

    async def _admit(self, login_type: str, request: Request, terms: Terms) -> TokenPayload:
        auth = self.get(login_type)
        token = await find_current(auth, request, terms)
        try:
            payload = verify_on_terms(auth, request, token, terms)
        except JWTDecodeError:
            self._check_others(login_type, token, terms)
            raise
        _check_login_type(payload, login_type)
        return await go_on(auth, request, payload)

    def _check_others(self, login_type: str, token: RequestToken, terms: Terms) -> None:
        """Raise :exc:`LoginTypeMismatchError` if a token is one of another login."""
        for other in self._logins.values():
            if other.login_type == login_type:
                continue
            try:
                payload = other.verify_token(token, verify_type=terms.verify_type, verify_csrf=False)
            except JWTDecodeError:
                continue
            # Whoever has the key of one login may write the name of another into a token. That makes it a
            # badly signed token of the latter, which the first error says.
            if payload.login_type not in {None, login_type}:
                _check_login_type(payload, login_type)


def _check_login_type(payload: TokenPayload, login_type: str) -> None:
    if payload.login_type != login_type:
        raise LoginTypeMismatchError(login_type, payload.login_type, login_type=login_type)
