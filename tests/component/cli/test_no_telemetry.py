"""Every command, in an account: it asks AWS in the Region of its settings, and no one else.

Names are recorded and not found, so that the first call of a command fails. On the embedded AWS, where commands come to their end,
`tests/local/test_secrets_walk.py` watches the same. What neither sees: `tests/hosts.py`.
"""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.hosts import no_other_machine
from tests.in_process import run
from tests.local.test_secrets_walk import LINES, NAMED_BY_USER, plant_files
from whatschat_ops.cli.terminal.output import Output

REGION: Final = "eu-central-1"
OF_AWS: Final = re.compile(rf"[a-z]+\.{REGION}\.(amazonaws\.com|api\.aws)")
IN_AN_ACCOUNT: Final = [path for path in LINES if not path.startswith("local ")]
OFFLINE: Final = {
    "init",
    "explain",
    "schema",
    "env list",
    "config show",
    "config validate",
    "config schema",
    "completion",
    "config reference",
    "lambda package",
    "iam policies",
    "ws broadcasts list",
    "ws broadcasts show",
    "ws broadcasts stop",
    "ws broadcasts delete",
    "ws compare",
    "ws load",
    "chime usage",
    "chime attendee batch",
    "cost estimate",
    "cost report",
    "cost compare",
    "cost reconcile",
    "cost forecast",
    "cost verify",
    "cost actual",
    "cost budget set",
    "cost rates list",
    "cost rates show",
    "cost rates diff",
    "cost rates refresh",
    "cost usage import",
    "export cloudformation",
    "unlock",
}
"""Commands whose lines ask nothing: they read files, or stop at a mistake."""


@pytest.fixture(autouse=True)
def account(clean_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account in `REGION`; keys, so that nothing else is asked for them, and no pause between attempts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_CHIME_REGION", REGION)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    plant_files(tmp_path)


@pytest.mark.parametrize("path", IN_AN_ACCOUNT)
def test_a_command_in_an_account_asks_only_aws_in_its_region(path: str) -> None:
    with no_other_machine() as contacts:
        for arguments in LINES[path]:
            run("-e", "staging", "--config", "settings.yaml", *path.split(), *arguments)
    asked = contacts.hosts - NAMED_BY_USER.get(path, set())
    assert [host for host in asked if not OF_AWS.fullmatch(host)] == []
    assert bool(asked) == (path not in OFFLINE)


def by_name() -> None:
    with suppress(OSError):
        urllib.request.urlopen("https://telemetry.example/", timeout=1)


def by_address() -> None:
    with suppress(OSError):
        socket.create_connection(("203.0.113.7", 443), timeout=1)


def by_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending, suppress(OSError):
        sending.sendto(b"x", ("203.0.113.7", 53))


def by_event_loop() -> None:
    with suppress(OSError):
        asyncio.run(asyncio.wait_for(asyncio.open_connection("203.0.113.7", 443), 1))


def by_thread() -> None:
    thread = threading.Thread(target=by_name)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("ask", "host"),
    [
        (by_name, "telemetry.example"),
        (by_address, "203.0.113.7"),
        (by_datagram, "203.0.113.7"),
        (by_event_loop, "203.0.113.7"),
        (by_thread, "telemetry.example"),
    ],
)
def test_a_connection_that_is_planted_in_a_command_is_seen(
    ask: Callable[[], None], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = Output.result

    def sends_telemetry(self: Output, *arguments: Any) -> None:
        ask()
        result(self, *arguments)

    monkeypatch.setattr(Output, "result", sends_telemetry)
    with no_other_machine() as contacts:
        assert run("whoami", "--help").code == 0
        assert contacts.hosts == set()
        assert run("env", "list").code == 0
    assert contacts.hosts == {host}


def test_a_program_that_is_started_is_seen() -> None:
    with no_other_machine() as contacts:
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert contacts.programs == {Path(sys.executable).name}


def test_this_machine_is_no_other() -> None:
    with no_other_machine() as contacts, socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=60).close()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=60).close()
    assert contacts.hosts == set()
