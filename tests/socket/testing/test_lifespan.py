"""An app's beginning and end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from authx.socket.testing.lifespan import Lifespan


async def test_an_app_is_started_and_ended_in_one_task() -> None:
    happened: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        happened.append("start")
        yield {"answer": 42}
        happened.append("end")

    driven = Lifespan(FastAPI(lifespan=lifespan))
    await driven.start()
    assert (happened, driven.state) == (["start"], {"answer": 42})
    await driven.end()

    assert happened == ["start", "end"]


@pytest.mark.parametrize("when", ["start", "end"])
async def test_what_an_app_raises_comes_out(when: str) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if when == "start":
            raise LookupError(when)
        yield
        raise LookupError(when)

    driven = Lifespan(FastAPI(lifespan=lifespan))
    if when == "end":
        await driven.start()
    with pytest.raises(LookupError, match=when):
        await (driven.start() if when == "start" else driven.end())


async def test_an_app_that_only_says_that_it_failed_is_heard_too() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="no database"):
        await Lifespan(app).start()


async def test_an_app_that_knows_no_lifespan_is_taken_as_it_is() -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        assert scope["type"] != "lifespan"

    driven = Lifespan(app)
    await driven.start()
    await driven.end()
