"""Socket.IO 5: namespaces, events, acknowledgements, binary, and what no client sends."""

import json
from typing import Any

import pytest

from tests.protocol.peer import Peer, closed, peer, receive
from tests.support.settling import until
from tests.support.tables import filled

SESSION = {"sid": str}


async def joined(client: Peer, namespace: str = "") -> Any:
    websocket = await client.opened()
    await websocket.send(f"40{namespace}")
    answer = str(await receive(websocket))
    assert answer.startswith(f'40{namespace}{{"sid":')
    return websocket


@pytest.mark.parametrize("payload", ["", "{}", '{"token":null,"a":"b"}'])
async def test_a_namespace_is_connected_to_with_a_sid_of_its_own(payload: str) -> None:
    async with peer() as client:
        websocket = await client.websocket()
        opened = json.loads(str(await receive(websocket))[1:])["sid"]
        sids = {opened}
        for namespace in ("", "/custom,"):
            await websocket.send(f"40{namespace}{payload}")
            answer = str(await receive(websocket))
            assert answer.startswith(f"40{namespace}{{")
            said = json.loads(answer[2 + len(namespace) :])
            assert list(said) == ["sid"]
            sids.add(said["sid"])
        assert len(sids) == 3
        await websocket.close()


async def test_an_unknown_namespace_is_an_error_in_these_words() -> None:
    async with peer() as client:
        websocket = await client.opened()
        await websocket.send("40/random,")
        assert await receive(websocket) == '44/random,{"message":"Invalid namespace"}'
        await websocket.send("40")
        assert str(await receive(websocket)).startswith("40{")
        await websocket.close()


async def test_a_transport_without_a_connection_is_closed_in_time() -> None:
    async with peer(connect_timeout=0.2) as client:
        await closed(await client.opened())
        assert not filled(client.socket)


async def test_leaving_one_namespace_is_not_leaving_the_other() -> None:
    async with peer() as client:
        websocket = await joined(client)
        await websocket.send("40/custom,")
        await receive(websocket)
        await websocket.send("41")
        await until(lambda: len(client.socket.sio.registry) == 1)
        await websocket.send('42/custom,1["echo"]')
        assert await receive(websocket) == "43/custom,1[]"
        await websocket.close()


@pytest.mark.parametrize("number", ["0", "1", "456"])
async def test_an_acknowledgement_has_the_number_that_was_asked_for(number: str) -> None:
    async with peer() as client:
        websocket = await joined(client)
        await websocket.send(f'42{number}["echo",1,"2",{{"3":[false]}},null]')
        assert await receive(websocket) == f'43{number}[1,"2",{{"3":[false]}},null]'
        await websocket.close()


async def test_binary_is_acknowledged_with_binary() -> None:
    async with peer() as client:
        websocket = await joined(client)
        placeholders = [f'{{"_placeholder":true,"num":{n}}}' for n in range(2)]
        await websocket.send(f'452-789["echo",{placeholders[0]},"test",{{"a":{placeholders[1]}}}]')
        await websocket.send(b"\x01\x02\x03")
        await websocket.send(b"")
        assert await receive(websocket) == f'462-789[{placeholders[0]},"test",{{"a":{placeholders[1]}}}]'
        assert [await receive(websocket) for _ in range(2)] == [b"\x01\x02\x03", b""]
        await websocket.close()


INVALID: dict[str, list[str | bytes]] = {
    "an unknown type": ["4abc"],
    "a type that is none": ["48"],
    "a payload that is no list": ["42{}"],
    "a payload that is no json": ["42[abc"],
    "an empty event": ["42[]"],
    "an ack id that is none": ['42abc["echo","test",123]'],
    "no attachments announced": ['45["echo",{"_placeholder":true,"num":0}]'],
    "an attachment that is missing": ['451-["echo",{"_placeholder":true,"num":0}]', '42["echo"]'],
    "an attachment too many": ['450-["echo"]', b"x"],
    "an attachment with another number": ['451-["echo",{"_placeholder":true,"num":7}]', b"x"],
    "bytes out of the blue": [b"abc"],
    "too many attachments": ['45999999-["echo"]'],
    "an error of a client's": ['44{"message":"no"}'],
    "an ack without a number": ["43[]"],
}


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
async def test_what_no_client_sends_closes_the_connection_and_no_other(
    case: str, ws: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with peer(ws=ws) as client:
        bystander = await joined(client)
        websocket = await joined(client)
        for frame in INVALID[case]:
            await websocket.send(frame)
        await closed(websocket)
        await bystander.send('421["echo"]')
        assert await receive(bystander) == "431[]"
        assert len(client.socket.sio.registry) == 1
        await bystander.close()
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("frame", ["4abc", '42["echo"]', '421["echo"]', "43" + "1[]", "41"])
async def test_a_first_packet_other_than_connect_closes_the_connection(frame: str) -> None:
    async with peer() as client:
        websocket = await client.opened()
        await websocket.send(frame)
        await closed(websocket)
        assert not filled(client.socket)


async def test_a_second_connect_is_refused_and_the_first_goes_on() -> None:
    async with peer() as client:
        websocket = await joined(client)
        await websocket.send("40")
        assert str(await receive(websocket)).startswith("44{")
        await websocket.send('421["echo"]')
        assert await receive(websocket) == "431[]"
        await websocket.close()


async def test_what_no_client_sends_closes_a_polling_session_too() -> None:
    async with peer() as client:
        sid = (await client.opening())["sid"]
        await client.post(sid, "40")
        await client.poll(sid)
        await client.post(sid, '42abc["echo"]')
        assert await client.poll(sid) == "1"
        assert (await client.request(sid=sid)).status_code == 400
        assert not filled(client.socket)
