"""Login sessions, under the import path apps know."""

from authx.auth.sessions import *
