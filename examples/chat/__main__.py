"""Serve the chat: `python -m examples.chat`."""

import argparse

import uvicorn

from examples.chat.app import CLIENT, app
from examples.chat.people import PASSWORDS, PEOPLE


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.chat", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    if not CLIENT.is_file():
        parser.error("socket.io-client is not installed; run `make demo` or `npm ci`")

    print(f"\n  authx chat    http://{arguments.host}:{arguments.port}\n", flush=True)
    for person in PEOPLE.values():
        print(f"  {person.user:<8}{PASSWORDS[person.user]:<14}{' '.join((*person.scopes, *person.roles))}")
    print(
        "\n  Log in twice, in a second browser or a private window, and let them talk. Ctrl+C ends it.\n",
        flush=True,
    )
    # Compressed websockets would take twice the memory for each connection.
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    main()
