"""The clock of tests."""

import time
from datetime import timedelta

from authx import AuthX, AuthXConfig
from authx.socket.testing import ManualClock


def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(100.0)

    assert (clock(), clock()) == (100.0, 100.0)
    clock.advance(0.5)
    assert clock() == 100.5


def test_it_starts_now() -> None:
    assert time.time() - 60 < ManualClock()() <= time.time()


def test_a_token_is_over_when_it_says_so() -> None:
    clock = ManualClock()
    auth = AuthX(AuthXConfig(JWT_SECRET_KEY="k" * 64), clock=clock)
    token = auth.create_access_token("alice", expiry=timedelta(seconds=60))

    assert clock() % 1 == 0
    assert auth.verifier.claims(token)["exp"] == clock() + 60


def test_a_login_takes_it() -> None:
    auth = AuthX(AuthXConfig(JWT_SECRET_KEY="k" * 64), clock=ManualClock(1000.0))

    assert auth.verifier.claims(auth.create_access_token("alice"))["iat"] == 1000.0
