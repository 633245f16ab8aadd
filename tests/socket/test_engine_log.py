"""What python-engineio may write into a log: what it did, and nothing that came from a client."""

import logging
import re
from pathlib import Path

import engineio
import pytest

from authx.socket.engine_log import EngineLog

NAME = "authx.socket.engine"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> EngineLog:
    caplog.set_level(logging.INFO, logger=NAME)
    return EngineLog(logging.getLogger(NAME))


def test_packets_are_named_and_not_shown(log: EngineLog, caplog: pytest.LogCaptureFixture) -> None:
    log.info("%s: Received packet %s data %s", "a sid", "MESSAGE", {"token": "hunter2"})

    assert re.fullmatch(r"[0-9a-f]{8}: Received packet MESSAGE data \.\.\.", caplog.messages[0])


def test_the_lines_of_a_transport_can_be_told_from_those_of_another(
    log: EngineLog, caplog: pytest.LogCaptureFixture
) -> None:
    for sid in ("one", "other", "one"):
        log.info("%s: Client is gone, closing socket", sid)

    first, second, third = caplog.messages
    assert first == third != second
    assert "one" not in first.split(":")[0]


@pytest.mark.parametrize(
    ("message", "arguments", "told"),
    [
        ("Invalid session x\nhunter2", (), "Invalid session"),
        ("Invalid session hunter2 (further occurrences of this error ...)", (), "Invalid session"),
        ("Cannot send to sid %s", ("hunter2",), "Cannot send to sid ..."),
        ("Method %s not supported", ("HUNTER2",), "Method ... not supported"),
        ("hunter2 is not an accepted origin.", (), "(a message that may hold what a client wrote)"),
        (ValueError("hunter2"), (), "(a message that may hold what a client wrote)"),
        ("Server initialized for %s.", ("asgi",), "Server initialized for asgi."),
        ("Invalid transport", (), "Invalid transport"),
    ],
)
def test_what_came_from_a_client_is_left_out(
    message: object,
    arguments: tuple[object, ...],
    told: str,
    log: EngineLog,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log.error(message, *arguments)

    assert caplog.messages == [told]


def test_an_exception_is_told_by_its_kind_and_its_place(
    log: EngineLog, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        int("hunter" + "2")
    except ValueError:
        log.exception("message async handler error")

    assert caplog.messages == ["message async handler error"]
    assert "ValueError" in caplog.text
    assert Path(__file__).name in caplog.text
    assert "hunter2" not in caplog.text


def test_a_level_that_is_off_stays_off(log: EngineLog, caplog: pytest.LogCaptureFixture) -> None:
    log.debug("%s: Received packet %s data %s", "a sid", "MESSAGE", "hunter2")

    assert caplog.messages == []


def test_the_sentences_are_those_of_the_installed_version(
    log: EngineLog, caplog: pytest.LogCaptureFixture
) -> None:
    """A message that is built of a client's words is known by how it begins, or not told at all."""
    source = "".join(
        (Path(engineio.__file__).parent / f"{name}.py").read_text()
        for name in ("async_server", "async_socket", "base_server")
    )
    for formatted in re.findall(r"""_log_error_once\(\s*f(['"])(.*?)\1""", source):
        log.error(formatted[1].replace("{sid}", "hunter2").replace("{e}", "hunter2"))

    assert caplog.messages
    assert "hunter2" not in caplog.text
