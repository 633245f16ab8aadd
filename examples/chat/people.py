"""The sample people and their passwords. A real app keeps the hashes in a database."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in, and what their tokens will say."""

    user: str
    name: str
    salt: bytes
    digest: bytes
    scopes: tuple[str, ...]
    roles: tuple[str, ...] = ()


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def _person(
    user: str, name: str, password: str, *, scopes: tuple[str, ...], roles: tuple[str, ...] = ()
) -> Person:
    salt = secrets.token_bytes(16)
    return Person(user, name, salt, _digest(password, salt), scopes, roles)


PASSWORDS = MappingProxyType({"alice": "wonderland", "bob": "builder", "carol": "nightingale"})

PEOPLE = MappingProxyType(
    {
        person.user: person
        for person in (
            _person(
                "alice",
                "Alice Archer",
                PASSWORDS["alice"],
                scopes=("chat:read", "chat:write"),
                roles=("admin",),
            ),
            _person("bob", "Bob Baker", PASSWORDS["bob"], scopes=("chat:read", "chat:write")),
            _person("carol", "Carol Clerk", PASSWORDS["carol"], scopes=("chat:read",)),
        )
    }
)

# Somebody who does not exist takes as long to refuse as somebody who does.
_NOBODY = _person("", "", secrets.token_hex(), scopes=())


def check_password(user: str, password: str) -> Person | None:
    """Return the person if the password is theirs."""
    person = PEOPLE.get(user, _NOBODY)
    right = hmac.compare_digest(_digest(password, person.salt), person.digest)
    return person if right and person is not _NOBODY else None
