"""Takes users through login, refresh and logout between the two servers, in both directions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http.cookiejar import Cookie, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

import authx
from tests.auth.forge import KeyPair, ec_pair, rsa_pair
from tests.support.server import ROOT, running

UPSTREAM = ROOT / ".venv-authx171" / "bin" / "python"

USER = "ada@example.test Łódź"
ABOUT = {"sub": USER, "scopes": ["posts:*"], "role": "editor"}
REFRESHED = {**ABOUT, "role": None}
ALGORITHMS = ("HS256", "RS256", "ES256")

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not UPSTREAM.exists(), reason="AuthX 1.7.1 is not installed: run `make test`"),
]


def keys(algorithm: str, name: str) -> dict[str, str]:
    if algorithm == "HS256":
        return {"JWT_SECRET_KEY": f"the {name} secret of both servers, which is long enough"}
    pair: KeyPair = rsa_pair(name) if algorithm == "RS256" else ec_pair(name)
    return {"JWT_PRIVATE_KEY": pair.private, "JWT_PUBLIC_KEY": pair.public}


def settings(algorithm: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same login before its keys are changed, and after."""
    common = {
        "JWT_ALGORITHM": algorithm,
        "JWT_TOKEN_LOCATION": ["headers", "cookies"],
        "JWT_COOKIE_SECURE": False,
        "JWT_REFRESH_COOKIE_PATH": "/",
    }
    old, new = keys(algorithm, "old"), keys(algorithm, "new")
    previous = {
        name.replace("JWT_", "JWT_PREVIOUS_"): key for name, key in old.items() if name != "JWT_PRIVATE_KEY"
    }
    yield algorithm, {**common, **old}
    yield f"{algorithm}-rotated", {**common, **new, **previous}


@dataclass(frozen=True)
class Servers:
    upstream: str
    ours: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    folder = tmp_path_factory.mktemp("interop")
    (folder / "revoked").mkdir()
    cases = dict(case for algorithm in ALGORITHMS for case in settings(algorithm))
    (folder / "settings.json").write_text(json.dumps(cases))
    env = {
        "INTEROP_SETTINGS": str(folder / "settings.json"),
        "INTEROP_REVOKED": str(folder / "revoked"),
    }
    serve = ["-m", "uvicorn", "--factory", "--port", "{port}", "--log-level", "warning"]
    async with AsyncExitStack() as stack:
        # Without -P this folder, and with it our own authx, would come before the installed one.
        upstream = await stack.enter_async_context(
            running(
                ["-P", *serve, "--app-dir", str(Path(__file__).parent), "app:served"],
                python=str(UPSTREAM),
                env=env,
            )
        )
        ours = await stack.enter_async_context(running([*serve, "tests.interop_login.app:served"], env=env))
        yield Servers(upstream, ours)


class NoCookies(DefaultCookiePolicy):
    """Takes no cookie."""

    def set_ok(self, cookie: Cookie, request: Any) -> bool:
        return False


@dataclass(frozen=True)
class Journey:
    """A user's way: logged in by one server, sent to the other."""

    http: httpx.AsyncClient
    first: str
    second: str

    async def get(self, server: str, path: str, token: str | None = None) -> httpx.Response:
        return await self.http.get(f"{server}{path}", headers=bearer(token))

    async def post(self, server: str, path: str, token: str | None = None, **more: str) -> httpx.Response:
        return await self.http.post(f"{server}{path}", headers={**bearer(token), **more})

    async def login(self, server: str) -> Any:
        """Log in, and give what the answer says."""
        answer = await self.http.post(f"{server}/login", params={"uid": USER})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def both(self, path: str, token: str | None = None, *, method: str = "GET") -> tuple[int, Any]:
        """Status and body of an answer that is the same from both."""
        one, other = [
            await self.http.request(method, f"{server}{path}", headers=bearer(token))
            for server in (self.first, self.second)
        ]
        assert (one.status_code, one.json()) == (other.status_code, other.json())
        return one.status_code, one.json()


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@pytest_asyncio.fixture(
    loop_scope="module",
    params=[(algorithm, way) for algorithm in ALGORITHMS for way in ("to ours", "from ours")],
    ids=lambda param: f"{param[0]} {param[1]}",
)
async def journey(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Journey]:
    algorithm, way = request.param
    first, second = f"{servers.upstream}/{algorithm}", f"{servers.ours}/{algorithm}"
    if way == "from ours":
        first, second = second, first
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Journey(http, first, second)


@pytest.fixture
def stateless(journey: Journey) -> Journey:
    """The same without a cookie jar, as clients that keep their tokens themselves."""
    journey.http.cookies.jar.set_policy(NoCookies())
    return journey


async def test_they_are_who_they_should_be(servers: Servers) -> None:
    """One server runs the release from PyPI, the other this very code."""
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{servers.upstream}/version")).json() == "1.7.1"
        assert (await http.get(f"{servers.ours}/version")).json() == authx.__version__


async def test_by_header(stateless: Journey) -> None:
    """Tokens of one are good at the other, for the same things, until the user logs out."""
    journey = stateless
    tokens = await journey.login(journey.first)
    access, refresh = tokens["access_token"], tokens["refresh_token"]

    assert await journey.both("/me", access) == (200, ABOUT)
    assert await journey.both("/fresh", access) == (200, ABOUT)
    assert await journey.both("/posts", access) == (200, ABOUT)

    answer = await journey.post(journey.second, "/refresh", refresh)
    refreshed = answer.json()["access_token"]
    assert await journey.both("/me", refreshed) == (200, REFRESHED)
    assert await journey.both("/posts", refreshed) == (200, REFRESHED)

    assert (await journey.post(journey.first, "/logout", refreshed)).status_code == 200
    assert await journey.both("/me", refreshed) == (
        401,
        {"message": "Invalid token", "error_type": "RevokedTokenError"},
    )
    assert await journey.both("/me", access) == (200, ABOUT)


async def test_refused_alike(stateless: Journey) -> None:
    """What one refuses the other refuses, with the same status and the same words."""
    journey = stateless
    tokens = await journey.login(journey.first)
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    answer = await journey.post(journey.second, "/refresh", refresh)
    swapped = ".".join([*access.split(".")[:2], refresh.split(".")[2]])

    refusals = {
        "AccessTokenRequiredError": await journey.both("/me", refresh),
        "RefreshTokenRequiredError": await journey.both("/refresh", access, method="POST"),
        "FreshTokenRequiredError": await journey.both("/fresh", answer.json()["access_token"]),
        "InsufficientScopeError": await journey.both("/admin", access),
        "MissingTokenError": await journey.both("/me"),
        "TokenInvalidSignatureError": await journey.both("/me", swapped),
        "JWTDecodeError": await journey.both("/me", "nonsense"),
    }
    assert {name: body["error_type"] for name, (_, body) in refusals.items()} == {
        name: name for name in refusals
    }
    assert [status for status, _ in refusals.values()] == [401, 401, 401, 403, 401, 422, 422]


async def test_by_cookie(journey: Journey) -> None:
    """A browser that holds the cookies of one is known to the other, and safe from other pages at both."""
    jar = journey.http.cookies
    await journey.login(journey.first)
    assert await journey.both("/me") == (200, ABOUT)
    assert await journey.both("/me", method="POST") == (
        401,
        {"message": "Token Error", "error_type": "MissingTokenError"},
    )
    for server in (journey.first, journey.second):
        forged = await journey.post(server, "/me", **{"X-CSRF-TOKEN": jar["csrf_refresh_token"]})
        assert (forged.status_code, forged.json()["error_type"]) == (401, "CSRFError")
        meant = await journey.post(server, "/me", **{"X-CSRF-TOKEN": jar["csrf_access_token"]})
        assert (meant.status_code, meant.json()) == (200, ABOUT)

    before = dict(jar)
    answer = await journey.post(journey.second, "/refresh", **{"X-CSRF-TOKEN": jar["csrf_refresh_token"]})
    assert answer.status_code == 200, answer.text
    assert {name for name in before if jar[name] != before[name]} == {
        "access_token_cookie",
        "csrf_access_token",
    }
    assert await journey.both("/me") == (200, REFRESHED)

    logged_in = dict(jar)
    answer = await journey.post(journey.first, "/logout", **{"X-CSRF-TOKEN": jar["csrf_access_token"]})
    assert answer.status_code == 200, answer.text
    assert not jar
    assert (await journey.both("/me"))[1]["error_type"] == "MissingTokenError"
    jar.update(logged_in)
    assert (await journey.both("/me"))[1]["error_type"] == "RevokedTokenError"


async def test_logout_at_the_other(journey: Journey) -> None:
    """Cookies are dropped by the server that did not set them."""
    await journey.login(journey.first)
    jar = journey.http.cookies
    await journey.post(journey.second, "/logout", **{"X-CSRF-TOKEN": jar["csrf_access_token"]})

    assert not jar


async def test_rotation(stateless: Journey) -> None:
    """After a change of keys old tokens are read, and new ones are for those who have the new key only."""
    journey = stateless
    rotated = Journey(journey.http, f"{journey.first}-rotated", f"{journey.second}-rotated")
    old = await journey.login(journey.first)
    assert await rotated.both("/me", old["access_token"]) == (200, ABOUT)

    answer = await rotated.post(rotated.second, "/refresh", old["refresh_token"])
    new = answer.json()["access_token"]
    assert await rotated.both("/me", new) == (200, REFRESHED)
    assert (await journey.both("/me", new))[1]["error_type"] == "TokenInvalidSignatureError"

    await rotated.post(rotated.first, "/logout", old["access_token"])
    assert (await rotated.both("/me", old["access_token"]))[1]["error_type"] == "RevokedTokenError"
