"""Everything the login wing raises, under the import path apps know."""

from authx.auth.exceptions import *
