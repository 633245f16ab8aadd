"""The Node of the tests."""

from pathlib import Path

import pytest

from tests.support.node import node

SCRIPT = """
const { io } = require("socket.io-client");
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  if (JSON.parse(line) === "end") throw new Error("as asked");
  console.log(JSON.stringify({ heard: JSON.parse(line), io: typeof io, given: process.argv[2] }));
});
"""


async def test_a_script_is_spoken_to_in_lines_of_json(tmp_path: Path) -> None:
    script = tmp_path / "script.js"
    script.write_text(SCRIPT)

    async with node(script, "argument") as peer:
        await peer.send({"a": [1]})
        assert await peer.receive() == {"heard": {"a": [1]}, "io": "function", "given": "argument"}

        await peer.send("end")
        with pytest.raises(ConnectionError, match="as asked"):
            await peer.receive()
