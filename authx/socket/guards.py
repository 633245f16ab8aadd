"""Guards: who may send an event.

A guard is judged on the identity that the connection has at the time of the event. An anonymous connection
passes none of them but a rate limit.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from authx.auth.identity import Identity
from authx.auth.policy import PolicyContext, PolicyEngine, build_policy_environment
from authx.auth.schema import TokenPayload
from authx.socket.attachment import Attachable
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.signature import is_async
from authx.socket.thread import in_thread

__all__ = (
    "Check",
    "Guard",
    "as_guard",
    "guard",
    "require_fresh",
    "require_policy",
    "require_role",
    "require_scope",
)

logger = logging.getLogger(__name__)

_F = TypeVar("_F", bound=Callable[..., Any])

Check: TypeAlias = Callable[[Connection], object]
"""The app's own guard: None or True lets through, now or when awaited, and False does not."""


@runtime_checkable
class Guard(Protocol):
    """Lets an event of a connection through, or raises :class:`Denial`.

    As a decorator it guards a handler, or all handlers of a class.
    """

    def judge(self, connection: Connection) -> Awaitable[None] | None:
        """Raise :class:`Denial` unless ``connection`` may, now or when awaited."""

    def __call__(self, handler: _F, /) -> _F:
        """Guard ``handler``; gives back the same function or class."""


class _Requirement(Attachable):
    """Asks something of the identity; nobody passes without one."""

    def __init__(self, code: str, description: str, holds: Callable[[Identity], bool]) -> None:
        self._code = code
        self._description = description
        self._holds = holds

    def judge(self, connection: Connection) -> None:
        if connection.identity is None:
            raise Denial("missing_token")
        if not self._holds(connection.identity):
            raise Denial(self._code)

    def __repr__(self) -> str:
        return self._description


def require_scope(*scopes: str, all_required: bool = True) -> Guard:
    """Only identities that hold ``scopes``, by AuthX's rules (``admin:*`` holds ``admin:users``).

    Raises:
        ValueError: without a scope; such a guard would mean nothing.
    """
    if not scopes:
        raise ValueError("require_scope needs at least one scope")
    needed = frozenset(scopes)
    return _Requirement(
        "insufficient_scope",
        f"require_scope({', '.join(map(repr, scopes))}, all_required={all_required})",
        # Most tokens name what is asked for; wildcards are looked at only where they don't.
        lambda identity: needed <= identity.scopes or identity.has_scopes(*scopes, all_required=all_required),
    )


def require_role(*roles: str, all_required: bool = False) -> Guard:
    """Only identities that have one of ``roles``, or all of them with ``all_required``.

    Raises:
        ValueError: without a role.
    """
    if not roles:
        raise ValueError("require_role needs at least one role")
    return _Requirement(
        "insufficient_role",
        f"require_role({', '.join(map(repr, roles))}, all_required={all_required})",
        lambda identity: identity.has_roles(*roles, all_required=all_required),
    )


def require_fresh() -> Guard:
    """Only identities of a fresh token: one that was made by logging in, not by refreshing."""
    return _Requirement("fresh_token_required", "require_fresh()", lambda identity: identity.fresh)


class _Policy(Attachable):
    """Asks a policy engine."""

    def __init__(
        self, engine: PolicyEngine, action: str, resource: str | Callable[[Connection], str]
    ) -> None:
        self._engine = engine
        self._action = action
        self._resource = resource

    async def judge(self, connection: Connection) -> None:
        identity = connection.identity
        if identity is None:
            raise Denial("missing_token")
        resource = self._resource if isinstance(self._resource, str) else self._resource(connection)
        decision = await self._engine.evaluate(
            PolicyContext(
                login_type=identity.login_type or "",
                action=self._action,
                resource=resource,
                payload=_payload(identity),
                subject=_subject(identity),
                environment=build_policy_environment(
                    environment={"client_ip": connection.address, "namespace": connection.namespace}
                ),
            )
        )
        if not decision.allowed:
            raise Denial("policy_denied", decision.reason)

    def __repr__(self) -> str:
        return f"require_policy({self._action!r}, {self._resource!r})"


def require_policy(engine: PolicyEngine, action: str, resource: str | Callable[[Connection], str]) -> Guard:
    """Only who a policy lets do ``action`` to ``resource``.

    The subject of the rules is ``{sub, scopes, roles, login_type}``; their environment has ``time``,
    ``hour``, ``weekday``, ``client_ip`` and ``namespace``.

    Args:
        engine: Judges.
        action: What the event does, as the rules call it.
        resource: What it does it to; or says so of a connection.
    """
    return _Policy(engine, action, resource)


def _payload(identity: Identity) -> TokenPayload:
    known = {"sub": identity.user, "scopes": sorted(identity.scopes), "fresh": identity.fresh}
    return TokenPayload.model_validate({**identity.claims, **known})


def _subject(identity: Identity) -> dict[str, Any]:
    return {
        "sub": identity.user,
        "scopes": sorted(identity.scopes),
        "roles": sorted(identity.roles),
        "login_type": identity.login_type,
    }


class _Checked(Attachable):
    """Asks a function of the app's."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._is_async = is_async(check)

    async def judge(self, connection: Connection) -> None:
        if connection.identity is None:
            raise Denial("missing_token")
        verdict = self._check(connection) if self._is_async else await in_thread(self._check, connection)
        if isawaitable(verdict):
            verdict = await verdict
        if verdict is None or verdict is True:
            return
        if verdict is not False:
            # Half an answer is no permission: it may be a forgotten call or comparison.
            logger.error("%r denies: it gave neither True, False nor None but a %s", self, type(verdict))
        raise Denial("policy_denied")

    def __repr__(self) -> str:
        return f"guard({getattr(self._check, '__qualname__', self._check)})"


def guard(check: Check) -> Guard:
    """A guard of the app's own: any callable of a :class:`Connection`; a sync one runs in a thread.

    It lets through by giving None or True. It denies by giving False, with ``policy_denied``, or by raising
    :class:`Denial`; whatever else it gives or raises denies, too, and is logged.
    """
    return _Checked(check)


def as_guard(given: Guard | Check) -> Guard:
    """A guard as it is, and any other callable as :func:`guard` makes one of it."""
    return given if isinstance(given, Guard) else guard(given)
