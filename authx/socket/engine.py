"""The Engine.IO server: what python-engineio does, less what a stranger should not get from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import engineio
from engineio.packet import MESSAGE, Packet
from engineio.payload import Payload
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from authx.socket.cors import cors_headers, read_cors_rules
from authx.socket.engine_log import EngineLog
from authx.socket.frames import readable, split_payload
from authx.socket.handshake import Handshake
from authx.socket.origin import OriginPolicy, own_origins

__all__ = ("Engine", "read_cors_rules", "read_handshake")


class Engine(engineio.AsyncServer):
    """Opens and closes transports.

    Who may connect is not decided here: every origin may open a transport, and hears at CONNECT, with a
    code, if it may not stay.

    Args:
        origins: Which pages may read an answer.
        logger: Gets what the base class has to say, without what clients wrote.
        linger: Seconds for which a polling client that was closed may still fetch what was queued for it.
        options: Options of ``engineio.AsyncServer``.
    """

    service_task_handle: asyncio.Task[None] | None
    service_task_event: asyncio.Event | None

    def __init__(
        self, *, origins: OriginPolicy, logger: logging.Logger, linger: float = 5.0, **options: Any
    ) -> None:
        # An empty list turns the base class's own origin check off.
        super().__init__(cors_allowed_origins=[], logger=EngineLog(logger), **options)
        self._origins = origins
        self._linger = linger
        self._deadlines: dict[str, asyncio.Timeout] = {}
        """By sid: when a websocket is closed that has not taken its polling session over by then."""
        self._endings: dict[str, Any] = {}
        """By sid: a polling session that was closed, until its client has heard so or the time is over."""

    # Requests -----------------------------------------------------------------------------------------

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or websocket.

        The base class is given only what it can deal with; all else is refused here, with 400.
        """
        opening = await receive()
        query = parse_qs(scope["query_string"].decode("latin-1"))
        sid = query.get("sid", [None])[0]
        objection = _objection(scope, opening, query)
        if objection is not None:
            await self._refuse(scope, send, objection)
        elif scope["type"] == "websocket":
            await self._serve_websocket(sid, scope, _resumed(opening, receive), send)
        elif scope["method"] == "POST":
            await self._take(sid, scope, _resumed(opening, receive), send)
        elif scope["method"] == "GET" and sid is not None:
            await self._give(sid, scope, receive, send)
        else:
            await super().handle_request(scope, _without_body(receive), send)

    async def _give(self, sid: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a poll."""
        ending = self._endings.pop(sid, None)
        if self._polling(sid) is not None:
            await super().handle_request(scope, _without_body(receive), send)
        elif ending is not None and (packets := _drained(ending.queue)):
            await self._answer(self._ok(packets), scope, send)
        else:
            await self._refuse(scope, send, "Invalid session")

    async def _take(self, sid: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the packets of a POST: all of them, or none and the transport ends."""
        socket = self._polling(sid)
        if socket is None:
            await self._refuse(scope, send, "Invalid session")
            return
        try:
            body = await _read_body(receive, self.max_http_buffer_size)
            frames = split_payload(body, most=Payload.max_decode_packets)
        except ValueError:
            await self.drop(socket.sid)
            await self._refuse(scope, send, "Invalid payload")
            return
        for frame in frames:
            text = isinstance(frame, str)
            await socket.receive(Packet(int(frame[0]), frame[1:]) if text else Packet(MESSAGE, frame))
        await self._answer(self._ok(), scope, send)

    async def _serve_websocket(self, sid: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        frames = readable(receive, limit=self.max_http_buffer_size)
        if sid is None:
            await super().handle_request(scope, frames, send)
            return
        socket = self._polling(sid)
        if socket is None or not self.allow_upgrades or sid in self._deadlines:
            await self._refuse(scope, send, "Invalid session")
            return

        async def receive_until_upgraded() -> Message:
            event = await frames()
            if event.get("text") == "5" and self._deadlines.pop(sid, None) is deadline:
                deadline.reschedule(None)
            return event

        try:
            async with asyncio.timeout(self.ping_timeout) as deadline:
                self._deadlines[sid] = deadline
                await super().handle_request(scope, receive_until_upgraded, send)
        except OSError:
            # Too late, or the client is gone: it may go on polling, or try again.
            pass
        finally:
            self._deadlines.pop(sid, None)
            if not socket.upgraded:
                # The base class forgets to say so, and to close the websocket.
                socket.upgrading = False
                with suppress(OSError, RuntimeError):
                    await send({"type": "websocket.close"})

    def _polling(self, sid: str | None) -> Any:
        """The open polling transport of a sid, or None."""
        socket = self.sockets.get(sid)
        return None if socket is None or socket.closed or socket.upgraded else socket

    async def _refuse(self, scope: Scope, send: Send, reason: str) -> None:
        await self._answer(self._bad_request(reason), scope, send)

    async def _answer(self, response: dict[str, Any], scope: Scope, send: Send) -> None:
        await self._make_response(response, {"asgi.scope": scope, "asgi.send": send})

    async def _make_response(self, response_dict: dict[str, Any], environ: Mapping[str, Any]) -> Any:
        # ASGI wants the names in lower case. The app's middleware finds no others, and would say twice
        # what may be said once.
        headers = [(name.lower(), value) for name, value in response_dict["headers"]]
        return await super()._make_response({**response_dict, "headers": headers}, environ)

    # Ends ---------------------------------------------------------------------------------------------

    async def disconnect(self, sid: str | None = None) -> None:
        """Close a transport, or all of them.

        The base class waits until the client has fetched everything, which a client may never do.
        """
        for device in tuple(self.sockets) if sid is None else (sid,):
            await self.drop(device)

    async def drop(self, device: str, reason: str | None = None) -> None:
        """Close a transport after what is queued for it, whether or not the client takes its leave."""
        socket = self.sockets.get(device)
        if socket is None or socket.closed:
            return
        await socket.close(wait=False, reason=reason)
        # Ends the writer, which closes the websocket.
        await socket.queue.put(None)
        if not socket.upgraded:
            # A poll that is under way gets the rest; without one, the next does.
            self._endings[device] = socket
            asyncio.get_running_loop().call_later(self._linger, self._endings.pop, device, None)

    def forget(self, device: str, *, end_poll: bool) -> None:
        """Take a closed transport out of the tables; the base class leaves that to its next sweep.

        Args:
            device: The transport.
            end_poll: Answer the poll that the client may have under way; it asked for the end itself.
        """
        socket = self.sockets.pop(device, None)
        if socket is None:
            return
        upgrade = self._deadlines.pop(device, None)
        # One that has just expired can't be changed any more.
        if upgrade is not None and not upgrade.expired():
            upgrade.reschedule(asyncio.get_running_loop().time())
        if end_poll:
            socket.queue.put_nowait(None)

    async def shutdown(self) -> None:
        """End the engine's task, and forget who has not heard of their end; again, it does nothing."""
        sweep = self.service_task_handle
        if sweep is not None:
            if self.service_task_event is None:
                # It makes the event itself, and has not begun to.
                sweep.cancel()
            else:
                self.service_task_event.set()
            await asyncio.gather(sweep, return_exceptions=True)
            # An app may be started again, as tests do: the first transport then starts the task again.
            self.service_task_handle = self.service_task_event = None
            self.start_service_task = True
        self._endings.clear()

    def _cors_headers(self, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The CORS headers for the page that asks; none for a page that may not connect."""
        scope = environ["asgi.scope"]
        return cors_headers(read_handshake(scope), scope.get("method"), self._origins)


def read_handshake(scope: Scope) -> Handshake:
    """What the ASGI scope of a request or websocket shows of the client."""
    connection = HTTPConnection(scope)
    return Handshake(
        headers=dict(connection.headers),
        cookies=connection.cookies,
        query=dict(connection.query_params),
        own_origins=own_origins(scope["scheme"], connection.headers),
        address=connection.client.host if connection.client else None,
    )


def _objection(scope: Scope, opening: Message, query: Mapping[str, list[str]]) -> str | None:
    """Why a request is refused before anybody looks at who sent it; None if it is not."""
    if opening["type"].endswith(".disconnect"):
        return "Nobody is there"
    if "j" in query:
        # A script element reads across origins, past every check that a browser makes.
        return "JSONP is not supported"
    websocket = scope["type"] == "websocket"
    if websocket is not (query.get("transport") == ["websocket"]):
        return "Invalid transport"
    if not websocket and Headers(scope=scope).get("upgrade", "").lower() == "websocket":
        # A server that knows no websockets passes the wish for one on, and the base class would grant it.
        return "Invalid transport"
    return None


def _resumed(opening: Message, receive: Receive) -> Receive:
    """``receive``, as it was before ``opening`` was taken from it."""
    pending = [opening]

    async def receive_resumed() -> Message:
        return pending.pop() if pending else await receive()

    return receive_resumed


def _without_body(receive: Receive) -> Receive:
    return _resumed({"type": "http.request", "body": b"", "more_body": False}, receive)


async def _read_body(receive: Receive, limit: int) -> bytes:
    """The body of a request, whatever it says of its length.

    Raises:
        ValueError: for a body of more than ``limit`` bytes, and for one that its client broke off.
    """
    body, more = bytearray(), True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            raise ValueError("the client is gone")
        body += event.get("body", b"")
        if len(body) > limit:
            raise ValueError("too much")
        more = event.get("more_body", False)
    return bytes(body)


def _drained(queue: asyncio.Queue[Any]) -> list[Any]:
    """What is left to say, without the mark of the end."""
    left = [queue.get_nowait() for _ in range(queue.qsize())]
    return [packet for packet in left if packet is not None]
