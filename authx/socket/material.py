"""What one event has to give to the parameters of its handler and of the dependencies."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from authx.auth.config import AuthXConfig
from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Denial
from authx.socket.request import as_request, as_websocket
from authx.socket.signature import Parameter, is_a, is_optional

__all__ = ("Material", "Overrides", "Source", "Supply", "injected")

Overrides: TypeAlias = Callable[[], Mapping[Callable[..., Any], Callable[..., Any]]]
"""Gives the app's ``dependency_overrides``, as they are now."""

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Supply:
    """What the events of one socket have in common."""

    provided: Mapping[type, Any] = field(default_factory=dict)
    """Values injected by the type of the annotation."""
    config: AuthXConfig | None = None
    """The settings of the login, if there is one: what a credential is called in a request."""
    overrides: Overrides = dict


class Material:
    """One call: who, the arguments, what goes by name, and what was made on the way."""

    __slots__ = (
        "_credential",
        "_request",
        "_response",
        "arguments",
        "connection",
        "entered",
        "identity",
        "made",
        "named",
        "supply",
    )

    made: dict[Hashable, Any]
    """Results of dependencies; there is one while there are dependencies."""
    entered: list[AbstractAsyncContextManager[Any]]
    """Dependencies to be cleaned up, the last one first."""

    def __init__(
        self,
        supply: Supply,
        connection: Connection,
        arguments: Sequence[Any],
        named: Mapping[str, Any] = _NOTHING,
    ) -> None:
        self.supply = supply
        self.connection = connection
        # As they are now: a refresh that comes in between changes nothing for this one.
        self.identity = connection.identity
        self._credential = connection.credential
        self.arguments = arguments
        self.named = named
        self._request: Request | None = None
        self._response: Response | None = None

    @property
    def request(self) -> Request:
        """The handshake with the credential of the event; the same one for all of it."""
        if self._request is None:
            self._request = as_request(
                self.connection.opened_with, self.identity, self._credential, self.supply.config
            )
        return self._request

    @property
    def response(self) -> Response:
        """For dependencies of HTTP that write cookies or headers; there is no answer it could go with."""
        if self._response is None:
            self._response = Response()
        return self._response


Source: TypeAlias = Callable[[Material], Any]
"""Gives one parameter its value."""


def injected(parameter: Parameter, supply: Supply) -> Source | None:
    """Where a parameter comes from by its name or type alone; None if it has to come from elsewhere."""
    kind = parameter.kind
    if kind in (Connection, Identity, Response):
        return _BY_TYPE[kind]
    if is_optional(kind, Identity):
        return _optional_identity
    if is_optional(kind, Connection):
        return _connection
    if is_a(kind, WebSocket):
        return _websocket
    if kind in (HTTPConnection, Request):
        return _request
    if isinstance(kind, type) and kind in supply.provided:
        value = supply.provided[kind]
        return lambda _material: value
    if parameter.name == "sid":
        return _sid
    return None


def _sid(material: Material) -> str:
    return material.connection.sid


def _connection(material: Material) -> Connection:
    return material.connection


def _identity(material: Material) -> Identity:
    identity = material.identity
    if identity is None:
        raise Denial("missing_token")
    return identity


def _optional_identity(material: Material) -> Identity | None:
    return material.identity


def _request(material: Material) -> Request:
    return material.request


def _websocket(material: Material) -> WebSocket:
    return as_websocket(material.request)


def _response(material: Material) -> Response:
    return material.response


_BY_TYPE: Mapping[Any, Source] = {Connection: _connection, Identity: _identity, Response: _response}
