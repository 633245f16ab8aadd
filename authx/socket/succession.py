"""Whether a token may take the place of another one on an open connection."""

from __future__ import annotations

from authx.auth.identity import Identity
from authx.socket.connection import Connection
from authx.socket.exceptions import Refusal
from authx.socket.handshake import Proof

__all__ = ("check_follows", "is_current")


def is_current(connection: Connection, proof: Proof) -> bool:
    """Whether it is the token that the connection goes by already."""
    current = connection.identity
    if current is None:
        return False
    if current.token_id is not None or proof.identity.token_id is not None:
        return current.token_id == proof.identity.token_id
    # Not by its text, of which there may be several: with ECDSA anybody can make another good signature.
    kept = current.kept_claims
    shown = {name: value for name, value in proof.identity.claims.items() if name not in current.overridden}
    return kept == shown


def check_follows(current: Identity, newer: Identity) -> None:
    """Raise unless ``newer`` is the same user's, of the same login, and made no earlier.

    Raises:
        Refusal: ``invalid_token``, or ``wrong_token_type`` for another login.
    """
    if newer.user != current.user:
        raise Refusal("invalid_token", "The token is another user's")
    if newer.login_type != current.login_type:
        raise Refusal("wrong_token_type")
    if current.issued_at is not None and (newer.issued_at is None or newer.issued_at < current.issued_at):
        raise Refusal("invalid_token", "The token is older than the current one")
