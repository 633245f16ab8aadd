"""pytest fixtures for apps with an ``AuthXSocket``.

pytest loads this module in every run where authx is installed, so it imports nothing of authx until one of
the fixtures is asked for: a run that asks for none pays nothing, and measures the whole of authx if it
measures coverage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from authx.socket.testing import InMemoryBus, ManualClock, SocketTestClient

__all__ = ("socket_bus", "socket_client", "socket_clock")

_F = TypeVar("_F", bound=Callable[..., Any])


def _async_fixture(function: _F) -> _F:
    try:
        import pytest_asyncio
    except ImportError:
        # anyio's plugin takes asynchronous fixtures as they are.
        return pytest.fixture(function)  # type: ignore[return-value]
    return pytest_asyncio.fixture(function)  # type: ignore[return-value]


@pytest.fixture
def socket_clock() -> ManualClock:
    """A clock that the test moves: for ``AuthX(config, clock=socket_clock)`` in the ``app`` fixture."""
    from authx.socket.testing import ManualClock

    return ManualClock()


@pytest.fixture
def socket_bus() -> InMemoryBus:
    """What connects several nodes: ``AuthXSocket(app, client_manager=socket_bus.manager())`` for each."""
    from authx.socket.testing import InMemoryBus

    return InMemoryBus()


@_async_fixture
async def socket_client(app: Any) -> AsyncIterator[SocketTestClient]:
    """A :class:`SocketTestClient` of your fixture ``app``, started and ended with the test."""
    from authx.socket.testing import SocketTestClient

    async with SocketTestClient(app) as client:
        yield client
