"""The identity, a value."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from authx.auth.identity import Claims, Identity

ADA = Identity(
    "ada",
    scopes=frozenset({"chat:*"}),
    roles=frozenset({"admin", "staff"}),
    claims=Claims({"sub": "ada", "nested": {"list": [1]}}),
)


def test_frozen() -> None:
    """An identity does not change; another one is made."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        ADA.user = "eve"  # type: ignore[misc]
    with pytest.raises(TypeError):
        ADA.claims["sub"] = "eve"  # type: ignore[index]
    assert dataclasses.replace(ADA, user="eve").scopes == ADA.scopes


def test_equal_and_hashed_without_claims() -> None:
    """Identities are equal by who they are and what they may, so they can be kept in sets."""
    same = dataclasses.replace(ADA, claims=Claims({"sub": "ada"}))

    assert same == ADA
    assert len({same, ADA}) == 1
    assert dataclasses.replace(ADA, user="eve") != ADA


def test_repr_leaves_the_claims_out() -> None:
    """What is logged names the user, and none of the claims, the CSRF value among them."""
    identity = Identity("ada", claims=Claims({"csrf": "secret"}))

    assert "user='ada'" in repr(identity)
    assert "secret" not in repr(identity)
    assert "secret" not in repr(identity.claims)


def test_claims_are_a_mapping() -> None:
    """Claims are read like a dict."""
    claims = Claims({"a": 1, "b": None})

    assert claims["a"] == 1
    assert claims.get("c") is None
    assert list(claims) == ["a", "b"]
    assert len(claims) == 2
    assert claims == {"a": 1, "b": None}
    assert Identity("ada").claims == {}


def test_copied_and_pickled() -> None:
    """An identity goes through copy, pickle and asdict, claims included."""
    for other in (copy.deepcopy(ADA), pickle.loads(pickle.dumps(ADA))):
        assert other == ADA
        assert other.claims == ADA.claims
    assert dataclasses.asdict(ADA)["claims"] == ADA.claims


def test_scopes() -> None:
    """Scopes follow the wildcard rules; all are required unless any will do."""
    assert ADA.has_scopes("chat", "chat:write")
    assert not ADA.has_scopes("chat:write", "users")
    assert ADA.has_scopes("chat:write", "users", all_required=False)


def test_roles() -> None:
    """Roles are compared as they are; any is enough unless all are required."""
    assert ADA.has_roles("admin", "root")
    assert not ADA.has_roles("admin", "root", all_required=True)
    assert ADA.has_roles("admin", "staff", all_required=True)
    assert not ADA.has_roles("ADMIN")
    assert not ADA.has_roles()


def test_rights_that_were_changed() -> None:
    """Whether they are the token's is a part of what is compared."""
    assert not ADA.overridden
    changed = dataclasses.replace(ADA, overridden=frozenset({"roles"}), claims=Claims({"roles": [], "a": 1}))
    assert changed != ADA
    assert changed.kept_claims == {"a": 1}
