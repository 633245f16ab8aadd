"""The door: places, origin, CSRF, verification, revocation; promises 2, 3 and 4 as rules."""

import datetime
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authx import AuthX, AuthXConfig
from authx.auth.identity import Identity
from authx.auth.sessions import InMemorySessionStore
from authx.auth.types import TokenLocation
from authx.socket.exceptions import CODES, Refusal
from authx.socket.handshake import Door, Entrant, Handshake, find_credential
from authx.socket.origin import OriginPolicy
from tests.support.logins import csrf_of, login

OWN = "https://app.test"


def shown(
    *,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Handshake:
    return Handshake(headers or {}, cookies or {}, query or {}, own_origins=frozenset({OWN}))


async def enter(auth: AuthX, handshake: Handshake, payload: Any = None, **options: Any) -> Identity | None:
    return (await Door(auth, OriginPolicy(), **options).identify(handshake, payload)).identity


async def refused(auth: AuthX, handshake: Handshake, payload: Any = None, **options: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await enter(auth, handshake, payload, **options)
    return caught.value.code


def at(place: str, auth: AuthX, token: str) -> tuple[Handshake, Any]:
    """The token in one place, with all that the place calls for."""
    match place:
        case "payload":
            return shown(), {"token": token}
        case "header":
            return shown(headers={"authorization": f"Bearer {token}"}), None
        case "cookie":
            return (
                shown(headers={"origin": OWN}, cookies={"access_token_cookie": token}),
                {"csrf_token": csrf_of(auth, token)},
            )
        case _:
            return shown(query={"token": token}), None


PLACES: dict[str, TokenLocation] = {
    "payload": "headers",
    "header": "headers",
    "cookie": "cookies",
    "query": "query",
}


@pytest.mark.parametrize("place", PLACES)
async def test_each_place_lets_a_good_token_in(place: str) -> None:
    auth = login(PLACES[place])
    token = auth.create_access_token("alice", scopes=["chat:write"], data={"roles": ["admin"]})

    identity = await enter(auth, *at(place, auth, token))

    assert identity is not None
    assert identity.user == "alice"
    assert identity.scopes == frozenset({"chat:write"})
    assert identity.roles == frozenset({"admin"})


@pytest.mark.parametrize("place", PLACES)
async def test_a_place_that_is_not_a_token_location_is_not_looked_at(place: str) -> None:
    other = login("cookies" if place != "cookie" else "headers")
    token = login("headers", "cookies").create_access_token("alice")

    assert await refused(other, *at(place, login("headers", "cookies"), token)) == "missing_token"


@pytest.mark.parametrize(
    ("first", "second"), [("payload", "header"), ("header", "cookie"), ("cookie", "query")]
)
async def test_the_first_place_decides_and_a_bad_credential_never_falls_through(
    first: str, second: str
) -> None:
    auth = login("headers", "cookies", "query")
    good = auth.create_access_token("alice")
    bad = auth.create_access_token("mallory", expiry=datetime.timedelta(seconds=-10))
    _, bad_payload = at(first, login("headers", "cookies", "query"), good)
    good_handshake, good_payload = at(second, auth, good)

    def both(token: str) -> tuple[Handshake, dict[str, Any]]:
        replaced = {
            "payload": {"token": token},
            "header": {"authorization": f"Bearer {token}"},
            "cookie": {"access_token_cookie": token},
        }[first]
        headers = {**good_handshake.headers, **(replaced if first == "header" else {})}
        cookies = {**good_handshake.cookies, **(replaced if first == "cookie" else {})}
        payload = {**(bad_payload or {}), **(good_payload or {}), **(replaced if first == "payload" else {})}
        return shown(headers=headers, cookies=cookies, query=good_handshake.query), payload

    assert await refused(auth, *both(bad), allow_anonymous=True) == "token_expired"
    assert await refused(auth, *both("garbage"), allow_anonymous=True) == "invalid_token"
    entered = await enter(auth, *both(good))
    assert entered is not None
    assert entered.user == "alice"


async def test_nothing_shown_is_a_refusal_unless_anonymous_connections_were_asked_for() -> None:
    auth = login()

    assert await refused(auth, shown()) == "missing_token"
    assert await refused(auth, shown(), {}) == "missing_token"
    assert await refused(auth, shown(), {"token": None}) == "missing_token"
    assert await enter(auth, shown(), allow_anonymous=True) is None


async def test_without_a_login_everybody_is_nobody_whatever_they_show() -> None:
    assert await Door(None, OriginPolicy()).identify(shown(), {"token": "anything"}) == Entrant()


async def test_a_namespace_may_let_in_nobodies_but_no_bad_credential() -> None:
    door = Door(login(), OriginPolicy())

    assert await door.identify(shown(), None, allow_anonymous=True) == Entrant()
    with pytest.raises(Refusal, match="missing_token"):
        await door.identify(shown(), None)
    with pytest.raises(Refusal, match="invalid_token"):
        await door.identify(shown(), {"token": "garbage"}, allow_anonymous=True)


@pytest.mark.parametrize("place", PLACES)
async def test_the_credential_comes_in_with_the_identity(place: str) -> None:
    auth = login(PLACES[place])
    token = auth.create_access_token("alice")

    entrant = await Door(auth, OriginPolicy()).identify(*at(place, auth, token))

    assert entrant.credential is not None
    assert (entrant.credential.token, entrant.credential.place) == (token, place)
    assert entrant.credential.csrf == (csrf_of(auth, token) if place == "cookie" else None)
    assert token not in repr(entrant)


@pytest.mark.parametrize("token", ["", " ", "Bearer", "Bearer ", "garbage", "a.b.c", 7, True, [], {}, b"x"])
async def test_a_token_that_is_no_token_is_a_refusal_and_never_anonymous(token: Any) -> None:
    assert await refused(login(), shown(), {"token": token}, allow_anonymous=True) == "invalid_token"


@pytest.mark.parametrize("payload", ["token", 7, ["token"], True])
async def test_a_payload_that_is_no_object_is_refused(payload: Any) -> None:
    assert await refused(login(), shown(), payload, allow_anonymous=True) == "validation_error"


async def test_refresh_tokens_never_open_a_socket() -> None:
    auth = login("headers", "cookies", "query")
    token = auth.create_refresh_token("alice")
    csrf = auth.verifier.claims(token, type="refresh")["csrf"]

    assert await refused(auth, shown(), {"token": token}) == "wrong_token_type"
    assert await refused(auth, shown(headers={"authorization": f"Bearer {token}"})) == "wrong_token_type"
    assert await refused(auth, shown(query={"token": token})) == "wrong_token_type"
    cookie = shown(headers={"origin": OWN}, cookies={"access_token_cookie": token})
    assert await refused(auth, cookie, {"csrf_token": csrf}) == "wrong_token_type"


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}", "{}"])
async def test_the_scheme_of_the_header_may_be_in_any_case_or_missing(header: str) -> None:
    auth = login()
    token = auth.create_access_token("alice")

    identity = await enter(auth, shown(headers={"authorization": header.format(token)}))

    assert identity is not None


async def test_names_of_places_follow_the_configuration() -> None:
    auth = login(
        "headers",
        "cookies",
        "query",
        JWT_HEADER_NAME="X-Token",
        JWT_HEADER_TYPE="",
        JWT_ACCESS_COOKIE_NAME="at",
        JWT_QUERY_STRING_NAME="t",
        JWT_COOKIE_CSRF_PROTECT=False,
    )
    token = auth.create_access_token("alice")

    for handshake in (
        shown(headers={"x-token": token}),
        shown(cookies={"at": token}),
        shown(query={"t": token}),
    ):
        assert await enter(auth, handshake) is not None


# Promise 3: cookies need an origin, and the double-submit value ------------------------------------------


@pytest.mark.parametrize("value", [None, "", "wrong", "ü", 7, ["x"]])
async def test_a_cookie_without_the_right_csrf_value_is_refused(value: Any) -> None:
    auth = login("cookies")
    handshake, _ = at("cookie", auth, auth.create_access_token("alice"))

    assert await refused(auth, handshake, {"csrf_token": value}) == "csrf_failed"
    assert await refused(auth, handshake, allow_anonymous=True) == "csrf_failed"


async def test_the_csrf_value_may_come_in_the_header() -> None:
    auth = login("cookies")
    token = auth.create_access_token("alice")
    headers = {"origin": OWN, "x-csrf-token": csrf_of(auth, token)}

    assert await enter(auth, shown(headers=headers, cookies={"access_token_cookie": token})) is not None


async def test_the_csrf_value_of_another_token_does_not_do() -> None:
    auth = login("cookies")
    handshake, _ = at("cookie", auth, auth.create_access_token("alice"))
    other = csrf_of(auth, auth.create_access_token("alice"))

    assert await refused(auth, handshake, {"csrf_token": other}) == "csrf_failed"


async def test_the_csrf_cookie_itself_proves_nothing() -> None:
    auth = login("cookies")
    token = auth.create_access_token("alice")
    cookies = {"access_token_cookie": token, "csrf_access_token": csrf_of(auth, token)}

    assert await refused(auth, shown(headers={"origin": OWN}, cookies=cookies)) == "csrf_failed"


async def test_a_token_minted_without_csrf_value_never_matches_an_empty_one() -> None:
    minted = login("headers").create_access_token("alice")
    auth = login("cookies")
    handshake = shown(headers={"origin": OWN}, cookies={"access_token_cookie": minted})

    assert await refused(auth, handshake, {"csrf_token": ""}) == "csrf_failed"


async def test_without_an_origin_a_cookie_still_needs_the_csrf_value() -> None:
    auth = login("cookies")
    token = auth.create_access_token("alice")
    handshake = shown(cookies={"access_token_cookie": token})

    assert await refused(auth, handshake) == "csrf_failed"
    assert await enter(auth, handshake, {"csrf_token": csrf_of(auth, token)}) is not None


async def test_a_cookie_from_a_foreign_origin_is_refused_even_with_the_right_csrf_value() -> None:
    auth = login("cookies")
    handshake, payload = at("cookie", auth, auth.create_access_token("alice"))
    foreign = shown(headers={"origin": "https://evil.test"}, cookies=handshake.cookies)

    assert await refused(auth, foreign, payload) == "origin_not_allowed"
    wildcard = Door(auth, OriginPolicy("*"))
    with pytest.raises(Refusal, match="origin_not_allowed"):
        await wildcard.identify(foreign, payload)


async def test_a_foreign_origin_is_refused_when_csrf_protection_is_off() -> None:
    auth = login("cookies", JWT_COOKIE_CSRF_PROTECT=False)
    cookies = {"access_token_cookie": auth.create_access_token("alice")}

    assert (
        await refused(auth, shown(headers={"origin": "https://evil.test"}, cookies=cookies))
        == "origin_not_allowed"
    )
    assert await enter(auth, shown(headers={"origin": OWN}, cookies=cookies)) is not None
    assert await enter(auth, shown(cookies=cookies)) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
async def test_a_browser_that_leaves_the_origin_out_is_believed_about_where_it_came_from(site: str) -> None:
    auth = login("cookies", JWT_COOKIE_CSRF_PROTECT=False)
    cookies = {"access_token_cookie": auth.create_access_token("alice")}

    assert (
        await refused(auth, shown(headers={"sec-fetch-site": site}, cookies=cookies)) == "origin_not_allowed"
    )
    for harmless in ("same-origin", "none"):
        assert await enter(auth, shown(headers={"sec-fetch-site": harmless}, cookies=cookies)) is not None


async def test_a_token_of_a_page_needs_an_allowed_origin_but_may_use_the_wildcard() -> None:
    auth = login()
    payload = {"token": auth.create_access_token("alice")}
    foreign = shown(headers={"origin": "https://spa.test"})

    assert await refused(auth, foreign, payload) == "origin_not_allowed"
    assert await Door(auth, OriginPolicy("*")).identify(foreign, payload) is not None


async def test_an_anonymous_page_needs_an_allowed_origin_too() -> None:
    foreign = shown(headers={"origin": "https://spa.test"})

    assert await refused(login(), foreign, allow_anonymous=True) == "origin_not_allowed"
    with pytest.raises(Refusal, match="origin_not_allowed"):
        await Door(None, OriginPolicy()).identify(foreign, None)


# Promise 2: fail closed ----------------------------------------------------------------------------------


async def test_a_revoked_token_is_refused() -> None:
    auth = login()
    token = auth.create_access_token("alice")
    auth.set_token_blocklist(lambda candidate: candidate == token)

    assert await refused(auth, shown(), {"token": token}) == "token_revoked"
    assert await enter(auth, shown(), {"token": auth.create_access_token("alice")}) is not None


async def test_a_token_whose_session_has_ended_is_refused() -> None:
    auth = login(JWT_SESSION_TRACKING=True)
    auth.set_session_store(InMemorySessionStore())
    session = await auth.create_session("alice")
    payload = {"token": auth.create_access_token("alice", session=session.session_id)}
    entered = await enter(auth, shown(), payload)
    assert entered is not None
    assert entered.session == session.session_id

    await auth.revoke_session(session.session_id)

    assert await refused(auth, shown(), payload) == "token_revoked"


async def test_a_blocklist_that_fails_is_a_refusal() -> None:
    auth = login()

    @auth.set_token_blocklist
    async def broken(token: str) -> bool:
        raise ConnectionError("the store is down")

    assert await refused(auth, shown(), {"token": auth.create_access_token("alice")}) == "store_unavailable"


async def test_a_configuration_without_key_is_a_refusal_with_the_cause_kept_for_the_log() -> None:
    token = login().create_access_token("alice")

    with pytest.raises(Refusal) as caught:
        await enter(AuthX(AuthXConfig()), shown(), {"token": token})

    assert caught.value.code == "internal_error"
    assert caught.value.__cause__ is not None


async def test_a_refusal_says_nothing_of_the_token() -> None:
    with pytest.raises(Refusal) as caught:
        await enter(login(), shown(), {"token": "secret.token.here"})

    assert caught.value.__cause__ is None
    assert "secret" not in f"{caught.value}{caught.value!r}{caught.value.details}"


def test_secrets_stay_out_of_the_repr() -> None:
    handshake = shown(
        headers={"authorization": "Bearer s3cret"}, cookies={"c": "s3cret"}, query={"token": "s3cret"}
    )
    credential = find_credential(handshake, {"token": "s3cret"}, AuthXConfig())

    assert credential is not None
    assert "s3cret" not in f"{handshake!r}{credential!r}"


texts = st.text(max_size=20)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(["token", "csrf_token"]), inner)
    ),
    max_leaves=8,
)


@given(
    headers=st.dictionaries(
        st.sampled_from(["authorization", "origin", "x-csrf-token", "sec-fetch-site"]), texts
    ),
    cookies=st.dictionaries(st.sampled_from(["access_token_cookie", "csrf_access_token"]), texts),
    query=st.dictionaries(st.sampled_from(["token"]), texts),
    payload=anything,
)
async def test_whatever_a_stranger_shows_it_ends_in_a_coded_refusal(
    headers: dict[str, str], cookies: dict[str, str], query: dict[str, str], payload: Any
) -> None:
    auth = login("headers", "cookies", "query")

    assert await refused(auth, shown(headers=headers, cookies=cookies, query=query), payload) in CODES
