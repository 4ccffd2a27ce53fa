"""What a wrong command line gets: one sentence, a hint, an exit code; never a traceback."""

from __future__ import annotations

import json
import platform
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import typer
from botocore.exceptions import ParamValidationError

from whatschat_ops import __version__
from whatschat_ops.cli import commands
from whatschat_ops.cli.commands import Command
from whatschat_ops.cli.main import main
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import (
    ChecksFailed,
    ConfigError,
    CredentialsError,
    ExitCode,
    Interrupted,
    LocalError,
    NotFound,
    OpsError,
    PartlyDone,
    UsageError,
)
from whatschat_ops.local.layout import Layout

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without configs/."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("--bogus", "No such option: --bogus", "whatschat-ops --help"),
        ("nonsense", "No such command 'nonsense'", "whatschat-ops --help"),
        ("cost nonsense", "No such command 'nonsense'", "whatschat-ops cost --help"),
        ("cost estimate --bogus", "No such option: --bogus", "whatschat-ops cost estimate --help"),
        (
            "ws connections get -geFSt04bTMTm9k=",
            "looks like an option",
            "ws connections get -- -geFSt04bTMTm9k=",
        ),
        ("cost estimate --messages", "requires an argument", "whatschat-ops cost estimate --help"),
        ("-e local ws send --to", "requires an argument", "whatschat-ops -e local ws send --help"),
        ("status --wach", "No such option: --wach. Did you mean '--watch'?", "whatschat-ops status --help"),
        (
            "lambda list --sizes",
            "No such option: --sizes.\n",
            "whatschat-ops lambda list --help",
        ),
        ("whoami --environment x", "Did you mean '--env'?", "whatschat-ops whoami --help"),
        (
            "ws broadcast --engine dist x",
            "'dist' is not one of 'local', 'distributed'. Did you mean 'distributed'?",
            "whatschat-ops ws broadcast --help",
        ),
        (
            "completion bsh",
            "Invalid value for SHELL: 'bsh' is not one of 'bash', 'zsh', 'fish', 'powershell'. Did you mean 'bash'?",
            "whatschat-ops completion --help",
        ),
        (
            "completion",
            "Missing argument SHELL. Choose from: bash, zsh, fish, powershell",
            "whatschat-ops completion --help",
        ),
        ("lambda invoke conect", "Did you mean 'connect'?", "whatschat-ops lambda list"),
        ("doctor --only WS02", "No check has the code 'WS02'. Did you mean 'WS020'?", "docs/doctor.md"),
        ("cost estimate too many", "unexpected extra argument", "whatschat-ops cost estimate --help"),
        ("config show -e staging", "There is no environment 'staging'", "whatschat-ops init -e staging"),
        ("config show --config no.yaml", "There is no configuration file no.yaml", "--config"),
        ("config show --region moon", "flag --region: aws.region", "whatschat-ops config reference"),
        ("config schema -o no/where.json", "cannot be written", ""),
        ("env render frontend --replace", "--replace needs --output", ""),
        ("cost estimate --messages -1", "flag --messages: websocket.messages: must be at least 0", ""),
        ("cost estimate --no-free-tier --first-year", "contradict each other", ""),
        ("cost estimate --usage no.yaml", "no.yaml cannot be read", ""),
        ("cost rates show --rates no.yaml", "no.yaml cannot be read", ""),
    ],
)
def test_wrong_usage_is_explained_on_stderr_with_exit_code_2(
    capsys: Capture, line: str, message: str, hint: str
) -> None:
    assert main(line.split()) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert message in captured.err
    assert hint in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--json config show -e staging", "config"),
        ("config show -e staging --json", "config"),
        ("config show --json --bogus", "usage"),
        ("--json nonsense", "usage"),
        ("cost estimate --json --messages nan", "config"),
    ],
)
def test_with_json_the_error_is_the_one_document_on_stdout(capsys: Capture, line: str, code: str) -> None:
    assert main(line.split()) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == code
    assert captured.err == ""


def test_debug_adds_the_traceback(capsys: Capture) -> None:
    assert main(["config", "show", "-e", "staging", "--debug"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert "Traceback" in captured.err
    assert captured.err.splitlines()[-2].startswith("Error: There is no environment")


@pytest.mark.parametrize("group", ["cost", "config", "env", "env render"])
def test_a_bare_group_shows_its_help(capsys: Capture, group: str) -> None:
    assert main(group.split()) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert f"USAGE\n  whatschat-ops {group} COMMAND" in captured.out
    assert "Error" not in captured.err


def test_version_and_help_are_done(capsys: Capture) -> None:
    assert main(["--version"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("whatschat-ops ")
    for line in (["--help"], ["-h"], ["cost", "estimate", "--help"]):
        assert main(line) == ExitCode.DONE
        assert "USAGE\n  whatschat-ops" in capsys.readouterr().out


class _Failing:
    """A module with one command, which fails as told."""

    __spec__ = ModuleSpec("whatschat_ops.cli.failing", None)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def fail(self, run: Run) -> None:
        """Fail."""
        raise self.error


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make `whatschat-ops fail` raise an error, and run it."""

    def run(error: BaseException, *options: str) -> int:
        monkeypatch.setattr(commands, "COMMANDS", {"fail": Command("Fail", "failing:fail")})
        monkeypatch.setitem(sys.modules, "whatschat_ops.cli.failing", _Failing(error))
        return main(["fail", *options])

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OpsError("x"), 1),
        (LocalError("x"), 1),
        (NotFound("x"), 1),
        (CredentialsError("x"), 1),
        (UsageError("x"), 2),
        (ConfigError("x"), 2),
        (ChecksFailed("x"), 3),
        (PartlyDone("x"), 4),
        (Interrupted("x"), 130),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (typer.Exit(3), 3),
        (ZeroDivisionError("a bug"), 1),
    ],
)
def test_every_failure_has_its_exit_code(failing: Any, error: BaseException, code: int) -> None:
    assert failing(error) == code


def test_a_bug_is_one_sentence_that_asks_for_a_report(failing: Any, capsys: Capture) -> None:
    failing(ZeroDivisionError("by nothing"))
    assert capsys.readouterr().err.splitlines() == [
        "Error: Something went wrong inside whatschat-ops: ZeroDivisionError: by nothing",
        "  Try: Run it again with --debug and report what it prints.",
    ]


def test_a_secret_in_a_bug_is_redacted(failing: Any, capsys: Capture) -> None:
    failing(ValueError("bad url wss://h/s?token=opaque"))
    assert "opaque" not in capsys.readouterr().err


def test_a_run_leaves_nothing_behind_for_the_next(failing: Any, capsys: Capture) -> None:
    failing(OpsError("x"), "--json")
    capsys.readouterr()
    assert main(["--bogus"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("Error: ")


def test_empty_message_is_refused(capsys: Capture) -> None:
    assert main(["ws", "broadcast", ""]) == ExitCode.USAGE
    assert "The message is empty." in capsys.readouterr().err


def test_config_reference_as_json_is_a_list_of_settings(capsys: Capture) -> None:
    assert main(["config", "reference", "--json"]) == 0
    settings = {setting["key"]: setting for setting in json.loads(capsys.readouterr().out)}
    assert settings["lambda.architecture"]["allowed"] == ["arm64, x86_64"]
    assert settings["aws.region"]["environment_variable"] == "AWS_REGION"
    assert all(setting["meaning"] for setting in settings.values())


@pytest.mark.parametrize(
    "account", ["12345678901", "1234567890123", "12345678901a", "１２３４５６７８９０１２", ""]
)
def test_account_id_that_is_none_is_wrong_usage(capsys: Capture, account: str) -> None:
    assert main(["iam", "policies", "lambda", "--account-id", account]) == ExitCode.USAGE
    assert "an account has 12 digits" in capsys.readouterr().err


def test_log_of_the_embedded_aws_as_json_is_an_object_for_each_line(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path))
    log = Layout.of_user().log_file
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text('one\ntwo "quoted"\nthree\n', encoding="utf-8")
    assert main(["local", "logs", "--lines", "2", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"line": 'two "quoted"'}, {"line": "three"}]


@pytest.mark.parametrize("word", ["co\x7fst", "don't", "a\nb", "\\", "É"])
def test_a_command_that_is_none_is_named_whatever_it_consists_of(capsys: Capture, word: str) -> None:
    assert main([word]) == 2
    assert f"No such command {word!r}." in capsys.readouterr().err


def test_config_show_names_the_parameter_of_a_variable(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("lambda: {environment: {API_URL: {parameter: /x/y}, PLAIN: z}}")
    assert main(["config", "show", "--config", str(file)]) == 0
    assert '{"API_URL": {"parameter": "/x/y"}, "PLAIN": "z"}' in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["config", "validate", "-h"], ["ws"]])
def test_help_is_shown_with_every_option_before_it(capsys: Capture, arguments: list[str]) -> None:
    assert main(["--show-secrets", *arguments]) == main(arguments)
    assert "whatschat-ops" in capsys.readouterr().out


def test_a_value_that_botocore_refuses_is_wrong_usage(failing: Any, capsys: Capture) -> None:
    report = 'Invalid bucket name "[/]": it must match the regex'
    assert failing(ParamValidationError(report=report)) == 2
    assert f"AWS does not take such a value: {report}" in capsys.readouterr().err


def test_version_as_json_says_what_decides_how_this_copy_behaves(capsys: Capture) -> None:
    assert main(["--version", "--json"]) == ExitCode.DONE
    shown = json.loads(capsys.readouterr().out)
    assert shown["version"] == __version__
    assert shown["python"] == platform.python_version()
    assert "local" in shown["extras"]
