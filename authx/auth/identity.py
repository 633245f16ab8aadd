"""The identity: the value made from a verified credential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from authx.auth.scopes import has_scopes

__all__ = ("Claims", "Identity")


class Claims(Mapping[str, Any]):
    """A read-only view of a token's claims.

    Unlike ``types.MappingProxyType`` it can be copied and pickled, so ``dataclasses.asdict`` and
    FastAPI's encoder work on an :class:`Identity`.
    """

    __slots__ = ("_claims",)

    def __init__(self, claims: Mapping[str, Any] | None = None) -> None:
        self._claims: Mapping[str, Any] = {} if claims is None else claims

    def __getitem__(self, name: str) -> Any:
        return self._claims[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    def __repr__(self) -> str:
        return f"Claims({sorted(self._claims)})"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is on the other end, and what they may do.

    Equal and hashed by everything but the claims, which may hold values that cannot be hashed.
    """

    user: str
    """The person or machine named by the token's identity claim."""
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    session: str | None = None
    """The login session the token belongs to: claim ``session_id``, else ``sid``."""
    token_id: str | None = None
    """Claim ``jti``."""
    issued_at: float | None = None
    """Unix seconds."""
    expires_at: float | None = None
    """Unix seconds; None is never."""
    login_type: str | None = None
    fresh: bool = False
    overridden: frozenset[str] = frozenset()
    """The names of the claims that are not the token's any more: its rights were changed since."""
    claims: Mapping[str, Any] = field(default_factory=Claims, repr=False, compare=False)
    """All claims of the token, read-only; the rights among them are those of now."""

    @property
    def kept_claims(self) -> dict[str, Any]:
        """The claims that are the token's still."""
        return {name: value for name, value in self.claims.items() if name not in self.overridden}

    def has_scopes(self, *required: str, all_required: bool = True) -> bool:
        """Whether the scopes satisfy all (or any) of those required, wildcards included."""
        return has_scopes(self.scopes, *required, all_required=all_required)

    def has_roles(self, *required: str, all_required: bool = False) -> bool:
        """Whether any (or all) of the roles required are held."""
        quantifier = all if all_required else any
        return quantifier(role in self.roles for role in required)
