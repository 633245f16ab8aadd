"""Callbacks: what only the app knows, which tokens it revoked and who its users are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, TypeVar

from authx.auth.types import RunSync

__all__ = ("Callbacks",)

_Callback = TypeVar("_Callback", bound=Callable[..., Any])


class Callbacks:
    """Holds the functions of the app, each sync or async: an answer that can be awaited is awaited.

    The setters work as decorators. What a function raises is not caught.
    """

    callback_get_model_instance: Callable[..., Any] | None = None
    """Finds the object that stands for a user."""
    callback_is_token_in_blocklist: Callable[..., Any] | None = None
    """Says of a raw token whether it has been revoked."""

    def set_subject_getter(self, callback: _Callback) -> _Callback:
        """Let a function find the object that stands for a user."""
        self.callback_get_model_instance = callback
        return callback

    def set_callback_get_model_instance(self, callback: _Callback) -> _Callback:
        """The same as :meth:`set_subject_getter`."""
        return self.set_subject_getter(callback)

    def set_token_blocklist(self, callback: _Callback) -> _Callback:
        """Let a function say whether a raw token has been revoked.

        It should go by the token's ``jti``, not by its text, where tokens are signed with ECDSA: such a
        signature has a twin that anybody can compute.
        """
        self.callback_is_token_in_blocklist = callback
        return callback

    def set_callback_token_blocklist(self, callback: _Callback) -> _Callback:
        """The same as :meth:`set_token_blocklist`."""
        return self.set_token_blocklist(callback)

    @property
    def is_model_callback_set(self) -> bool:
        """Whether there is a subject getter."""
        return self.callback_get_model_instance is not None

    @property
    def is_token_callback_set(self) -> bool:
        """Whether there is a blocklist."""
        return self.callback_is_token_in_blocklist is not None

    async def is_token_in_blocklist(
        self, token: str | None, *, run_sync: RunSync | None = None, **kwargs: Any
    ) -> bool:
        """Whether a raw token has been revoked: the blocklist's answer, as it is.

        Args:
            token: the token.
            run_sync: calls a function that is not async where it may block; None calls it here.
            kwargs: more arguments for the function.
        """
        callback = self.callback_is_token_in_blocklist
        if callback is None or token is None:
            return False
        if run_sync is None or _is_async(callback):
            answer = callback(token, **kwargs)
        else:
            answer = await run_sync(partial(callback, token, **kwargs))
        return await answer if isawaitable(answer) else answer  # type: ignore[no-any-return]

    async def find_subject(self, uid: str) -> Any:
        """The object that stands for a user, as the subject getter gives it.

        Raises:
            AttributeError: there is no subject getter.
        """
        if self.callback_get_model_instance is None:
            raise AttributeError("Model callback not set: set_subject_getter says who a user is")
        subject = self.callback_get_model_instance(uid)
        return await subject if isawaitable(subject) else subject


def _is_async(callback: Callable[..., Any]) -> bool:
    """Whether calling does no more than make what can be awaited."""
    return iscoroutinefunction(callback) or iscoroutinefunction(type(callback).__call__)
