"""The double-submit comparison."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.csrf import check_csrf, csrf_matches
from authx.auth.exceptions import CSRFError

ANY_STR = st.text(alphabet=st.characters(exclude_categories=()), max_size=20)


@given(submitted=st.none() | ANY_STR, claim=st.none() | ANY_STR)
def test_only_the_same_value_matches(submitted: str | None, claim: str | None) -> None:
    """Two values match if they are the same and not empty, whatever characters they hold."""
    assert csrf_matches(submitted, claim) == (bool(submitted) and submitted == claim)


@given(value=ANY_STR)
def test_a_value_matches_itself(value: str) -> None:
    """Every value but the empty one matches itself."""
    assert csrf_matches(value, value) == (value != "")


@pytest.mark.parametrize("claim", [None, "", "x"])
@pytest.mark.parametrize("submitted", [None, ""])
def test_nothing_sent_along(submitted: str | None, claim: str | None) -> None:
    """Without a value sent along the check fails, also where the token has none."""
    with pytest.raises(CSRFError, match="CSRF token is missing"):
        check_csrf(submitted, claim)


@pytest.mark.parametrize("claim", [None, "", "y", "ä"])
def test_another_value(claim: str | None) -> None:
    """A value that is not the token's own fails the check."""
    with pytest.raises(CSRFError, match="CSRF double submit does not match"):
        check_csrf("x", claim)


def test_the_same_value() -> None:
    """The token's own value passes, also beyond ASCII."""
    check_csrf("é", "é")
