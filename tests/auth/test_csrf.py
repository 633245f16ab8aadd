"""The double-submit comparison."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx.auth.config import AuthXConfig
from authx.auth.csrf import check_csrf, demands_csrf
from authx.auth.exceptions import CSRFError

ANY_STR = st.text(alphabet=st.characters(exclude_categories=()), max_size=20)


@given(submitted=st.none() | ANY_STR, claim=st.none() | ANY_STR)
def test_only_the_same_value_matches(submitted: str | None, claim: str | None) -> None:
    """Two values match if they are the same and not empty, whatever characters they hold."""
    assert passes(submitted, claim) == (bool(submitted) and submitted == claim)


@given(submitted=st.none() | ANY_STR, claim=st.none() | ANY_STR)
def test_an_empty_value_counts_if_told_so(submitted: str | None, claim: str | None) -> None:
    """Then two values match if they are the same, and nothing still matches nothing."""
    assert passes(submitted, claim, empty_counts=True) == (submitted is not None and submitted == claim)


@given(value=ANY_STR)
def test_a_value_matches_itself(value: str) -> None:
    """Every value but the empty one matches itself."""
    assert passes(value, value) == (value != "")


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


@pytest.mark.parametrize(("method", "demanded"), [("POST", True), ("GET", False)])
def test_demands(method: str, demanded: bool) -> None:
    """The methods that change something demand the value, unless the protection is off."""
    assert demands_csrf(AuthXConfig(), method) is demanded
    assert not demands_csrf(AuthXConfig(JWT_COOKIE_CSRF_PROTECT=False), method)


def passes(submitted: str | None, claim: str | None, *, empty_counts: bool = False) -> bool:
    try:
        check_csrf(submitted, claim, empty_counts=empty_counts)
    except CSRFError:
        return False
    return True
