"""The two ways a test serves an app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests.support.server import running, serving

PROGRAM = """
import sys, http.server
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


async def test_the_lifespan_has_started_before_the_block_and_ended_after_it() -> None:
    seen = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        seen.append("up")
        yield
        seen.append("down")

    app = FastAPI(lifespan=lifespan)
    app.get("/")(lambda: "hello")
    async with serving(app) as base_url, httpx.AsyncClient(trust_env=False) as http:
        assert seen == ["up"]
        assert (await http.get(base_url)).json() == "hello"

    assert seen == ["up", "down"]


async def test_an_app_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        (tmp_path / "missing").read_text()
        yield

    with pytest.raises(RuntimeError, match="did not start"):
        async with serving(FastAPI(lifespan=lifespan)):
            pass


async def test_another_process_answers_once_the_block_starts() -> None:
    async with running(["-c", PROGRAM, "{port}"]) as base_url, httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{base_url}/LICENSE")).status_code == 200


async def test_a_process_that_ends_at_once_shows_what_it_printed() -> None:
    with pytest.raises(RuntimeError, match="bad luck"):
        async with running(["-c", "raise SystemExit('bad luck')"]):
            pass
