"""FastAPI's ``Depends`` for handlers: nested, cached for an event, cleaned up after it.

Only FastAPI's public markers are read; what FastAPI does with them for HTTP is done here for events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

from fastapi import params
from fastapi.security import SecurityScopes

from authx.socket.cleanup import enter
from authx.socket.material import Material, Source, Supply, injected
from authx.socket.signature import Parameter, Signature, read_signature
from authx.socket.thread import in_thread
from authx.socket.values import from_handshake, is_of_handshake

__all__ = ("Dependencies", "Dependency")

_Call = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Dependency:
    """A dependency whose signature has been read."""

    call: _Call
    signature: Signature
    values: tuple[tuple[str, Source], ...]
    needs: tuple[tuple[str, Dependency], ...]
    scopes: tuple[str, ...]
    """Of every ``Security`` on the way to it."""
    uses_scopes: bool
    """Whether it, or one that it needs, asks for them."""
    use_cache: bool
    key: Hashable
    """What an event's cache knows the result by."""


class Dependencies:
    """Compiles dependencies, and solves them for an event.

    Args:
        supply: What the parameters of dependencies are filled from.
    """

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._substitutes: dict[tuple[Dependency, _Call], Dependency] = {}

    def compile(self, marker: params.Depends, parameter: Parameter | None = None) -> Dependency:
        """Read a dependency and all that it depends on.

        Args:
            marker: ``Depends`` or ``Security``.
            parameter: Where it stands; its type is the dependency if the marker names none.

        Raises:
            TypeError: for one that can't work, with its name.
        """
        return self._compile(marker, parameter, (), ())

    def _compile(
        self,
        marker: params.Depends,
        parameter: Parameter | None,
        scopes: tuple[str, ...],
        above: tuple[_Call, ...],
    ) -> Dependency:
        call = marker.dependency
        if call is None and parameter is not None:
            call = parameter.kind
        if not callable(call):
            raise TypeError(f"{marker} names no dependency that can be called")
        if getattr(marker, "max_concurrency", None) is not None:
            raise TypeError(f"{marker} limits its calls over all routes, and handlers can't share that limit")
        if isinstance(marker, params.Security):
            scopes = tuple(dict.fromkeys((*scopes, *(marker.scopes or ()))))
        return self._read(call, scopes, above, use_cache=marker.use_cache)

    def _read(
        self, call: _Call, scopes: tuple[str, ...], above: tuple[_Call, ...], *, use_cache: bool
    ) -> Dependency:
        signature = read_signature(call, "dependency")
        if call in above:
            raise TypeError(f"dependency {signature.name} depends on itself")
        values: list[tuple[str, Source]] = []
        needs: list[tuple[str, Dependency]] = []
        uses_scopes = False
        for parameter in signature.parameters:
            marker = parameter.marker(params.Depends)
            if marker is not None:
                needs.append((parameter.name, self._compile(marker, parameter, scopes, (*above, call))))
            elif parameter.kind is SecurityScopes:
                uses_scopes = True
                values.append((parameter.name, lambda _material: SecurityScopes(list(scopes))))
            else:
                where = f"dependency {signature.name}: parameter {parameter.name!r}"
                values.append((parameter.name, self._source(parameter, where)))
        uses_scopes = uses_scopes or any(needed.uses_scopes for _, needed in needs)
        return Dependency(
            call=call,
            signature=signature,
            values=tuple(values),
            needs=tuple(needs),
            scopes=scopes,
            uses_scopes=uses_scopes,
            use_cache=use_cache,
            # Who does not ask for the scopes is the same whatever they are.
            key=(call, scopes if uses_scopes else ()),
        )

    def _source(self, parameter: Parameter, where: str) -> Source:
        source = None if is_of_handshake(parameter) else injected(parameter, self._supply)
        return from_handshake(parameter, where) if source is None else source

    async def solve(self, dependency: Dependency, material: Material) -> Any:
        """The value of a dependency for an event; it is made once.

        Raises:
            Exception: whatever the dependency raises.
        """
        overrides = self._supply.overrides()
        if overrides and dependency.call in overrides:
            dependency = self._substitute(dependency, overrides[dependency.call])
        made = material.made
        if dependency.use_cache and dependency.key in made:
            return made[dependency.key]
        arguments = {name: source(material) for name, source in dependency.values}
        for name, needed in dependency.needs:
            arguments[name] = await self.solve(needed, material)
        value = await _value(dependency, arguments, material)
        # As in FastAPI, kept also by those that want one of their own, for those that do not mind.
        made.setdefault(dependency.key, value)
        return value

    def _substitute(self, dependency: Dependency, call: _Call) -> Dependency:
        found = self._substitutes.get((dependency, call))
        if found is None:
            found = self._read(call, dependency.scopes, (), use_cache=dependency.use_cache)
            self._substitutes[dependency, call] = found
        return found


async def _value(dependency: Dependency, arguments: dict[str, Any], material: Material) -> Any:
    call, signature = dependency.call, dependency.signature
    if signature.is_generator:
        return await enter(call, arguments, is_async=signature.is_async, entered=material.entered)
    if signature.is_async:
        return await call(**arguments)
    value = await in_thread(call, **arguments)
    # A decorator may hide that what it wraps is asynchronous.
    return await value if isinstance(value, Awaitable) else value
