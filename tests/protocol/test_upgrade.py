"""Engine.IO 4: from polling to a websocket, with everything in flight."""

import asyncio
import json
import re

import pytest
from websockets.exceptions import InvalidStatus

from tests.protocol.peer import SEPARATOR, Peer, peer, receive
from tests.support.settling import until

every_implementation = pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])


async def connected(client: Peer) -> str:
    """A polling session with a connection, and nothing left to read."""
    sid: str = (await client.opening())["sid"]
    await client.post(sid, "40")
    assert (await client.poll(sid)).startswith("40{")
    return sid


@every_implementation
async def test_an_upgrade_by_the_book(ws: str) -> None:
    async with peer(ws=ws) as client:
        sid = await connected(client)
        transport = client.socket.sio.eio.sockets[sid]
        poll = asyncio.create_task(client.poll(sid))
        await until(lambda: transport.polling)
        websocket = await client.websocket(sid=sid)
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        assert await poll == "6"
        assert client.socket.sio.eio.transport(sid) == "polling"
        await websocket.send("5")
        await websocket.send('421["echo","hi"]')
        assert await receive(websocket) == '431["hi"]'
        assert client.socket.sio.eio.transport(sid) == "websocket"
        await websocket.close()


async def test_requests_of_an_upgraded_session_are_refused_and_disturb_nothing() -> None:
    async with peer() as client:
        sid = await connected(client)
        websocket = await client.upgraded(sid)
        await websocket.send('421["echo"]')
        assert await receive(websocket) == "431[]"
        assert (await client.request(sid=sid)).status_code == 400
        for body in ('42["back"]', "1", "garbage"):
            assert (await client.post(sid, body)).status_code == 400
        with pytest.raises(InvalidStatus):
            await client.websocket(sid=sid)
        await websocket.send('422["echo"]')
        assert await receive(websocket) == "432[]"
        await websocket.close()


async def test_a_websocket_with_the_sid_of_a_websocket_is_refused_and_disturbs_nothing() -> None:
    async with peer() as client:
        websocket = await client.websocket()
        sid = json.loads(str(await receive(websocket))[1:])["sid"]
        with pytest.raises(InvalidStatus):
            await client.websocket(sid=sid)
        assert (await client.request(sid=sid)).status_code == 400
        await websocket.send("40")
        assert str(await receive(websocket)).startswith("40{")
        await websocket.close()


@pytest.mark.parametrize("pause", [True, False], ids=["as browsers do", "without waiting for the poll"])
@every_implementation
async def test_nothing_is_lost_and_nothing_overtakes_while_emits_run(pause: bool, ws: str) -> None:
    """A sender that goes on through the whole upgrade; the client puts together what came by both ways."""
    async with peer(ws=ws) as client:
        sid = await connected(client)
        [connection] = client.socket.sio.registry
        count, stop = 0, asyncio.Event()

        async def emitting() -> None:
            nonlocal count
            while not stop.is_set():
                count += 1
                await client.socket.emit("n", count, to=connection.sid)
                await asyncio.sleep(0)

        emitter = asyncio.create_task(emitting())
        polled: list[str] = []
        for _ in range(5):
            polled += (await client.poll(sid)).split(SEPARATOR)
        probing = asyncio.Event()

        async def polling() -> None:
            while not probing.is_set():
                polled.extend((await client.poll(sid)).split(SEPARATOR))

        poller = asyncio.create_task(polling())
        websocket = await client.websocket(sid=sid)
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        probing.set()
        if pause:
            await poller
        await websocket.send("5")
        written: list[str | bytes] = [await receive(websocket) for _ in range(50)]
        await poller
        stop.set()
        await emitter
        await client.socket.emit("n", "last", to=connection.sid)
        while written[-1] != '42["n","last"]':
            written.append(await receive(websocket))
        await websocket.close()

    numbers = [
        int(found[1])
        for frame in (*polled, *written)
        if (found := re.fullmatch(r'42\["n",(\d+)\]', str(frame)))
    ]
    assert numbers == list(range(1, count + 1))


async def test_packets_that_wait_are_written_first() -> None:
    async with peer() as client:
        sid = await connected(client)
        await client.post(sid, '42["back",1]\x1e42["back",2]')
        websocket = await client.upgraded(sid)
        await websocket.send('42["back",3]')
        assert [await receive(websocket) for _ in range(3)] == [f'42["back",{n}]' for n in (1, 2, 3)]
        await websocket.close()


async def test_packets_of_an_upgrade_that_fails_are_polled() -> None:
    async with peer() as client:
        sid = await connected(client)
        websocket = await client.websocket(sid=sid)
        await websocket.send("2probe")
        assert await receive(websocket) == "3probe"
        await client.post(sid, '42["back",1]')
        assert await client.poll(sid) == "6"
        await websocket.close()
        await until(lambda: not client.socket.sio.eio.sockets[sid].held)
        assert await client.poll(sid) == '42["back",1]'
