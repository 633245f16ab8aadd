"""Scopes: which permissions a token holds, and which it thereby satisfies.

Case-sensitive, untrimmed, hierarchical by ``:``. A held ``users:*`` satisfies ``users`` itself and
everything below it. A bare ``*`` is an ordinary name, not a wildcard.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ("has_scopes", "satisfies")


def satisfies(held: str, required: str) -> bool:
    """Whether holding one scope is enough for another."""
    if held == required:
        return True
    if not held.endswith(":*"):
        return False
    return required == held[:-2] or required.startswith(held[:-1])


def has_scopes(provided: Collection[str] | None, *required: str, all_required: bool = True) -> bool:
    """Whether the scopes provided satisfy all (or, with ``all_required=False``, any) of those required.

    ``provided`` is None for a token without a ``scopes`` claim. Such a token satisfies an empty
    requirement in both modes, while a list, even an empty one, does not satisfy "any of none".
    """
    if provided is None:
        return not required
    quantifier = all if all_required else any
    return quantifier(
        scope in provided or any(satisfies(held, scope) for held in provided) for scope in required
    )
