"""The fixtures that authx gives to pytest, in runs of their own."""

import subprocess
import sys
from pathlib import Path

from tests.support.server import ROOT

APP = """
import pytest
from fastapi import FastAPI
from authx import AuthX, AuthXConfig, AuthXSocket

@pytest.fixture
def app(socket_clock, socket_bus):
    app = FastAPI()
    config = AuthXConfig(JWT_SECRET_KEY="k" * 64, JWT_TOKEN_LOCATION=["headers"])
    auth = AuthX(config, clock=socket_clock)
    AuthXSocket(app, auth=auth, client_manager=socket_bus.manager())
    return app

async def test_expiry(socket_client, socket_clock):
    token = socket_client.token("alice", expires_in=60)
    alice = await socket_client.connect(token=token)
    socket_clock.advance(61)
    assert alice.user == "alice"
    assert (await socket_client.expect_refused(token=token)).code == "token_expired"
"""

BYSTANDER = """
import sys

def test_nothing_was_imported():
    assert not {"authx", "fastapi", "socketio"} & sys.modules.keys()
"""


def run(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run one test file in a pytest of its own, where the plugin is named by hand."""
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    arguments = ["-m", "pytest", "-q", "-W", "error", "-p", "pytest_authx", *options, str(folder)]
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_fixtures_serve_an_app(tmp_path: Path) -> None:
    done = run(tmp_path, APP, "-o", "asyncio_mode=auto")

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_run_that_does_not_use_them_imports_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, BYSTANDER)

    assert "1 passed" in done.stdout, done.stdout + done.stderr
