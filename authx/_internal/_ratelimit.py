"""Rate limits, under the import path apps know."""

from authx.auth.limiter import *
from authx.auth.ratelimit import *
