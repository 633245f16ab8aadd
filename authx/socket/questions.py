"""What clients were asked and have not answered yet."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Literal

from authx.socket.audience import Reply
from authx.socket.connection import Connection

__all__ = ("Question", "Questions")


class Question:
    """An event that one connection is to acknowledge; called with the values of the acknowledgement."""

    def __init__(self, connection: Connection) -> None:
        self.sid = connection.sid
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._connection = connection

    def __call__(self, *values: Any) -> None:
        """Take the answer, if it is not known already that there is none."""
        self.end("answered", *values)

    def end(self, outcome: Literal["answered", "timeout", "left"], *values: Any) -> None:
        """Settle what came of it; only the first time counts."""
        if not self.reply.done():
            asked = self._connection
            self.reply.set_result(Reply(asked.sid, asked.user, asked.device, outcome, values))


class Questions:
    """The open questions, by the sid that is to answer."""

    def __init__(self) -> None:
        self._open: dict[str, set[Question]] = {}

    def put(self, connection: Connection) -> Question:
        """A question to ``connection``; open until it is withdrawn."""
        question = Question(connection)
        self._open.setdefault(connection.sid, set()).add(question)
        return question

    def leave(self, sid: str) -> None:
        """Expect no answer of a connection any more."""
        for question in self._open.pop(sid, ()):
            question.end("left")

    def withdraw(self, question: Question) -> None:
        """Forget a question."""
        siblings = self._open.get(question.sid, set())
        siblings.discard(question)
        if not siblings:
            self._open.pop(question.sid, None)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    @staticmethod
    async def replies(questions: Collection[Question], *, timeout: float) -> list[Reply]:
        """What came of ``questions``, in their order, after ``timeout`` seconds at most."""
        if questions:
            await asyncio.wait([question.reply for question in questions], timeout=timeout)
        for question in questions:
            question.end("timeout")
        return [question.reply.result() for question in questions]
