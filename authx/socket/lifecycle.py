"""The transports of a server: opened, spoken to, and ended, whatever carries them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any

import engineio
from starlette.types import Scope

from authx.socket.anteroom import Anteroom
from authx.socket.engine_log import EngineLog
from authx.socket.environ import Environ
from authx.socket.pump import Pump
from authx.socket.transport import CLOSE, NOOP, Frame, Pace, Transport

__all__ = ("SLOW_CONSUMER", "Lifecycle")

SLOW_CONSUMER = "slow_consumer"
"""Why a transport ended: its client did not read what it was sent."""


class Lifecycle(engineio.AsyncServer):
    """What python-socketio sees of an Engine.IO server.

    Args:
        logger: Gets what happens to transports, without what clients wrote.
        linger: Seconds that a client has to take its leave, once it was closed.
        max_outbound_bytes: How much may wait to be sent to a client; over it, the client is cut off.
        max_unconnected_per_address: How many transports of one address may be open on which no connection
            has ever been admitted.
        options: Options of ``engineio.AsyncServer``.
    """

    def __init__(
        self,
        *,
        logger: logging.Logger,
        linger: float = 5.0,
        max_outbound_bytes: int = 1 << 20,
        max_unconnected_per_address: int = 100,
        **options: Any,
    ) -> None:
        # An empty list turns the base class's own origin check off.
        super().__init__(cors_allowed_origins=[], logger=EngineLog(logger), **options)
        self._linger = linger
        self._pace = Pace(self.ping_interval, self.ping_timeout, max_outbound_bytes)
        self._pump = Pump()
        self._anteroom = Anteroom(max_unconnected_per_address)
        self._endings: dict[str, Transport] = {}
        """By sid: transports that were closed, until their clients have heard so or the time is over."""
        self._tasks: set[asyncio.Task[None]] = set()

    # Opening ------------------------------------------------------------------------------------------

    async def _open(self, scope: Scope) -> Transport:
        """A new transport, of which python-socketio knows.

        Raises:
            OverflowError: if there are too many of its address.
        """
        client = scope.get("client")
        address = self._anteroom.enter(client[0] if client else None)
        transport = Transport(
            self.generate_id(), host=self, pace=self._pace, pump=self._pump, address=address
        )
        self.sockets[transport.sid] = transport
        websocket = scope["type"] == "websocket"
        interval = self.ping_interval + self.ping_interval_grace_period
        said = {
            "sid": transport.sid,
            "upgrades": ["websocket"] if self._may_upgrade and not websocket else [],
            "pingTimeout": round(self.ping_timeout * 1000),
            "pingInterval": round(interval * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        transport.put(f"0{json.dumps(said, separators=(',', ':'))}")
        try:
            await self.handlers["connect"](transport.sid, Environ(scope))
        except BaseException:
            self._forget(transport)
            raise
        transport.start()
        self.logger.info("%s: opened", transport.sid)
        return transport

    @property
    def _may_upgrade(self) -> bool:
        return self.allow_upgrades and "websocket" in self.transports

    def _cookie(self, transport: Transport) -> list[tuple[str, str]]:
        """The header that gives a client its sid as a cookie, if the app wants that."""
        if not self.cookie:
            return []
        cookie = self.cookie
        if isinstance(cookie, str):
            cookie = {"name": cookie, "path": "/", "SameSite": "Lax"}
        return [("set-cookie", self._generate_sid_cookie(transport.sid, cookie))]

    def admit(self, sid: str) -> None:
        """A connection was admitted on a transport: it counts as a stranger's no more."""
        transport = self.sockets.get(sid)
        if transport is not None:
            self._leave_anteroom(transport)

    def _leave_anteroom(self, transport: Transport) -> None:
        self._anteroom.leave(transport.address)
        transport.address = None

    # Messages -----------------------------------------------------------------------------------------

    async def _hear(self, transport: Transport, frame: Frame) -> None:
        """Deal with a frame that a client may send; what comes after the end is not heard."""
        if transport.closed:
            return
        transport.heard = True
        if isinstance(frame, bytes) or frame.startswith("4"):
            try:
                await self.handlers["message"](
                    transport.sid, frame if isinstance(frame, bytes) else frame[1:]
                )
            except Exception:
                self.logger.exception("message handler error")
                await self.drop(transport.sid)
        elif frame == "3":
            transport.pong()
        else:
            await self._close(transport, self.reason.CLIENT_DISCONNECT)

    async def send(self, sid: str, data: str | bytes) -> None:
        """Send a message to a client."""
        self.put(sid, f"4{data}" if isinstance(data, str) else bytes(data))

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send a packet of python-engineio's."""
        self.put(sid, pkt.encode())

    def put(self, sid: str, *frames: Frame) -> None:
        """Send the frames of a packet, without waiting for anybody; who is not there gets nothing.

        What is put is written in the loop's next turn.

        Args:
            sid: To whom.
            frames: As they are written: ``4`` and the text of a message, or its bytes.
        """
        transport = self.sockets.get(sid)
        if transport is not None:
            transport.put(*frames)

    # Ends ---------------------------------------------------------------------------------------------

    def went_silent(self, transport: Transport) -> None:
        """Close a transport that nothing came from."""
        self._spawn(self._close(transport, self.reason.PING_TIMEOUT))

    def fell_behind(self, transport: Transport) -> None:
        """Cut off a client that does not read what it is sent."""
        # The app is told why before the websocket's own end is noticed.
        self._spawn(self._end(transport, SLOW_CONSUMER))
        transport.cut()

    async def disconnect(self, sid: str | None = None) -> None:
        """Close a transport, or all of them."""
        for device in tuple(self.sockets) if sid is None else (sid,):
            await self.drop(device)

    async def drop(self, device: str, reason: str | None = None) -> None:
        """Close a transport after what is queued for it, whether or not the client takes its leave."""
        transport = self.sockets.get(device)
        if transport is None or transport.closed:
            return
        await self._close(transport, reason or self.reason.SERVER_DISCONNECT)
        if not transport.upgraded and not transport.polling:
            # The next poll gets the rest.
            self._endings[device] = transport
            transport.linger(self._linger, partial(self._let_go, transport))

    async def _close(self, transport: Transport, reason: str) -> None:
        """End a transport after what is queued for it; a poll that is not under way comes too late."""
        if transport.closed:
            return
        await self._end(transport, reason)
        # A client that leaves, or broke the protocol, has closed its side already.
        transport.put(NOOP if reason == self.reason.CLIENT_DISCONNECT else CLOSE)
        transport.finish()
        if transport.upgraded:
            self._endings[transport.sid] = transport
            transport.linger(self._linger, partial(self._let_go, transport))
        else:
            transport.release()

    async def _end(self, transport: Transport, reason: str) -> None:
        """Tell the app that a transport has ended, and take it out of the tables."""
        if transport.closed:
            return
        transport.closed = True
        transport.stop()
        self.logger.info("%s: closed", transport.sid)
        try:
            await self.handlers["disconnect"](transport.sid, reason)
        except Exception:
            self.logger.exception("disconnect handler error")
        finally:
            self._forget(transport)

    def _let_go(self, transport: Transport) -> None:
        """Wait no longer for a client to hear of the end."""
        self._endings.pop(transport.sid, None)
        transport.cut()

    def _forget(self, transport: Transport) -> None:
        self.sockets.pop(transport.sid, None)
        self._leave_anteroom(transport)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def shutdown(self) -> None:
        """Let those who were closed hear so, for a while, and forget them; again, it does nothing."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        endings = tuple(self._endings.values())
        websockets = [asyncio.ensure_future(ending.written()) for ending in endings if ending.upgraded]
        if websockets:
            await asyncio.wait(websockets, timeout=self._linger)
        for ending in endings:
            ending.cut()
        self._endings.clear()
