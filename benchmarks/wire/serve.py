"""Serves one of the apps by uvicorn: ``python -m benchmarks.wire.serve stock|ours PORT``."""

from __future__ import annotations

import importlib
import sys

import uvicorn


def main(app: str, port: str) -> None:
    uvicorn.run(
        importlib.import_module(f"benchmarks.wire.{app}").create_app(),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="auto",
        ws_per_message_deflate=False,
        backlog=4096,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
