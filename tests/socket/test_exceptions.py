"""The table of codes."""

import inspect

import pytest

from authx.auth import exceptions as login
from authx.socket.exceptions import CODES, Denial, Refusal, SocketError, code_for

PUBLISHED = (
    "missing_token invalid_token token_expired token_revoked wrong_token_type csrf_failed origin_not_allowed "
    "fresh_token_required insufficient_scope insufficient_role policy_denied too_many_connections "
    "rate_limited validation_error unknown_event connect_timeout slow_consumer server_shutdown "
    "store_unavailable internal_error"
)


def test_the_codes_are_the_published_ones() -> None:
    assert set(CODES) == set(PUBLISHED.split())


def test_an_error_takes_its_words_from_the_table() -> None:
    error = Refusal("token_expired")

    assert (error.code, error.message, error.retry, error.details) == (
        "token_expired",
        "The token has expired",
        True,
        None,
    )
    assert str(error) == "token_expired: The token has expired"


def test_an_app_may_have_codes_and_words_of_its_own() -> None:
    error = Denial("out_of_stock", "Sold out", details={"left": 0}, retry=True)

    assert (error.code, error.message, error.retry, error.details) == (
        "out_of_stock",
        "Sold out",
        True,
        {"left": 0},
    )
    assert not Denial("out_of_stock").retry


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (login.MissingTokenError(), "missing_token"),
        (login.MissingCSRFTokenError(), "missing_token"),
        (login.JWTDecodeError(), "invalid_token"),
        (login.TokenExpiredError(), "token_expired"),
        (login.TokenInvalidSignatureError(), "invalid_token"),
        (login.TokenInvalidAudienceError(), "invalid_token"),
        (login.TokenInvalidIssuerError(), "invalid_token"),
        (login.RevokedTokenError(), "token_revoked"),
        (login.SessionRevoked(), "token_revoked"),
        (login.AccessTokenRequiredError(), "wrong_token_type"),
        (login.RefreshTokenRequiredError(), "wrong_token_type"),
        (login.LoginTypeMismatchError("admin"), "wrong_token_type"),
        (login.FreshTokenRequiredError(), "fresh_token_required"),
        (login.CSRFError(), "csrf_failed"),
        (login.InsufficientScopeError(required=["a"]), "insufficient_scope"),
        (login.PolicyDeniedError(), "policy_denied"),
        (login.RateLimitExceeded(1), "rate_limited"),
        (login.BadConfigurationError(), "internal_error"),
        (Denial("insufficient_role"), "insufficient_role"),
        (RuntimeError("boom"), "internal_error"),
    ],
)
def test_every_error_has_a_code(error: Exception, code: str) -> None:
    assert code_for(error) == code


def test_a_subclass_of_the_app_speaks_for_its_parent() -> None:
    class Mine(login.TokenExpiredError):
        pass

    assert code_for(Mine()) == "token_expired"


def test_a_code_that_is_made_from_an_error_is_in_the_table() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(login, inspect.isclass)
        if issubclass(kind, login.AuthXException)
    ]

    assert len(kinds) > 15
    assert {code_for(kind.__new__(kind)) for kind in kinds} <= set(CODES)
    assert issubclass(Refusal, SocketError)
