"""The test client of apps with an ``AuthXSocket``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from starlette.types import ASGIApp, Scope

from authx.socket.exceptions import Refusal
from authx.socket.facade import AuthXSocket
from authx.socket.handshake import Login
from authx.socket.server import Server
from authx.socket.testing.bus import InMemoryBus, InMemoryManager
from authx.socket.testing.connection import ClientConnection
from authx.socket.testing.lifespan import Lifespan
from authx.socket.testing.transport import Transport

__all__ = ("SocketTestClient",)


class SocketTestClient:
    """Connects to an app in the same process and event loop, over its ASGI interface.

    Entering it starts the app's lifespan, leaving it hangs up and ends that.

        async with SocketTestClient(app) as client:
            alice = await client.connect(user="alice", scopes=["chat:write"])
            assert await alice.call("message", {"to": "bob", "text": "hi"}) == {"devices": 0}

    Args:
        app: The app, or ASGI middleware around it.
        socket: Its ``AuthXSocket``; found on the app when left out.
        path: Where the socket is served; as the socket says when left out.
        base_url: What clients take for the address of the app.
        timeout: Seconds that anything may take.

    Raises:
        RuntimeError: if the app has no ``AuthXSocket`` and none is given.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        socket: AuthXSocket | None = None,
        path: str | None = None,
        base_url: str = "http://testserver",
        timeout: float = 2.0,
    ) -> None:
        found = getattr(getattr(app, "state", None), "authx_socket", None) if socket is None else socket
        if found is None:
            raise RuntimeError("the app has no AuthXSocket; give the test client one: socket=...")
        self.socket: AuthXSocket = found
        """The app's socket."""
        self._app = app
        self._path = (found.path if path is None else path).rstrip("/") + "/"
        self._base_url = base_url
        self._timeout = timeout
        self._lifespan = Lifespan(app)
        self._transports: list[Transport] = []

    async def __aenter__(self) -> Self:
        self._transports.clear()
        await self._lifespan.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for transport in self._transports:
            transport.hang_up()
        for transport in self._transports:
            await transport.wait_ended()
        await self._lifespan.end()
        # One that was not read any more has been given up with the app.
        for transport in self._transports:
            await transport.wait_ended()

    # Connecting ---------------------------------------------------------------------------------------

    def token(
        self,
        user: str,
        *,
        scopes: Iterable[str] = (),
        roles: Iterable[str] = (),
        session: str | None = None,
        fresh: bool = False,
        expires_in: float | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """An access token, made by the app's own ``AuthX``.

        Args:
            user: Whose.
            scopes: What it permits.
            roles: Written into the claim ``roles``; a login with another ``roles_claim`` is given ``claims``.
            session: The login session that it ends with.
            fresh: Whether it comes from an actual login.
            expires_in: Seconds that it is valid; the settings' lifetime when left out.
            claims: More claims.

        Raises:
            RuntimeError: if the socket has no ``auth`` that makes tokens.
        """
        mint: Any = self.socket.auth
        if not hasattr(mint, "create_access_token"):
            raise RuntimeError("the socket has no auth that makes tokens; connect with token=...")
        roles = list(roles)
        token: str = mint.create_access_token(
            user,
            fresh=fresh,
            expiry=None if expires_in is None else timedelta(seconds=expires_in),
            data={**({"roles": roles} if roles else {}), **(claims or {})},
            scopes=list(scopes) or None,
            session=session,
        )
        return token

    async def connect(
        self,
        user: str | None = None,
        *,
        namespace: str = "/",
        token: str | None = None,
        auth: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
        **claims: Any,
    ) -> ClientConnection:
        """Open a new device and connect it.

        Args:
            user: Whom a token is made for, with what :meth:`token` takes (``scopes``, ``roles``, ...).
                Without a user and without a token the client shows no credential.
            namespace: Where to.
            token: A token to show instead. It goes where the settings look first: the ``auth`` payload, or a
                cookie with its CSRF value and the app's own Origin, or the query.
            auth: More of the ``auth`` payload, or other values for it.
            headers: Of the handshake; an ``Origin`` or a ``User-Agent`` among them.
            query: Of the handshake's address.
            address: The client's.
            claims: For :meth:`token`.

        Raises:
            Refusal: as the server said it.
            ConnectionError: if the app takes no websocket there.
        """
        if user is not None:
            token = self.token(user, **claims)
        elif claims:
            raise TypeError(f"{', '.join(claims)}: only for a user that a token is made for")
        shown = _Shown(self._base_url, headers or {}, query or {})
        if token is not None:
            shown.put(token, self.socket.auth)
        payload = {**shown.payload, **(auth or {})}
        transport = Transport(
            self._app, self._scope(shown, address), self.socket.sio.packet_class, timeout=self._timeout
        )
        self._transports.append(transport)
        try:
            await transport.open()
            inbox = await transport.connect(namespace, payload or None)
        except BaseException:
            transport.hang_up()
            await transport.wait_ended()
            raise
        # The server says who this is, and what it held, in one go with its yes.
        await transport.round_trip()
        return ClientConnection(
            transport,
            inbox,
            namespace=namespace,
            payload=payload or None,
            settle=self.settle,
            obey_clock=self.obey_clock,
            timeout=self._timeout,
        )

    async def expect_refused(self, user: str | None = None, **options: Any) -> Refusal:
        """Try to :meth:`connect`, and give back the refusal: ``code``, ``message``, ``retry``.

        Raises:
            AssertionError: if the client is let in.
        """
        try:
            connection = await self.connect(user, **options)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"the connection was let in, as {connection.user!r}")

    async def settle(self) -> None:
        """Wait until the app has dealt with all that clients sent, on every node of an :class:`InMemoryBus`.

        The nodes look at the clock first, see :meth:`obey_clock`.

        Raises:
            TimeoutError: if a handler does not end in time.
        """
        bus, nodes = self._nodes()
        self.obey_clock()
        try:
            async with asyncio.timeout(self._timeout):
                busy = True
                while busy:
                    busy = any([await node.settle() for node in nodes])
                    if bus is not None:
                        busy = await bus.drain() or busy
        except TimeoutError:
            raise TimeoutError(f"a handler has not ended within {self._timeout} s") from None

    def obey_clock(self) -> None:
        """Have every node look at the clock now, as it does each second, and before each event and emit.

        A test that moves a :class:`ManualClock` need not call it: whatever waits for a server does.
        """
        _, nodes = self._nodes()
        for node in nodes:
            node.obey_clock()

    def _nodes(self) -> tuple[InMemoryBus | None, list[Server]]:
        manager = self.socket.sio.manager
        bus = manager.bus if isinstance(manager, InMemoryManager) else None
        return bus, [self.socket.sio] if bus is None else bus.nodes

    def _scope(self, shown: _Shown, address: str) -> Scope:
        url = urlsplit(self._base_url)
        query = urlencode({"EIO": "4", "transport": "websocket", **shown.query})
        headers = {
            "host": url.netloc,
            "connection": "upgrade",
            "upgrade": "websocket",
            **shown.headers,
        }
        secure = url.scheme == "https"
        return {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "wss" if secure else "ws",
            "path": self._path,
            "raw_path": self._path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": (address, 50000),
            "server": (url.hostname, url.port or (443 if secure else 80)),
            "subprotocols": [],
            "state": dict(self._lifespan.state),
        }


class _Shown:
    """What a client shows of itself when it opens a device, and in the ``auth`` payload."""

    def __init__(self, base_url: str, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        self.payload: dict[str, Any] = {}
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.query = dict(query)
        self._base_url = base_url

    def put(self, token: str, login: Login | None) -> None:
        """Show ``token`` where the settings of ``login`` look first."""
        if login is None or login.config.has_location("headers"):
            self.payload["token"] = token
        elif login.config.has_location("cookies"):
            config = login.config
            cookie = f"{config.JWT_ACCESS_COOKIE_NAME}={token}"
            self.headers["cookie"] = "; ".join(filter(None, (self.headers.get("cookie"), cookie)))
            self.headers.setdefault("origin", self._base_url)
            # A token that can't be read has no CSRF value to show.
            with suppress(Exception):
                self.payload[config.JWT_ACCESS_CSRF_FIELD_NAME] = login.verifier.claims(token)["csrf"]
        else:
            self.query[login.config.JWT_QUERY_STRING_NAME] = token
