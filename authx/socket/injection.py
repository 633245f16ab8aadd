"""From a handler's signature to the arguments it is called with.

A signature is read once, when the handler is registered, into a plan; an event only walks the plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import params

from authx.socket.answer import Answer, compile_answer
from authx.socket.cleanup import leave
from authx.socket.connection import Connection
from authx.socket.dependency import Dependencies, Dependency
from authx.socket.exceptions import Denial
from authx.socket.material import Material, Source, Supply, injected
from authx.socket.signature import ABSENT, Parameter, read_signature
from authx.socket.thread import in_thread
from authx.socket.values import from_arguments, from_handshake, is_of_handshake

__all__ = ("Injector", "Invocation")


class Injector:
    """Reads the handlers of one socket.

    Args:
        supply: What their parameters are filled from, besides the event.
    """

    def __init__(self, supply: Supply) -> None:
        self.supply = supply
        self._dependencies = Dependencies(supply)

    def compile(
        self,
        handler: Callable[..., Any],
        *,
        named: Sequence[str] = (),
        dependencies: Sequence[params.Depends] = (),
    ) -> Invocation:
        """Read the signature of ``handler``.

        Args:
            handler: A function, bound method, partial or callable object; sync ones run in a thread.
            named: Names of parameters that take what the event has under that name.
            dependencies: Run before those of the handler; what they give is dropped.

        Raises:
            TypeError: for a signature that cannot work, with the handler's name.
        """
        signature = read_signature(handler)
        if signature.is_generator:
            raise TypeError(f"handler {signature.name} yields, and only dependencies can")
        plan = _Plan(self, signature.name, named)
        for parameter in signature.parameters:
            plan.add(parameter)
        return Invocation(
            handler=handler,
            supply=self.supply,
            dependencies=self._dependencies,
            positional=tuple(plan.positional),
            by_keyword=tuple(plan.by_keyword),
            first=tuple(map(self.dependency, dependencies)),
            needs=tuple(plan.needs),
            arity=plan.arity,
            takes_rest=signature.takes_rest,
            asks_by_name=frozenset(plan.asks_by_name),
            answer=compile_answer(signature.returns, signature.name),
            is_async=signature.is_async,
        )

    def dependency(self, marker: params.Depends, parameter: Parameter | None = None) -> Dependency:
        """Read a dependency."""
        return self._dependencies.compile(marker, parameter)


class _Plan:
    """Where the parameters of one handler come from."""

    def __init__(self, injector: Injector, handler: str, named: Sequence[str]) -> None:
        self._injector = injector
        self._handler = handler
        self._named = named
        self.positional: list[Source] = []
        self.by_keyword: list[tuple[str, Source]] = []
        self.needs: list[tuple[int | str, Dependency]] = []
        self.asks_by_name: set[str] = set()
        self.arity = 0

    def add(self, parameter: Parameter) -> None:
        where = f"handler {self._handler}: parameter {parameter.name!r}"
        marker = parameter.marker(params.Depends)
        if marker is not None:
            place = parameter.name if parameter.by_keyword else len(self.positional)
            try:
                self.needs.append((place, self._injector.dependency(marker, parameter)))
            except TypeError as error:
                raise TypeError(f"{where}: {error}") from error
            source: Source | None = _later
        else:
            source = self._injected(parameter, where)
        if source is None and not parameter.by_keyword:
            source = from_arguments(parameter, self.arity, where)
            self.arity += 1
        if source is not None:
            self._take(parameter, source)
        elif parameter.default is ABSENT:
            raise TypeError(f"{where} is keyword-only, and no argument of an event is passed by keyword")

    def _injected(self, parameter: Parameter, where: str) -> Source | None:
        name = parameter.name
        if name in self._named:
            self.asks_by_name.add(name)
            return lambda material: material.named[name]
        if is_of_handshake(parameter):
            return from_handshake(parameter, where)
        return injected(parameter, self._injector.supply)

    def _take(self, parameter: Parameter, source: Source) -> None:
        if parameter.by_keyword:
            self.by_keyword.append((parameter.name, source))
        else:
            self.positional.append(source)


def _later(_: Material) -> None:
    """In the place of a dependency, which comes when the arguments are known to be good."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A handler whose signature has been read."""

    handler: Callable[..., Any]
    supply: Supply
    dependencies: Dependencies
    positional: tuple[Source, ...]
    by_keyword: tuple[tuple[str, Source], ...]
    first: tuple[Dependency, ...]
    """Of the routers that the handler was registered through."""
    needs: tuple[tuple[int | str, Dependency], ...]
    """The handler's own, and the place or the name of the parameter that each is for."""
    arity: int
    """How many arguments of the event have a parameter of their own."""
    takes_rest: bool
    asks_by_name: frozenset[str]
    answer: Answer
    is_async: bool

    @property
    def takes_time(self) -> bool:
        """Whether there are dependencies to be made before the handler is called."""
        return bool(self.needs or self.first)

    def __call__(
        self,
        connection: Connection,
        arguments: Sequence[Any],
        still_may: Callable[[], Awaitable[None]] | None = None,
    ) -> Awaitable[tuple[Any, ...]]:
        """Call the handler for an event of ``connection``, and give the values of the acknowledgement.

        Args:
            connection: Whose event it is.
            arguments: As they came.
            still_may: Raises if the handler must not be called any more; asked when the dependencies have
                taken their time.

        Raises:
            Denial: ``validation_error`` if the arguments do not fit the signature, ``missing_token`` if
                the handler asks for an identity and there is none.
            Exception: whatever a dependency or the handler raises.
        """
        return self._run(Material(self.supply, connection, arguments), self.answer, still_may)

    async def call_named(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Call the handler of a step of the protocol with as many of ``values`` as it has parameters for.

        A parameter of that name takes the value; what nobody named goes to the other parameters in order,
        so python-socketio's ``(sid, environ, auth)`` and ``(sid, environ)`` both work.
        """
        rest = [value for name, value in values.items() if name not in self.asks_by_name]
        arguments = rest if self.takes_rest else rest[: self.arity]
        return await self._run(Material(self.supply, connection, arguments, values), None)

    async def _run(
        self,
        material: Material,
        answer: Answer | None,
        still_may: Callable[[], Awaitable[None]] | None = None,
    ) -> Any:
        args = [source(material) for source in self.positional]
        kwargs = {name: source(material) for name, source in self.by_keyword} if self.by_keyword else {}
        if self.takes_rest:
            args.extend(material.arguments[self.arity :])
        elif len(material.arguments) > self.arity:
            raise Denial("validation_error", f"At most {self.arity} arguments are expected")
        if not self.takes_time:
            return await self._called(args, kwargs, answer)
        material.made, material.entered = {}, []
        try:
            await self._solve(material, args, kwargs)
            if still_may is not None:
                await still_may()
            result = await self._called(args, kwargs, answer)
        except BaseException as error:
            await leave(material.entered, error)
            # Also if a dependency took it for dealt with: who waits for an answer has to get one.
            raise
        if material.entered:
            await leave(material.entered, None)
        return result

    async def _solve(self, material: Material, args: list[Any], kwargs: dict[str, Any]) -> None:
        for dependency in self.first:
            await self.dependencies.solve(dependency, material)
        for place, dependency in self.needs:
            value = await self.dependencies.solve(dependency, material)
            if isinstance(place, int):
                args[place] = value
            else:
                kwargs[place] = value

    async def _called(self, args: list[Any], kwargs: dict[str, Any], answer: Answer | None) -> Any:
        if self.is_async:
            result = await self.handler(*args, **kwargs)
        else:
            result = await in_thread(self.handler, *args, **kwargs)
            if isinstance(result, Awaitable):
                result = await result
        # Before anything is cleaned up: what is returned may lean on what a dependency holds open.
        return result if answer is None else answer(result)
