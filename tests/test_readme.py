"""The README's example, run as it stands."""

import re
from typing import Any

from tests.support import wire
from tests.support.server import ROOT, serving


async def test_the_example_does_what_is_said_beside_it() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(example, "README.md", "exec"), names)
    token = names["auth"].create_access_token

    async with (
        serving(names["app"]) as base_url,
        wire.websocket(base_url) as alice,
        wire.polling(base_url) as bob,
        wire.websocket(base_url) as nobody,
    ):
        await alice.connect(auth={"token": token("alice", scopes=["chat:write"])})
        await bob.connect(auth={"token": token("bob")})

        assert await alice.emit("message", {"to": "bob", "text": "hi"}) == [{"devices": 1}]
        assert (await bob.receive_event("message")).args == [{"from": "alice", "text": "hi"}]
        (answer,) = await bob.emit("message", {"to": "alice", "text": "hi"})
        assert answer["error"]["code"] == "insufficient_scope"
        assert (await nobody.connect()).data["data"]["code"] == "missing_token"
