"""Waiting for what a server does after it has answered."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object], *, timeout: float = 5.0) -> None:
    """Give the loop turns until something holds; the clock only bounds the wait."""
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110 - what is waited for is the server's, and tells nobody
            await asyncio.sleep(0)
