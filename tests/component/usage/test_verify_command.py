"""`cost verify` as a process that finds the calculator through its endpoint variable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.calculator_service import Calculator, serving
from tests.unit.usage.test_calculator import EXAMPLE, PRICES
from whatschat_ops.errors import ExitCode


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("local: {enabled: false}\nenvironments: {production: {}}\n")
    return path


def command(service: Calculator, settings: Path) -> subprocess.Popen[str]:
    variables = ("BCM_PRICING_CALCULATOR", "STS", "DYNAMODB")
    environment = {
        **os.environ,
        **{f"AWS_ENDPOINT_URL_{name}": service.url for name in variables},
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    words = [
        "cost",
        "verify",
        "--usage",
        str(EXAMPLE),
        "-e",
        "production",
        "--config",
        str(settings),
        "--json",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "whatschat_ops", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def test_process_asks_the_calculator_and_deletes_what_it_made(settings: Path) -> None:
    with serving(Calculator(PRICES)) as service:
        stdout, stderr = command(service, settings).communicate(timeout=120)
    found = json.loads(stdout)
    assert {line["status"] for line in found["lines"]} == {"VALID"}, stderr
    assert service.called[-1] == "DeleteWorkloadEstimate"


def test_interrupted_process_deletes_what_it_made(settings: Path) -> None:
    held = Calculator(PRICES, held=frozenset(["GetWorkloadEstimate"]))
    with serving(held) as service:
        running = command(service, settings)
        assert service.asked.wait(60)
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=120)
    assert running.returncode == ExitCode.INTERRUPTED, stderr
    assert service.called[-1] == "DeleteWorkloadEstimate"
    assert service.estimates == {}
