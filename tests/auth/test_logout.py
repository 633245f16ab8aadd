"""Logging out ends what a request shows, and nothing that it cannot prove to be its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from authx.auth.exceptions import CSRFError
from authx.auth.facade import AuthX
from authx.auth.revocation import Revocation
from authx.auth.sessions import InMemorySessionStore
from tests.auth.asking import asking, auth_of, bearer, request
from tests.auth.forge import CLAIMS, NOW, OTHER_SECRET, Clock, forge

COOKIES = ["access_token_cookie", "csrf_access_token", "refresh_token_cookie", "csrf_refresh_token"]


class Ended(list[Revocation]):
    """What was ended, as it was written down."""

    async def add(self, revocation: Revocation, *, until: float | None) -> None:
        self.append(revocation)

    async def find(self, identities: Any) -> list[bool]:
        return [any(known.covers(identity) for known in self) for identity in identities]


def login(clock: Clock | None = None, login_type: str | None = None, **settings: Any) -> AuthX[Any]:
    everywhere = {"JWT_TOKEN_LOCATION": ["headers", "cookies", "json", "query"]}
    auth = auth_of(clock, login_type, **{**everywhere, **settings})
    auth.revocations = Ended()
    return auth


def ended(auth: AuthX[Any]) -> list[Any]:
    """The tokens and sessions that were ended, by their names."""
    assert isinstance(auth.revocations, Ended)
    return sorted(known.token_id or known.session or "" for known in auth.revocations)


def app_of(auth: AuthX[Any]) -> FastAPI:
    app = FastAPI()

    @app.api_route("/logout", methods=["GET", "POST"])
    async def logout(request: Request, response: Response) -> None:
        await auth.logout(request, response)

    return app


async def sent(
    auth: AuthX[Any], method: str = "POST", cookies: Mapping[str, str] | None = None, **how: Any
) -> tuple[int, list[str]]:
    """The status, and which cookies are removed."""
    async with asking(app_of(auth), cookies) as client:
        answer = await client.request(method, "/logout", **how)
    headers = answer.headers.get_list("set-cookie")
    assert all("Max-Age=0" in header for header in headers)
    return answer.status_code, [header.partition("=")[0] for header in headers]


DONE = (200, COOKIES)
REFUSED: tuple[int, list[str]] = (401, [])


def csrf_of(auth: AuthX[Any], token: str) -> str:
    value: str = auth.verifier.own_claims(token)["csrf"]
    return value


def jti_of(auth: AuthX[Any], token: str) -> str:
    value: str = auth.verifier.own_claims(token)["jti"]
    return value


async def test_nobody_is_logged_in() -> None:
    """There is nothing to end, and cookies that are not sent here are removed all the same."""
    auth = login()

    assert await sent(auth) == DONE
    assert ended(auth) == []


@pytest.mark.parametrize("place", ["headers", "query", "json"])
async def test_a_token_is_ended_wherever_it_is(place: str) -> None:
    """By itself, if it names no session."""
    auth = login()
    token = auth.create_access_token("ada")
    how: dict[str, Any] = {
        "headers": {"headers": bearer(token)},
        "query": {"params": {"token": token}},
        "json": {"json": {"access_token": token}},
    }[place]

    assert await sent(auth, **how) == DONE
    assert ended(auth) == [jti_of(auth, token)]


async def test_only_the_places_of_the_settings() -> None:
    auth = login(JWT_TOKEN_LOCATION=["headers"])
    await sent(auth, params={"token": auth.create_access_token("ada")})

    assert ended(auth) == []


async def test_both_tokens() -> None:
    """The refresh token would otherwise bring the login back."""
    auth = login()
    pair = auth.create_token_pair("ada")

    assert (
        await sent(auth, json={"access_token": pair.access_token, "refresh_token": pair.refresh_token})
        == DONE
    )
    assert ended(auth) == sorted([jti_of(auth, pair.access_token), jti_of(auth, pair.refresh_token)])


async def test_a_refresh_token_alone() -> None:
    """In the header, where both are looked for."""
    auth = login()
    token = auth.create_refresh_token("ada")

    assert await sent(auth, headers=bearer(token)) == DONE
    assert ended(auth) == [jti_of(auth, token)]


async def test_every_place_is_looked_at() -> None:
    """What is shown in the second place is shown, too, and its cookie is removed."""
    auth = login()
    token, other = auth.create_access_token("ada"), auth.create_access_token("bob")
    headers = {**bearer(token), "X-CSRF-TOKEN": csrf_of(auth, other)}

    assert await sent(auth, cookies={"access_token_cookie": other}, headers=headers) == DONE
    assert ended(auth) == sorted([jti_of(auth, token), jti_of(auth, other)])


async def test_the_session_of_both_is_ended_once() -> None:
    """With all of its tokens, those that are not here among them."""
    auth = login()
    auth.set_session_store(InMemorySessionStore())
    session = await auth.create_session("ada")
    pair = auth.create_token_pair("ada", session=session.session_id)
    body = {"access_token": pair.access_token, "refresh_token": pair.refresh_token}

    assert await sent(auth, json=body) == DONE
    assert ended(auth) == [session.session_id]
    assert await auth.list_sessions("ada") == []


async def test_again() -> None:
    """Who is logged out may log out."""
    auth = login()
    token = auth.create_access_token("ada")

    for _ in range(2):
        assert await sent(auth, headers=bearer(token)) == DONE


@pytest.mark.parametrize(
    "token",
    [
        "junk",
        forge(CLAIMS | {"exp": NOW}),
        forge(CLAIMS, secret=OTHER_SECRET),
        forge(CLAIMS | {"aud": "others"}),
        forge(CLAIMS | {"login_type": "user"}),
        forge(CLAIMS),
    ],
)
@pytest.mark.parametrize("place", ["header", "cookie"])
async def test_what_will_not_do_is_nothing_to_end(place: str, token: str) -> None:
    """A token that is over, or not of this login; and its cookie needs no proof to be removed."""
    auth = login(login_type="admin")
    where: dict[str, Any] = {"headers": bearer(token)}
    if place == "cookie":
        where = {"cookies": {"access_token_cookie": token, "refresh_token_cookie": token}}

    assert await sent(auth, **where) == DONE
    assert ended(auth) == []


# --- cookies ----------------------------------------------------------------------------------------------


def in_cookies(auth: AuthX[Any], **options: Any) -> tuple[dict[str, str], str, str]:
    """Cookies of a login, and the CSRF values of the two tokens."""
    pair = auth.create_token_pair("ada", session="s", **options)
    cookies = {"access_token_cookie": pair.access_token, "refresh_token_cookie": pair.refresh_token}
    return cookies, csrf_of(auth, pair.access_token), csrf_of(auth, pair.refresh_token)


async def test_either_value_will_do() -> None:
    """Both travel in one header, and whoever can read one can read the other."""
    for which in (1, 2):
        auth = login()
        shown = in_cookies(auth)

        assert await sent(auth, cookies=shown[0], headers={"X-CSRF-TOKEN": str(shown[which])}) == DONE
        assert ended(auth) == ["s"]


@pytest.mark.parametrize("value", [None, "", "wrong", "ä"])
@pytest.mark.parametrize("dropped", [None, "access_token_cookie", "refresh_token_cookie"])
async def test_a_page_elsewhere_logs_nobody_out(value: str | None, dropped: str | None) -> None:
    """Without the value nothing is ended, and no cookie is removed."""
    auth = login()
    cookies, _, _ = in_cookies(auth)
    cookies.pop(dropped or "", None)
    headers = {} if value is None else {"X-CSRF-TOKEN": value.encode("latin-1")}

    assert await sent(auth, cookies=cookies, headers=headers) == REFUSED
    assert ended(auth) == []


async def test_a_token_of_somebody_else_opens_no_cookie() -> None:
    """A page elsewhere may show a token of its own in a place that needs no proof: then nothing is ended."""
    auth = login()
    cookies, _, _ = in_cookies(auth)
    own = auth.create_access_token("eve")

    assert await sent(auth, cookies=cookies, params={"token": own}) == REFUSED
    stranger = {"access_token_cookie": cookies["access_token_cookie"], "refresh_token_cookie": "junk"}
    assert await sent(auth, cookies=stranger, headers={"X-CSRF-TOKEN": csrf_of(auth, own)}) == REFUSED
    assert ended(auth) == []


async def test_a_cookie_of_another_login_beside_its_own() -> None:
    """It proves nothing and disturbs nothing."""
    auth = login(login_type="admin")
    cookies, _, refresh_csrf = in_cookies(auth)
    mixed = cookies | {"access_token_cookie": login(login_type="user").create_access_token("ada")}

    assert await sent(auth, cookies=mixed, headers={"X-CSRF-TOKEN": "x"}) == REFUSED
    assert await sent(auth, cookies=mixed, headers={"X-CSRF-TOKEN": refresh_csrf}) == DONE
    assert ended(auth) == ["s"]


async def test_the_value_of_a_token_that_is_over() -> None:
    """After a break the access token is over, and the page has its value; the refresh token is ended."""
    clock = Clock()
    auth = login(clock)
    cookies, access_csrf, _ = in_cookies(auth)
    clock.now += 3600

    assert await sent(auth, cookies=cookies) == REFUSED
    assert await sent(auth, cookies=cookies, headers={"X-CSRF-TOKEN": access_csrf}) == DONE
    assert ended(auth) == ["s"]


async def test_headers_of_their_own() -> None:
    """Each value in its own header, where the settings have two."""
    auth = login(JWT_REFRESH_CSRF_HEADER_NAME="X-REFRESH")
    cookies, access_csrf, refresh_csrf = in_cookies(auth)

    assert await sent(auth, cookies=cookies, headers={"X-REFRESH": access_csrf}) == REFUSED
    assert await sent(auth, cookies=cookies, headers={"X-REFRESH": refresh_csrf}) == DONE


async def test_the_value_in_a_form() -> None:
    """Where the settings look into forms."""
    auth = login(JWT_CSRF_CHECK_FORM=True)
    cookies, access_csrf, _ = in_cookies(auth)

    assert await sent(auth, cookies=cookies, data={"csrf_token": "x"}) == REFUSED
    assert await sent(auth, cookies=cookies, data={"csrf_token": access_csrf}) == DONE


@pytest.mark.parametrize(("method", "settings"), [("GET", {}), ("POST", {"JWT_COOKIE_CSRF_PROTECT": False})])
async def test_where_the_settings_demand_no_proof(method: str, settings: dict[str, Any]) -> None:
    """They may leave a method out, or leave it to the cookies' own attributes."""
    auth = login(**settings)
    pair = auth.create_token_pair("ada", session="s")
    status, removed = await sent(auth, method, {"access_token_cookie": pair.access_token})

    assert (status, len(removed)) == (200, 4 if not settings else 2)
    assert ended(auth) == ["s"]


async def test_a_token_for_headers_in_a_cookie() -> None:
    """Its empty value is none that a page could have read."""
    auth = login()
    token = auth_of().create_access_token("ada")

    assert await sent(auth, cookies={"access_token_cookie": token}, headers={"X-CSRF-TOKEN": ""}) == REFUSED


# --- failures ---------------------------------------------------------------------------------------------


class Down(Ended):
    """A store that takes down nothing of sessions."""

    async def add(self, revocation: Revocation, *, until: float | None) -> None:
        if revocation.session is not None:
            raise ConnectionError
        await super().add(revocation, until=until)


async def test_a_record_that_cannot_be_made() -> None:
    """Nobody is told that they are logged out; what else could be ended is."""
    auth = login()
    auth.revocations = Down()
    access = auth.create_access_token("ada", session="s")
    refresh = auth.create_refresh_token("ada")

    assert await sent(auth, json={"access_token": access, "refresh_token": refresh}) == (500, [])
    assert ended(auth) == [jti_of(auth, refresh)]


async def test_a_token_that_cannot_be_named() -> None:
    """A login that cannot be ended is not said to have been."""
    auth = login()
    token = forge({"sub": "ada", "exp": NOW + 60})
    with pytest.raises(ValueError, match="jti"):
        await auth.logout(request("POST", bearer(token)), Response())

    assert (await sent(auth, headers=bearer(token)))[1] == []


async def test_the_app_need_not_have_been_told() -> None:
    """A refusal is answered without ``handle_errors``, and raised where there is no app."""
    auth = login(login_type="admin")
    cookies, _, _ = in_cookies(auth)
    asked = request("POST", {"cookie": f"access_token_cookie={cookies['access_token_cookie']}"})
    with pytest.raises(CSRFError) as caught:
        await auth.logout(asked, Response())

    assert caught.value.login_type == "admin"


async def test_the_places_of_an_app_count() -> None:
    """An app that finds tokens in its own way logs out by the same."""

    class Own(AuthX[Any]):
        async def get_access_token_from_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            inner = type(request)(
                {**request.scope, "headers": [(b"authorization", request.headers["x-own"].encode())]}
            )
            return await super().get_access_token_from_request(inner, *args, **kwargs)

    auth = Own(auth_of().config, clock=Clock())
    auth.revocations = Ended()
    token = auth.create_access_token("ada", expiry=timedelta(seconds=60))
    await auth.logout(request("POST", {"x-own": f"Bearer {token}"}), Response())

    assert ended(auth) == [jti_of(auth, token)]


@pytest.mark.parametrize("mine", ["access", "refresh"])
async def test_a_value_speaks_for_the_tokens_of_its_own_user_only(mine: str) -> None:
    """A neighbour of the site can set a cookie of theirs beside mine, and knows its value."""
    auth = login(JWT_TOKEN_LOCATION=["cookies"])
    tokens = {
        "access": auth.create_access_token("ada" if mine == "access" else "mallory"),
        "refresh": auth.create_refresh_token("ada" if mine == "refresh" else "mallory"),
    }
    cookies = {f"{kind}_token_cookie": token for kind, token in tokens.items()}
    for token in tokens.values():
        assert await sent(auth, cookies=cookies, headers={"X-CSRF-Token": csrf_of(auth, token)}) == REFUSED
    assert ended(auth) == []

    both = {"refresh": auth.create_refresh_token("ada"), "access": auth.create_access_token("ada")}
    cookies = {f"{kind}_token_cookie": token for kind, token in both.items()}
    proof = {"X-CSRF-Token": csrf_of(auth, both[mine])}
    assert await sent(auth, cookies=cookies, headers=proof) == DONE
    assert ended(auth) == sorted(jti_of(auth, token) for token in both.values())
