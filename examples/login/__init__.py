"""A login, from ten lines to sessions. Serve one with ``uvicorn examples.login.first:app``."""
