"""What a start of the program imports, seen in a new process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def imported_by(code: str) -> set[str]:
    """The modules that a new process has imported after running `code`."""
    script = f"{code}\nimport sys, json\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stderr))


BUILD = "from whatschat_ops.cli.main import build_app; build_app()"
HELP = "from whatschat_ops.cli.main import main; main(['--help'])"
COST = (
    "from whatschat_ops.cli.main import main; "
    "assert main(['cost', 'estimate', '--messages', '10M', '--users', '5', '--hours-per-day', '1']) == 0"
)


@pytest.mark.parametrize("code", [BUILD, HELP, COST], ids=["build_app", "--help", "cost estimate"])
def test_commands_that_need_no_aws_do_not_import_boto3(code: str) -> None:
    modules = imported_by(code)
    assert not {"boto3", "botocore"} & modules
    assert "whatschat_ops.local.service" not in modules
    assert "ministack" not in modules


@pytest.mark.parametrize("code", [BUILD, HELP], ids=["build_app", "--help"])
def test_help_loads_no_settings(code: str) -> None:
    assert not {"pydantic", "yaml", "websockets", "jwt"} & imported_by(code)
