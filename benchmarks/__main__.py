"""Runs the benchmarks named, or all of them: ``python -m benchmarks [name ...] [options of wire]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import takewhile

from benchmarks import bench_dispatch, bench_verify, bench_wire

BENCHMARKS: dict[str, Callable[[], None]] = {
    "dispatch": bench_dispatch.main,
    "verify": bench_verify.main,
    "wire": bench_wire.main,
}


def main(arguments: list[str]) -> None:
    names = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    options = arguments[len(names) :]
    if unknown := set(names) - BENCHMARKS.keys():
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(BENCHMARKS)}")
    if options and names != ["wire"]:
        sys.exit("Only wire takes options, and it has to be the only benchmark named.")
    if options:
        bench_wire.main(options)
        return
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
