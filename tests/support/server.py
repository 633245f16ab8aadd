"""An ASGI app on a free port of the loopback, in this process or in another one."""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def serving(
    app: Any, *, host: str = "127.0.0.1", port: int = 0, ws: str = "auto"
) -> AsyncIterator[str]:
    """Serve `app` in the test's own event loop and give its base URL; on a free port if none is named.

    The parts of `uvicorn.Server` are called one by one, so the server is up when the block starts, needs no
    task of its own and touches no signal handler. `ws` is uvicorn's websocket implementation.
    """
    # With the protocol named, asyncio turns Nagle's algorithm off, which would cost 40 ms for each answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Whoever served the port before may have left connections that the system remembers for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, ws=ws)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    try:
        await server.startup(sockets=[listener])
    except SystemExit:
        listener.close()
        raise RuntimeError("the app did not start; its log says why") from None
    await server.on_tick(0)
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        await _shut_down(server)


async def _shut_down(server: uvicorn.Server) -> None:
    """End as uvicorn does, but wait for the requests themselves; it looks every tenth of a second."""
    for listening in server.servers:
        listening.close()
    for connection in tuple(server.server_state.connections):
        connection.shutdown()
    if requests := tuple(server.server_state.tasks):
        _, unfinished = await asyncio.wait(requests, timeout=0.3)
        for request in unfinished:
            request.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
    await server.lifespan.shutdown()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    arguments: Sequence[str],
    *,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    timeout: float = 20.0,
) -> AsyncIterator[str]:
    """Run `python *arguments` as a process of its own and give the base URL it answers at.

    `{port}` in an argument stands for the port, as in `["-m", "uvicorn", "app:app", "--port", "{port}"]`.
    """
    port = free_port()
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            python,
            *(argument.replace("{port}", str(port)) for argument in arguments),
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=output,
            stderr=output,
        )
        try:
            async with asyncio.timeout(timeout):
                await _answers(process, port)
        except (TimeoutError, ChildProcessError) as error:
            await _end(process)
            output.seek(0)
            raise RuntimeError(f"{arguments} did not start:\n{output.read().decode()}") from error
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await _end(process)


async def _answers(process: asyncio.subprocess.Process, port: int) -> None:
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            # Another process cannot be awaited for its port; it is asked again shortly.
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await writer.wait_closed()
        return
    raise ChildProcessError(f"ended with {process.returncode}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 5.0)
    except TimeoutError:
        process.kill()
        await process.wait()
