"""Stands in for your table of users."""

import hashlib
import hmac
from dataclasses import dataclass

from fastapi import HTTPException
from pydantic import BaseModel


class Credentials(BaseModel):
    name: str
    password: str


@dataclass(frozen=True)
class Person:
    name: str
    password_hash: bytes
    scopes: list[str]


def hashed(name: str, password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=name.encode(), n=2**12, r=8, p=1)


PEOPLE = {
    "ada": Person("ada", hashed("ada", "engine"), ["posts:*"]),
    "bob": Person("bob", hashed("bob", "builder"), ["posts:read"]),
}


def check(credentials: Credentials) -> Person:
    """Give the person, or answer 401."""
    person = PEOPLE.get(credentials.name)
    given = hashed(credentials.name, credentials.password)
    if person is None or not hmac.compare_digest(given, person.password_hash):
        raise HTTPException(401, "Wrong name or password")
    return person
