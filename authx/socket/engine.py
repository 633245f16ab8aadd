"""The Engine.IO server: what comes by HTTP and over websockets, to the letter of the protocol.

Of python-engineio, the options, the sids and the face that python-socketio talks to are left. How requests
are answered and frames are carried is our own: the base class spends tasks and time-outs on each packet,
keeps without end what a slow client does not read, and trips over what no client should send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from authx.socket.cors import cors_headers, read_cors_rules
from authx.socket.environ import read_handshake
from authx.socket.frames import PROBE, UPGRADE, is_readable, split_payload
from authx.socket.lifecycle import Lifecycle
from authx.socket.origin import OriginPolicy
from authx.socket.response import Response, accepted, compressed, payload, refused, respond
from authx.socket.transport import CLOSE, NOOP, Frame, Transport

__all__ = ("Engine", "read_cors_rules", "read_handshake")

_MOST_FRAMES = 1_000
"""In one POST. Browsers send whatever they have in one."""
_PROTOCOL_ERROR = 1002

_Query = Mapping[str, list[str]]


class Engine(Lifecycle):
    """Answers requests, and lets polls and websockets carry transports.

    Who may connect is not decided here: every origin may open a transport, and hears at CONNECT, with a
    code, if it may not stay.

    Args:
        origins: Which pages may read an answer.
        options: Of :class:`Lifecycle`.
    """

    def __init__(self, *, origins: OriginPolicy, **options: Any) -> None:
        super().__init__(**options)
        self._origins = origins

    # Requests -----------------------------------------------------------------------------------------

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or websocket; what is neither of the protocol's is answered with 400."""
        opening = await receive()
        query = parse_qs(scope["query_string"].decode("latin-1"))
        sid = query.get("sid", [None])[0]
        objection = self._objection(scope, opening, query)
        if objection is not None:
            await self._answer(refused(objection), scope, send)
        elif scope["type"] == "websocket":
            await self._serve_websocket(sid, scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await self._answer(accepted(), scope, send)
        elif scope["method"] == "POST" and sid is not None:
            await self._answer(await self._take(sid, _resumed(opening, receive)), scope, send)
        elif scope["method"] == "GET" and sid is not None:
            await self._answer(await self._give(sid, receive), scope, send)
        elif scope["method"] == "GET":
            await self._answer(await self._begin(scope), scope, send)
        else:
            await self._answer(refused("Bad request"), scope, send)

    def _objection(self, scope: Scope, opening: Message, query: _Query) -> str | None:
        """Why a request is refused before anybody looks at who sent it; None if it is not."""
        if opening["type"].endswith(".disconnect"):
            return "Nobody is there"
        if "j" in query:
            # A script element reads across origins, past every check that a browser makes.
            return "JSONP is not supported"
        transport = "websocket" if scope["type"] == "websocket" else "polling"
        if transport not in self.transports or query.get("transport") != [transport]:
            return "Invalid transport"
        if transport == "polling" and Headers(scope=scope).get("upgrade", "").lower() == "websocket":
            # A server that knows no websockets passes the wish for one on.
            return "Invalid transport"
        if "sid" not in query and query.get("EIO") != ["4"] and scope.get("method") != "OPTIONS":
            return "Unsupported protocol version"
        return None

    async def _answer(self, response: Response, scope: Scope, send: Send) -> None:
        if self.http_compression:
            response = compressed(response, scope, threshold=self.compression_threshold)
        await respond(response, scope, send, headers=self._cors(scope))

    def _cors(self, scope: Scope) -> list[tuple[str, str]]:
        """The CORS headers for the page that asks; none for a page that may not connect."""
        if Headers(scope=scope).get("origin") is None:
            return []
        return cors_headers(read_handshake(scope), scope.get("method"), self._origins)

    # Polling ------------------------------------------------------------------------------------------

    def _polling(self, sid: str) -> Transport | None:
        """The open polling transport of a sid, or None."""
        transport: Transport | None = self.sockets.get(sid)
        return None if transport is None or transport.closed or transport.upgraded else transport

    async def _begin(self, scope: Scope) -> Response:
        try:
            transport = await self._open(scope)
        except OverflowError:
            return refused("Too many transports", 429)
        return payload(transport.drain(), self._cookie(transport))

    async def _give(self, sid: str, receive: Receive) -> Response:
        """Answer a poll."""
        transport = self._polling(sid)
        if transport is None:
            ending = self._endings.get(sid)
            if ending is None or ending.upgraded:
                return refused("Invalid session")
            del self._endings[sid]
            ending.stop()
            return payload(ending.drain())
        if transport.upgrading:
            return payload([NOOP])
        if transport.polling:
            # Which of them would get what, nobody could say.
            await self._close(transport, self.reason.TRANSPORT_ERROR)
            return refused("There is a poll under way")
        if not (transport.waiting or await self._something(transport, receive)):
            return payload([NOOP])
        return payload(transport.drain() or [CLOSE])

    async def _something(self, transport: Transport, receive: Receive) -> bool:
        """Let a poll wait until there is something to answer; False if that is for a websocket by then."""
        transport.polling = True
        # Who hangs up meanwhile is gone; what is sent into the void afterwards would be lost unnoticed.
        watch = asyncio.get_running_loop().create_task(_disconnected(receive))
        watch.add_done_callback(lambda _: transport.wake())
        try:
            # It may be woken for nothing: the watch of the poll before takes its time to end.
            while not (
                transport.waiting
                or transport.finished
                or transport.upgrading
                or transport.upgraded
                or watch.done()
            ):
                await transport.something()
            if transport.upgraded or (transport.upgrading and not transport.finished):
                return False
            if watch.done():
                await self._close(transport, self.reason.TRANSPORT_CLOSE)
            return True
        finally:
            transport.polling = False
            watch.cancel()

    async def _take(self, sid: str, receive: Receive) -> Response:
        """Take the packets of a POST: all of them, or none and the transport ends."""
        transport = self._polling(sid)
        if transport is None:
            return refused("Invalid session")
        if transport.posting:
            # They would be in no order, and as many as somebody likes.
            await self._close(transport, self.reason.TRANSPORT_ERROR)
            return refused("There is a POST under way")
        transport.posting = True
        try:
            body = await _read_body(receive, self.max_http_buffer_size)
            for frame in split_payload(body, most=_MOST_FRAMES):
                await self._hear(transport, frame)
        except OverflowError:
            await self._close(transport, self.reason.TRANSPORT_ERROR)
            return refused("Payload too large", 413)
        except ValueError:
            await self._close(transport, self.reason.TRANSPORT_ERROR)
            return refused("Invalid payload")
        finally:
            transport.posting = False
        return accepted()

    # Websockets ---------------------------------------------------------------------------------------

    async def _serve_websocket(self, sid: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        transport: Transport | None
        cookie: list[tuple[str, str]] = []
        if sid is None:
            try:
                transport = await self._open(scope)
            except OverflowError:
                await self._answer(refused("Too many transports", 429), scope, send)
                return
            cookie = self._cookie(transport)
        else:
            transport = self._polling(sid)
            if transport is None or transport.held or not self._may_upgrade:
                await self._answer(refused("Invalid session"), scope, send)
                return
        opening: Message = {"type": "websocket.accept"}
        if cookie:
            opening["headers"] = [(name.encode(), value.encode("latin-1")) for name, value in cookie]
        await self._carry(transport, opening, receive, send, upgrade=sid is not None)

    async def _carry(
        self, transport: Transport, opening: Message, receive: Receive, send: Send, *, upgrade: bool
    ) -> None:
        """Let a websocket carry a transport, from the start or from when its client says so."""
        try:
            async with asyncio.timeout(self.ping_timeout if upgrade else None) as leash:
                transport.hold(leash)
                await _tell(send, opening)
                if upgrade and not await self._is_upgraded(transport, receive, send):
                    return
                leash.reschedule(None)
                transport.write_to(send)
                await self._read(transport, receive)
        except (TimeoutError, OSError):
            # There was no reason to go on, or nobody to go on with.
            pass
        finally:
            transport.hold(None)
            if upgrade and not transport.upgraded:
                # It may go on polling, or try again.
                transport.upgrading = False
                with suppress(OSError):
                    await _tell(send, {"type": "websocket.close", "code": 1000})
            else:
                await self._hang_up(transport)

    async def _is_upgraded(self, transport: Transport, receive: Receive, send: Send) -> bool:
        """Whether a client says, in the words for it, that its websocket takes over from polling."""
        if _frame(await receive()) != PROBE:
            return False
        await _tell(send, {"type": "websocket.send", "text": "3probe"})
        # From here on everything waits for the websocket. The poll under way has nothing to wait for.
        transport.upgrading = True
        transport.wake()
        return _frame(await receive()) == UPGRADE and not transport.finished

    async def _read(self, transport: Transport, receive: Receive) -> None:
        """Read a websocket until it ends, or nothing more is wanted of it."""
        limit = self.max_http_buffer_size
        while True:
            frame = _frame(await receive())
            if transport.closed:
                if frame is None:
                    return
                continue
            if frame is None:
                await self._close(transport, self.reason.TRANSPORT_CLOSE)
                transport.cut()
                return
            if not is_readable(frame, limit=limit):
                transport.close_code = _PROTOCOL_ERROR
                await self._close(transport, self.reason.TRANSPORT_ERROR)
                return
            await self._hear(transport, frame)

    async def _hang_up(self, transport: Transport) -> None:
        """The end of whoever reads a websocket is that of its transport."""
        try:
            if not transport.closed:
                # The server gives up on it, or it was gone before it was accepted.
                await self._close(transport, self.reason.TRANSPORT_CLOSE)
                transport.cut()
            await transport.written()
        finally:
            # A server or a middleware may have given up waiting.
            self._let_go(transport)


async def _tell(send: Send, event: Message) -> None:
    """Send what a websocket needs besides frames.

    Raises:
        OSError: if nobody is there, which each server says in its own way.
    """
    try:
        await send(event)
    except Exception as error:
        raise OSError("the client is gone") from error


def _frame(event: Message) -> Frame | None:
    """What came over a websocket; None if it has ended."""
    if event["type"] != "websocket.receive":
        return None
    text: str | None = event.get("text")
    return (event.get("bytes") or b"") if text is None else text


def _resumed(opening: Message, receive: Receive) -> Receive:
    """``receive``, as it was before ``opening`` was taken from it."""
    pending = [opening]

    async def receive_resumed() -> Message:
        return pending.pop() if pending else await receive()

    return receive_resumed


async def _disconnected(receive: Receive) -> None:
    """Return when a client has hung up."""
    with suppress(OSError):
        while (await receive())["type"] != "http.disconnect":
            pass


async def _read_body(receive: Receive, limit: int) -> bytes:
    """The body of a request, whatever it says of its length.

    Raises:
        OverflowError: for a body of more than ``limit`` bytes.
        ValueError: for one that its client broke off.
    """
    body, more = bytearray(), True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            raise ValueError("the client is gone")
        body += event.get("body", b"")
        if len(body) > limit:
            raise OverflowError("too much")
        more = event.get("more_body", False)
    return bytes(body)
