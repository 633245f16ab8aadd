"""Runs the benchmarks named, or all of them: ``python -m benchmarks [name ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import bench_dispatch, bench_verify

BENCHMARKS: dict[str, Callable[[], None]] = {"dispatch": bench_dispatch.main, "verify": bench_verify.main}


def main(names: list[str]) -> None:
    if unknown := set(names) - BENCHMARKS.keys():
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
