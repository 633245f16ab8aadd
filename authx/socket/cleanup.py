"""Dependencies with ``yield``: entered before the handler, cleaned up after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any

from authx.socket.thread import in_spare_thread, in_thread

__all__ = ("enter", "leave")

_Contexts = list[AbstractAsyncContextManager[Any]]


async def enter(
    call: Callable[..., Any], arguments: Mapping[str, Any], *, is_async: bool, entered: _Contexts
) -> Any:
    """Run a generator function up to its ``yield``, and give what it yields.

    Args:
        call: An async or a sync generator function; a sync one runs in threads.
        arguments: By keyword.
        is_async: Which of the two it is.
        entered: Takes what :func:`leave` has to clean up.
    """
    if is_async:
        context = asynccontextmanager(call)(**arguments)
        value = await context.__aenter__()
        entered.append(context)
        return value
    threaded = _Threaded(call, arguments)
    try:
        return await threaded.__aenter__()
    finally:
        # Also if this was cancelled while the thread went on.
        if threaded.entered:
            entered.append(threaded)


async def leave(entered: _Contexts, failure: BaseException | None) -> None:
    """Clean up, the last one first; each is shown the failure, if there is one.

    A dependency may put another failure in place of one. It can't make it undone: the others are shown it,
    and so is the client.

    Raises:
        BaseException: the failure that a dependency put in place of ``failure``, or of success.
    """
    shown = failure
    while entered:
        context = entered.pop()
        try:
            if shown is None:
                await context.__aexit__(None, None, None)
            else:
                await context.__aexit__(type(shown), shown, shown.__traceback__)
        except BaseException as error:  # noqa: BLE001 - raised below, when all are cleaned up
            shown = error
    if shown is not None and shown is not failure:
        raise shown


class _Threaded(AbstractAsyncContextManager[Any]):
    """A sync generator, in threads."""

    def __init__(self, call: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        self._context = contextmanager(call)(**arguments)
        self.entered = False

    def _enter(self) -> Any:
        value = self._context.__enter__()
        self.entered = True
        return value

    async def __aenter__(self) -> Any:
        return await in_thread(self._enter)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await in_spare_thread(self._context.__exit__, kind, error, traceback)
