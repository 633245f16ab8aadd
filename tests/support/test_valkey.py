"""The Valkey of the tests."""

import pytest
import redis

from tests.support.valkey import valkey


def test_it_can_be_taken_away_and_comes_back_on_the_same_port() -> None:
    with valkey() as server, redis.Redis.from_url(server.url, retry=None) as client:
        assert client.set("key", "value")

        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("key")

        server.start()
        assert client.get("key") is None
