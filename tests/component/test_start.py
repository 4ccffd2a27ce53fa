"""What a start of the program imports, seen in a new process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from whatschat_ops.cli.commands import MODULES


def imported_by(code: str) -> set[str]:
    """The modules that a new process has imported after running `code`."""
    script = f"{code}\nimport sys, json\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def run_in_process(*arguments: str) -> set[str]:
    """The modules that are imported when the program runs one command line."""
    return imported_by(f"from whatschat_ops.cli.main import main; main({list(arguments)!r})")


HELP = ["--help"]
GROUP_HELP = ["ws", "--help"]
COMMAND_HELP = ["ws", "broadcast", "--help"]
SHOW = ["config", "show"]
COST = ["cost", "estimate", "--messages", "10M", "--users", "5", "--hours-per-day", "1"]
EXPLAIN = ["explain", "1006"]
LINES = [HELP, GROUP_HELP, COMMAND_HELP, SHOW, COST, EXPLAIN]
HELP_LINES = [HELP, GROUP_HELP, COMMAND_HELP]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_commands_that_need_no_aws_do_not_import_boto3(line: list[str]) -> None:
    modules = run_in_process(*line)
    assert not {"boto3", "botocore", "pydantic"} & modules
    assert "whatschat_ops.local.service" not in modules
    assert "ministack" not in modules


@pytest.mark.parametrize("line", HELP_LINES, ids=" ".join)
def test_help_loads_no_settings_and_no_formatter(line: list[str]) -> None:
    assert not {"msgspec", "yaml", "websockets", "jwt", "rich"} & run_in_process(*line)


def test_version_is_printed_before_typer_is_imported() -> None:
    modules = run_in_process("--version")
    assert not {"typer", "dataclasses", "whatschat_ops.errors"} & modules


@pytest.mark.parametrize(
    ("arguments", "groups"),
    [
        (["provision", "--help"], {"stack.provision"}),
        (["-e", "local", "lambda", "list", "--help"], {"stack.functions"}),
        (["--config", "x.yaml", "--json", "plan", "--help"], {"stack.provision"}),
        (["--help"], set()),
        ([], set()),
        (["stack"], set()),
        (["provison"], set()),
        (["-qe", "local", "ws"], set()),
        (["ws", "connections", "--help"], set()),
        (["ws", "connections", "stats", "--help"], {"ws.stats"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_only_the_module_of_the_command_is_imported(arguments: list[str], groups: set[str]) -> None:
    commands = {
        module.removeprefix("whatschat_ops.cli.") for module in run_in_process(*arguments) & set(MODULES)
    }
    assert commands == groups


def test_library_of_meetings_loads_neither_settings_nor_the_command_line() -> None:
    modules = imported_by("import whatschat_ops.chime, whatschat_ops.chime.fake")
    assert not {"typer", "click", "rich", "yaml", "ministack"} & modules
    assert not [
        name
        for name in modules
        if name.startswith(("whatschat_ops.config", "whatschat_ops.cli", "whatschat_ops.local"))
    ]
