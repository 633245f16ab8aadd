"""AuthX 1.7.1's share of ``bench_verify``, run by the interpreter that has it.

Reads JSON lines. The first is ``{"HS256": {"settings": {...}, "tokens": [...]}, ...}`` and answered with the
versions; each other one is ``[algorithm, times]`` and answered with the seconds of CPU time taken.
"""

import json
import sys
import time

import jwt

from authx import AuthX, AuthXConfig, RequestToken, __version__


def main() -> None:
    logins = {}
    for algorithm, case in json.loads(sys.stdin.readline()).items():
        auth = AuthX(config=AuthXConfig(**case["settings"]))
        logins[algorithm] = auth, [RequestToken(token=token, location="headers") for token in case["tokens"]]
    answer({"authx": __version__, "pyjwt": jwt.__version__})
    for line in sys.stdin:
        algorithm, times = json.loads(line)
        auth, tokens = logins[algorithm]
        begin = time.process_time()
        for _ in range(times):
            for token in tokens:
                auth.verify_token(token)
        answer(time.process_time() - begin)


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
