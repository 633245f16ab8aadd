"""Which scopes satisfy which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.scopes import has_scopes, satisfies

SCOPES = st.lists(st.sampled_from(["", "*", "a", "ab", "A", " a"]), min_size=1, max_size=4).map(":".join)


def reference(held: str, required: str) -> bool:
    """The rule, one segment at a time."""
    if held == required:
        return True
    *namespace, last = held.split(":")
    return bool(namespace) and last == "*" and required.split(":")[: len(namespace)] == namespace


@given(held=SCOPES, required=SCOPES)
def test_a_wildcard_covers_its_namespace_and_all_below(held: str, required: str) -> None:
    """Matching by prefix agrees with matching by segments."""
    assert satisfies(held, required) == reference(held, required)


@given(held=st.text(alphabet="a:*", max_size=6), required=st.text(alphabet="a:*", max_size=6))
def test_any_string_is_a_scope(held: str, required: str) -> None:
    """Empty segments and stray stars follow the same rule."""
    assert satisfies(held, required) == reference(held, required)


@given(provided=st.none() | st.lists(SCOPES, max_size=4), required=st.lists(SCOPES, min_size=1, max_size=4))
def test_all_or_any_of_those_required(provided: list[str] | None, required: list[str]) -> None:
    """All required scopes are satisfied by some held one, or any of them is."""
    answers = [any(reference(held, scope) for held in provided or ()) for scope in required]

    assert has_scopes(provided, *required) == all(answers)
    assert has_scopes(provided, *required, all_required=False) == any(answers)


@pytest.mark.parametrize(
    ("provided", "all_required", "answer"),
    [(None, True, True), (None, False, True), ([], True, True), ([], False, False), (["a"], False, False)],
)
def test_nothing_required(provided: list[str] | None, all_required: bool, answer: bool) -> None:
    """Any of none is satisfied only by a token without the claim."""
    assert has_scopes(provided, all_required=all_required) == answer


def test_a_bare_star_is_no_wildcard() -> None:
    """A token with the scope "*" may not do everything."""
    assert not satisfies("*", "a")
    assert not satisfies("*", "a:b")
    assert satisfies("*", "*")
