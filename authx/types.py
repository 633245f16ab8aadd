"""The vocabulary of the login wing, under the import path apps know."""

from authx.auth.types import *
