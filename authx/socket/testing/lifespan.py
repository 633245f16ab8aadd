"""An app's lifespan, over the ASGI interface."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message

__all__ = ("Lifespan",)


class Lifespan:
    """Starts an app and ends it again, both in one task, as servers do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}
        """What the app's lifespan yielded, for the scope of each request."""

    async def start(self) -> None:
        """Start the app. One that knows no lifespan is taken as started, as servers do.

        Raises:
            RuntimeError: if it says that it failed to start.
            Exception: whatever it raised when it failed.
        """
        self._task = asyncio.create_task(self._run())
        await self._tell("lifespan.startup")
        if self._task.done():
            self._task.exception()
            self._task = None

    async def end(self) -> None:
        """End the app.

        Raises:
            RuntimeError: if it says that it failed to end.
            Exception: whatever it raised itself.
        """
        await self._tell("lifespan.shutdown")
        if self._task is not None:
            await self._task

    async def _tell(self, kind: str) -> None:
        if self._task is None or self._task.done():
            return
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": kind})
        answer = await self._answer
        if answer is not None and answer["type"].endswith(".failed"):
            await self._task
            raise RuntimeError(f"{kind} failed: {answer.get('message', '')}")

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._events.get, self._send)
        finally:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(None)

    async def _send(self, message: Message) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
