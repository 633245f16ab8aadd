"""How many tokens are verified in a second, beside PyJWT alone and AuthX 1.7.1."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import cryptography
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from authx import AuthX, AuthXConfig, RequestToken, __version__

ROOT = Path(__file__).resolve().parents[1]
UPSTREAM = ROOT / ".venv-authx171" / "bin" / "python"

ALGORITHMS = ("HS256", "RS256", "ES256")
PYJWT, TOKEN, IDENTITY, AUTHX171 = "PyJWT", "verify_token", "verifier.identity", "AuthX 1.7.1"
CONTESTANTS = (PYJWT, TOKEN, IDENTITY, AUTHX171)
"""PyJWT alone; this project as HTTP and as sockets use it; what it takes the place of."""

ROUNDS = 25
TURN = 0.04
"""Seconds that one contestant works before it is the next one's turn."""

Run = Callable[[int], float]
"""Verifies every token so many times, and gives the seconds of CPU time taken."""


def main() -> None:
    cases = {algorithm: _case(algorithm) for algorithm in ALGORITHMS}
    with _upstream(cases) as (versions, upstream):
        runs = {
            (algorithm, name): run
            for algorithm in ALGORITHMS
            for name, run in _ours(cases[algorithm]).items()
        }
        for algorithm in ALGORITHMS:
            runs[algorithm, AUTHX171] = upstream(algorithm)
        seconds = _measure(runs, {algorithm: len(case["tokens"]) for algorithm, case in cases.items()})
    libraries = f"PyJWT {jwt.__version__}, cryptography {cryptography.__version__}"
    print(f"Python {platform.python_version()}, {libraries}, authx {__version__};")
    print(f"beside it authx {versions['authx']} on PyJWT {versions['pyjwt']}.")
    print(f"Medians of {ROUNDS} interleaved rounds, one thread, CPU time.\n")
    _print_table(seconds)


def _case(algorithm: str) -> dict[str, Any]:
    """Settings and tokens, alike for all: what a login with scopes and a claim of its own makes."""
    settings: dict[str, Any] = {"JWT_ALGORITHM": algorithm}
    if algorithm == "HS256":
        settings["JWT_SECRET_KEY"] = "a secret of the usual length, 64 hexadecimal digits or so, or so"
    else:
        key = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            if algorithm == "RS256"
            else ec.generate_private_key(ec.SECP256R1())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        settings |= {"JWT_PRIVATE_KEY": private.decode(), "JWT_PUBLIC_KEY": public.decode()}
    auth = AuthX(AuthXConfig(**settings))
    tokens = [
        auth.create_access_token(
            f"user-{number}",
            expiry=timedelta(hours=1),
            scopes=["chat:read", "chat:write"],
            data={"role": "member"},
        )
        for number in range(8)
    ]
    return {"settings": settings, "tokens": tokens}


def _ours(case: dict[str, Any]) -> dict[str, Run]:
    config = AuthXConfig(**case["settings"])
    auth = AuthX(config)
    # PyJWT at its best: with a key object, for it would parse the PEM anew for each token.
    pem = config.public_key
    key: Any = pem if config.is_algo_symmetric else load_pem_public_key(pem.encode())
    algorithms = [config.JWT_ALGORITHM]
    requests = [RequestToken(token=token, location="headers") for token in case["tokens"]]
    return {
        PYJWT: _timed(lambda token: jwt.decode(token, key, algorithms=algorithms), case["tokens"]),
        TOKEN: _timed(auth.verify_token, requests),
        IDENTITY: _timed(auth.verifier.identity, case["tokens"]),
    }


def _timed(verify: Callable[[Any], object], tokens: list[Any]) -> Run:
    def run(times: int) -> float:
        begin = time.process_time()
        for _ in range(times):
            for token in tokens:
                verify(token)
        return time.process_time() - begin

    return run


@contextmanager
def _upstream(cases: dict[str, Any]) -> Iterator[tuple[dict[str, str], Callable[[str], Run]]]:
    """AuthX 1.7.1 in a process of its own, which stands still while it is not its turn."""
    if not UPSTREAM.exists():
        sys.exit("AuthX 1.7.1 is not there to compare with: run this by `make bench`.")
    # Without -P this folder, and with it our own authx, would come before the installed one.
    worker = [str(UPSTREAM), "-P", str(ROOT / "benchmarks" / "verify_upstream.py")]
    with subprocess.Popen(worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(question: Any) -> Any:
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps(question), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask(cases), lambda algorithm: lambda times: float(ask([algorithm, times]))


def _measure(runs: dict[tuple[str, str], Run], tokens: dict[str, int]) -> dict[tuple[str, str], float]:
    """Seconds for one token, by algorithm and contestant."""
    times = {}
    for name, run in runs.items():
        run(20)
        times[name] = max(1, round(TURN * 20 / run(20)))
    seconds: dict[tuple[str, str], list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            seconds[name].append(run(times[name]) / times[name] / tokens[name[0]])
    return {name: statistics.median(measured) for name, measured in seconds.items()}


def _print_table(seconds: dict[tuple[str, str], float]) -> None:
    print("| | tokens/s | us a token | time, PyJWT = 1 | time, AuthX 1.7.1 = 1 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for algorithm in ALGORITHMS:
        for name in CONTESTANTS:
            one = seconds[algorithm, name]
            alone, before = seconds[algorithm, PYJWT], seconds[algorithm, AUTHX171]
            columns = f"{1 / one:,.0f} | {one * 1e6:.1f} | {one / alone:.2f} | {one / before:.2f}"
            print(f"| {algorithm} {name} | {columns} |")
