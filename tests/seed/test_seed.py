"""Every line of the seed's usage, in real processes."""

import asyncio
import os
import sys

from tests.support import wire
from tests.support.server import ROOT, running
from tests.support.valkey import valkey
from tests.support.wire import PacketType


def uvicorn(app: str) -> list[str]:
    return ["-m", "uvicorn", f"tests.seed.{app}:app", "--port", "{port}"]


async def test_handlers_and_emits_on_the_class_mean_the_one_instance() -> None:
    async with (
        running(uvicorn("on_the_class")) as url,
        wire.websocket(url) as client,
        wire.polling(url) as other,
    ):
        assert (await client.connect()).type is PacketType.CONNECT
        await other.connect()
        for event, told in (("join", "User joined"), ("leave", "User left")):
            assert await client.emit(event, "anything", {"at": "all"}) == []
            for each in (client, other):
                assert (await each.receive_event("lobby")).args == [told]


async def test_two_processes_and_an_emitter_in_a_third_over_redis() -> None:
    with valkey() as server:
        env = {"REDIS_URL": server.url}
        async with (
            running(uvicorn("over_redis"), env=env) as one_url,
            running(uvicorn("over_redis"), env=env) as other_url,
            wire.websocket(one_url) as one,
            wire.websocket(other_url) as other,
            wire.websocket(other_url) as outside,
        ):
            for client in (one, other, outside):
                await client.connect()
            for client in (one, other):
                await client.emit("join", "my room")
            # Each process has heard the other: only then is the listener of both known to be up.
            for speaker, listener in ((one, other), (other, one)):
                while True:
                    await speaker.emit("tell everybody", "ping")
                    try:
                        await listener.receive_event("told", timeout=0.5)
                        break
                    except TimeoutError:
                        continue
            emitter = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.seed.another_process", cwd=ROOT, env={**os.environ, **env}
            )
            assert await emitter.wait() == 0

            for client in (one, other):
                assert (await client.receive_event("my event")).args == [{"foo": "bar"}]
            assert outside.events("my event") == []
