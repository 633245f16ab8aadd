"""AuthX, put together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from authx.auth.config import AuthXConfig
from authx.auth.exceptions import (
    AccessTokenRequiredError,
    BadConfigurationError,
    CSRFError,
    FreshTokenRequiredError,
    JWTDecodeError,
    MissingTokenError,
    RateLimitExceeded,
    TokenExpiredError,
    TokenInvalidSignatureError,
)
from authx.auth.facade import AuthX
from authx.auth.schema import RequestToken
from authx.auth.types import TokenLocation, TokenType
from tests.auth.asking import asking, bearer, request
from tests.auth.asking import auth_of as auth
from tests.auth.forge import CLAIMS, NOW, OTHER_SECRET, SECRET, Clock, forge


def found(
    token: str, location: TokenLocation = "headers", kind: TokenType = "access", csrf: str | None = None
) -> RequestToken:
    return RequestToken(token=token, location=location, type=kind, csrf=csrf)


def test_the_config_is_made_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AuthX without a config reads the environment of its own moment, and shares nothing."""
    monkeypatch.setenv("JWT_SECRET_KEY", SECRET)
    first, second = AuthX[Any](), AuthX[Any]()

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
        AuthX[Any](AuthXConfig()).create_access_token("ada")
    with pytest.raises(JWTDecodeError):
        auth().verify_token(found(forge({"jti": "j"})))


def test_roles_claim() -> None:
    """The verifier looks for roles where the app says they are."""
    login = AuthX[Any](AuthXConfig(JWT_SECRET_KEY=SECRET), roles_claim="realm_access.roles")
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


async def test_sessions_in_tokens() -> None:
    """A token names the session it was made for, if any, and both of a pair the same."""
    login = auth()
    access = login.create_access_token("ada", session="s")
    refresh = login.create_refresh_token("ada", session="s")
    pair = login.create_token_pair("ada", session="p")

    assert login.verifier.identity(access).session == "s"
    assert login.verifier.claims(refresh, type="refresh")["session_id"] == "s"
    assert login.verifier.claims(pair.access_token)["session_id"] == "p"
    assert login.verifier.claims(pair.refresh_token, type="refresh")["session_id"] == "p"
    assert "session_id" not in login.verifier.claims(login.create_access_token("ada"))


async def test_requests() -> None:
    """A token is found for what it is wanted for; one that may be missing may be."""
    login = auth(login_type="admin", JWT_TOKEN_LOCATION=["query", "headers"])
    asked = request(query="token=t")

    assert (await login.get_access_token_from_request(asked)).type == "access"
    assert (await login.get_refresh_token_from_request(asked)).type == "refresh"
    optional = await login.get_token_from_request(asked, type="refresh")
    assert optional is not None
    assert optional.type == "refresh"
    assert await login.get_token_from_request(asked, locations=["headers"]) is None
    with pytest.raises(MissingTokenError) as caught:
        await login.get_token_from_request(request(), optional=False)
    assert caught.value.login_type == "admin"


async def test_current_subject() -> None:
    """The token is asked for first, then who it stands for."""
    login = auth()
    asked = request(headers=bearer(login.create_access_token("ada")))
    with pytest.raises(MissingTokenError):
        await login.get_current_subject(request())
    with pytest.raises(AttributeError, match=r"^Model callback not set"):
        await login.get_current_subject(request=asked)
    login.set_subject_getter(str.upper)
    assert await login.get_current_subject(request=asked) == "ADA"


async def test_guards_read_the_settings_when_they_are_asked() -> None:
    """A config that is loaded later counts for guards that were made before."""
    login = auth()
    guard = login.token_required()
    login.load_config(AuthXConfig(JWT_SECRET_KEY=OTHER_SECRET, JWT_TOKEN_LOCATION=["query"]))
    token = login.create_access_token("ada")

    assert (await guard(request=request(query=f"token={token}"))).sub == "ada"


async def test_rate_limited() -> None:
    """So many requests in a window, by whatever key the app says."""
    login = auth()
    guard = login.rate_limited(1, 60, lambda asked: asked.headers["user"])
    headers = bearer(login.create_access_token("ada"))

    assert (await guard(request(headers=headers | {"user": "a"}))).sub == "ada"
    assert (await guard(request(headers=headers | {"user": "b"}))).sub == "ada"
    with pytest.raises(RateLimitExceeded):
        await guard(request(headers=headers | {"user": "a"}))


def test_a_type_of_subject() -> None:
    """AuthX is generic in what stands for a user, as apps write it."""
    assert isinstance(AuthX[str](AuthXConfig(), model=None), AuthX)


async def test_the_name_of_the_message() -> None:
    """It is that of the setting, but only for those who set it."""
    for login, key in ((auth(), "message"), (auth(JWT_ERROR_MESSAGE_KEY="detail"), "detail")):
        app = FastAPI()
        login.handle_errors(app)

        @app.get("/", dependencies=[login.ACCESS_REQUIRED])
        async def root() -> None: ...

        async with asking(app) as client:
            assert (await client.get("/")).json() == {key: "Token Error", "error_type": "MissingTokenError"}
