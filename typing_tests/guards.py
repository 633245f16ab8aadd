"""Guards give back what they guard, and take the app's own questions."""

from typing import Any, assert_type

from socketio import AsyncNamespace

from authx.auth.policy import PolicyEngine
from authx.socket import (
    Connection,
    Denial,
    Guard,
    SocketRouter,
    guard,
    rate_limit,
    require_fresh,
    require_policy,
    require_role,
    require_scope,
)

engine = PolicyEngine()

assert_type(require_scope("chat:read", "chat:write", all_required=False), Guard)
assert_type(require_role("admin", "owner", all_required=True), Guard)
assert_type(require_fresh(), Guard)
assert_type(require_policy(engine, "write", "chat"), Guard)
assert_type(require_policy(engine, "write", lambda connection: connection.namespace), Guard)
assert_type(rate_limit("10/second"), Guard)


@require_scope("chat:write")
@require_role("member")
@rate_limit("10/second")
async def message(sid: str, text: str) -> int:
    return len(text)


def is_at_home(connection: Connection) -> bool:
    return connection.address == "127.0.0.1"


async def has_paid(connection: Connection) -> None:
    if connection.user is None:
        raise Denial("payment_required", details={"price": 5})


assert_type(guard(is_at_home), Guard)


@guard(has_paid)
def sync(sid: str) -> str:
    return sid


@require_role("admin")
class Admin(AsyncNamespace):
    async def on_kick(self, sid: str, user: str) -> bool:
        return bool(user)


SocketRouter(namespace="/admin", guards=[require_role("admin"), is_at_home, has_paid])


async def called() -> None:
    assert_type(await message("a", "b"), int)
    assert_type(sync("a"), str)
    assert_type(await Admin("/admin").on_kick("a", "b"), bool)
    judged: Any = require_scope("chat:read").judge(Connection("a", "/", "d", None, 0.0))
    assert judged is None


# --- what is wrong ----------------------------------------------------------------------------------------

require_scope(["chat:read"])  # type: ignore[arg-type]
require_role(admin=True)  # type: ignore[call-arg]
require_policy("write", "chat")  # type: ignore[call-arg]
rate_limit(10)  # type: ignore[arg-type]
SocketRouter(guards=require_role("admin"))  # type: ignore[arg-type]
guard("admin")  # type: ignore[arg-type]
sync(1)  # type: ignore[arg-type]


@require_scope  # type: ignore[arg-type]
async def without_parentheses(sid: str) -> None: ...
