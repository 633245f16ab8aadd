"""One user, two login servers: AuthX 1.7.1 as it is on PyPI, and this project, on the same settings."""
