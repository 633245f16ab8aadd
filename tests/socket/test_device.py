"""A transport before anybody is admitted on it."""

import asyncio

from authx.socket.device import Arrival, Device
from authx.socket.handshake import Handshake


async def test_a_deadline_that_was_cancelled_does_not_come() -> None:
    came: list[str] = []
    device = Device("d", Handshake(), {})
    loop = asyncio.get_running_loop()
    device.cancel_deadline()
    device.deadline = loop.call_later(0, came.append, "first")
    device.cancel_deadline()
    passed = loop.create_future()
    loop.call_later(0.01, passed.set_result, None)
    await passed

    assert came == []
    assert device.deadline is None


def test_a_device_does_not_tell_what_it_was_shown() -> None:
    device = Device("d", Handshake(headers={"authorization": "s3cret"}), {"HTTP_AUTHORIZATION": "s3cret"})

    assert "s3cret" not in repr(Arrival("s", "/", device))
