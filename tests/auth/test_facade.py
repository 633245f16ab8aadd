"""AuthX, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import (
    AccessTokenRequiredError,
    BadConfigurationError,
    CSRFError,
    FreshTokenRequiredError,
    JWTDecodeError,
    TokenExpiredError,
    TokenInvalidSignatureError,
)
from authx.auth.facade import AuthX
from authx.auth.schema import RequestToken
from authx.auth.types import TokenLocation, TokenType
from tests.auth.forge import CLAIMS, NOW, OTHER_SECRET, SECRET, Clock, forge


def auth(clock: Clock | None = None, login_type: str | None = None, **settings: Any) -> AuthX:
    config = AuthXConfig(**{"JWT_SECRET_KEY": SECRET, **settings})
    return AuthX(config, login_type=login_type, clock=clock or Clock())


def found(
    token: str, location: TokenLocation = "headers", kind: TokenType = "access", csrf: str | None = None
) -> RequestToken:
    return RequestToken(token=token, location=location, type=kind, csrf=csrf)


def test_the_config_is_made_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AuthX without a config reads the environment of its own moment, and shares nothing."""
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    first, second = AuthX(), AuthX()

    assert first.config.JWT_SECRET_KEY == SECRET
    assert first.config is not second.config


def test_load_config() -> None:
    """Another config counts at once, also for those who hold the verifier."""
    login = auth()
    verifier = login.verifier
    login.load_config(AuthXConfig(JWT_SECRET_KEY=OTHER_SECRET, JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=5)))
    token = login.create_access_token("ada")

    assert login.config.JWT_SECRET_KEY == OTHER_SECRET
    assert login.verifier is verifier
    assert verifier.identity(token).expires_at == NOW + 5
    with pytest.raises(TokenInvalidSignatureError):
        verifier.identity(forge(CLAIMS))


def test_there_and_back() -> None:
    """What an AuthX makes it verifies, until it ends."""
    clock = Clock(NOW + 0.5)
    login = auth(clock, "admin")
    token = login.create_access_token("ada", True, None, timedelta(seconds=9), {"role": "x"}, None, ["a:*"])
    payload = login.verify_token(found(token), verify_fresh=True)

    assert (payload.sub, payload.scopes, payload.login_type) == ("ada", ["a:*"], "admin")
    assert payload.custom_claims == {"role": "x"}
    assert payload.expiry_datetime.timestamp() == NOW + 9.5
    clock.now = NOW + 9.5
    with pytest.raises(TokenExpiredError) as caught:
        login.verify_token(found(token))
    assert caught.value.login_type == login.login_type == "admin"


def test_further_arguments_are_ignored() -> None:
    """Apps pass more than there is."""
    login = auth()
    access = login.create_access_token("ada", False, None, None, None, None, None, "more", colour="red")
    refresh = login.create_refresh_token("ada", None, None, None, None, ["r"], "more", fresh=True)

    assert login.verify_token(found(access)).fresh is False
    assert login.verify_token(found(refresh, kind="refresh")).scopes == ["r"]


def test_pairs() -> None:
    """Headers, data and audience go into both tokens, freshness into the access token."""
    login = auth(JWT_DECODE_AUDIENCE="web")
    pair = login.create_token_pair(
        "ada",
        fresh=True,
        headers={"kid": "k"},
        access_expiry=timedelta(seconds=1),
        refresh_expiry=timedelta(seconds=2),
        data={"role": "x"},
        audience="web",
        access_scopes=["a"],
        refresh_scopes=["r"],
    )
    access = login.verifier.claims(pair.access_token)
    refresh = login.verifier.claims(pair.refresh_token, type="refresh")

    assert pair.token_type == "bearer"
    assert (access["role"], access["aud"], access["scopes"], access["exp"]) == ("x", "web", ["a"], NOW + 1)
    assert (refresh["role"], refresh["aud"], refresh["scopes"], refresh["exp"]) == (
        "x",
        "web",
        ["r"],
        NOW + 2,
    )
    assert access["fresh"]
    assert "fresh" not in refresh


def test_verify_token_expects_what_it_is_told() -> None:
    """Type and CSRF value are checked unless told otherwise, freshness only if told."""
    login = auth(JWT_TOKEN_LOCATION=["cookies"])
    refresh = login.create_refresh_token("ada")
    csrf = login.verifier.claims(refresh, type=None)["csrf"]

    login.verify_token(found(refresh, "cookies", "refresh", csrf))
    login.verify_token(found(refresh, "headers"), verify_type=False)
    login.verify_token(found(refresh, "cookies", "refresh"), verify_csrf=False)
    with pytest.raises(AccessTokenRequiredError):
        login.verify_token(found(refresh, "headers"))
    with pytest.raises(CSRFError):
        login.verify_token(found(refresh, "cookies", "refresh", "x"))
    with pytest.raises(FreshTokenRequiredError):
        login.verify_token(found(refresh, "headers", "refresh"), verify_fresh=True)


def test_faults() -> None:
    """A key is missed when a token is made, a subject when one is verified."""
    with pytest.raises(BadConfigurationError):
        AuthX(AuthXConfig()).create_access_token("ada")
    with pytest.raises(JWTDecodeError):
        auth().verify_token(found(forge({"jti": "j"})))


def test_roles_claim() -> None:
    """The verifier looks for roles where the app says they are."""
    login = AuthX(AuthXConfig(JWT_SECRET_KEY=SECRET), roles_claim="realm_access.roles")
    token = login.create_access_token("ada", data={"realm_access": {"roles": ["admin"]}})

    assert login.verifier.identity(token).roles == {"admin"}


def test_cookies() -> None:
    """Each kind of token has its cookies, and all can be unset at once."""
    login = auth(JWT_TOKEN_LOCATION=["cookies"])
    response = Response()
    login.set_access_cookies(login.create_access_token("ada"), response)
    login.set_refresh_cookies(login.create_refresh_token("ada"), response, max_age=5)
    login.unset_cookies(response)
    headers = response.headers.getlist("set-cookie")
    names = ["access_token_cookie", "csrf_access_token", "refresh_token_cookie", "csrf_refresh_token"]

    assert [header.split("=")[0] for header in headers] == names * 2
    assert ["Max-Age=5" in header for header in headers[:4]] == [False, False, True, True]
    assert all("Max-Age=0" in header for header in headers[4:])


async def test_no_blocklist() -> None:
    """Without a blocklist, and without a token, nothing is revoked."""
    login = auth()

    assert login.is_token_callback_set is False
    assert await login.is_token_in_blocklist("x") is False

    asked = auth()
    asked.set_token_blocklist(lambda token: True)
    assert asked.is_token_callback_set is True
    assert await asked.is_token_in_blocklist(None) is False


async def test_decorators() -> None:
    """Both setters work as decorators and leave the function as it was."""
    login = auth()

    @login.set_token_blocklist
    def first(token: str, **_: Any) -> bool:
        return token == "revoked"

    assert first("revoked")
    assert login.callback_is_token_in_blocklist is first
    assert await login.is_token_in_blocklist("revoked") is True
    assert await login.is_token_in_blocklist("good") is False

    @login.set_callback_token_blocklist
    async def second(token: str, *, tenant: str) -> bool:
        return token == tenant

    assert await second("t", tenant="t")
    assert await login.is_token_in_blocklist("t", tenant="t") is True


class Asking:
    """An object called and awaited."""

    async def __call__(self, token: str) -> bool:
        return token == "revoked"


def promising(token: str) -> Awaitable[bool]:
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    answer.set_result(token == "revoked")
    return answer


def delegating(token: str) -> Awaitable[bool]:
    return Asking()(token)


@pytest.mark.parametrize("callback", [Asking(), promising, partial(promising), delegating])
async def test_whatever_can_be_awaited_is(callback: Any) -> None:
    """An answer that has to be awaited is never taken for a yes."""
    login = auth()
    login.callback_is_token_in_blocklist = callback

    assert await login.is_token_in_blocklist("good") is False
    assert await login.is_token_in_blocklist("revoked") is True


async def test_the_blocklist_s_own_answers() -> None:
    """What the function gives comes back as it is; what it raises is not caught."""
    login = auth()
    login.set_token_blocklist(lambda token: None)
    assert await login.is_token_in_blocklist("x") is None

    def broken(token: str) -> bool:
        raise RuntimeError(token)

    login.set_token_blocklist(broken)
    with pytest.raises(RuntimeError, match="x"):
        await login.is_token_in_blocklist("x")
