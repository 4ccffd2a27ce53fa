"""The published JSON Schemas: one for each command, strict, and described. What commands print in all other tests is compared with them."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests import in_process
from tests.json_output.checking import check_printed, command_of, problem
from tests.json_output.results import RESULTS
from tests.json_output.schemas import DIALECT, Schemas, file_of, files, schema_of
from whatschat_ops.cli.commands import Command, every_command
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.errors import ExitCode, Hint
from whatschat_ops.pricing.amounts import Usd
from whatschat_ops.redaction import Secret

PRINTED = {
    "cost estimate": ("--messages", "10M", "--users", "1000"),
    "cost rates show": (),
    "explain": ("1006",),
    "config show": (),
    "ws endpoint": ("wss://abc123.execute-api.us-east-1.amazonaws.com/production",),
}
"""Commands that ask AWS nothing, with a command line that shows much."""


def test_every_command_has_a_row() -> None:
    commands = {path for path, entry in every_command() if isinstance(entry, Command)}
    assert RESULTS.keys() == commands | {"error", "version"}


def test_published_schemas_are_those_of_the_types() -> None:
    assert {file: file.read_text(encoding="utf-8") for file in file_of("error").parent.iterdir()} == files()


@pytest.mark.parametrize("command", RESULTS)
def test_a_published_schema_is_a_schema(command: str) -> None:
    schema = json.loads(file_of(command).read_text(encoding="utf-8"))
    assert schema["$schema"] == DIALECT
    Draft202012Validator.check_schema(schema)
    for definition in schema.get("$defs", {}).values():
        if "properties" in definition:
            assert definition["additionalProperties"] is False
            assert definition["required"] == list(definition["properties"])


def test_every_kind_of_result_is_described() -> None:
    bare = {
        name
        for command in RESULTS
        for name, definition in json.loads(file_of(command).read_text(encoding="utf-8"))
        .get("$defs", {})
        .items()
        if "description" not in definition
    }
    assert bare == set()


@pytest.fixture(scope="module", params=PRINTED)
def printed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """A command, and what it printed."""
    command = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        done = in_process.run(*command.split(), *PRINTED[command], "--json")
    assert done.code == ExitCode.DONE, done.said
    return command, json.loads(done.stdout)


class Level(Enum):
    HIGH = "high"


@dataclass(frozen=True)
class Inner:
    """What is inside."""

    amounts: tuple[Usd, ...]
    level: Level | None


@dataclass(frozen=True)
class Shown:
    """A result with everything that a result may hold."""

    at: datetime
    file: Path
    secret: Secret
    fix: Hint | None
    inner: Inner
    by_name: dict[str, Inner | str]
    pair: tuple[int, float]
    anything: Any
    took_ms: float | None
    """How long it took."""


def shown() -> Shown:
    inner = Inner((Decimal("1E+3"),), Level.HIGH)
    at = datetime(2026, 11, 29, 12, tzinfo=UTC)
    return Shown(
        at,
        Path("a"),
        Secret("s"),
        Hint(("plan",), "See"),
        inner,
        {"a": inner, "b": "c"},
        (1, 2.5),
        [{}],
        None,
    )


def encoded(value: object) -> Any:
    stdout = io.StringIO()
    Output(as_json=True, stdout=stdout).result(value, str)
    return json.loads(stdout.getvalue())


def validator_of(kind: Any) -> Draft202012Validator:
    made = Schemas()
    return Draft202012Validator({**made.of(kind), "$defs": made.definitions})


def test_the_schema_of_a_type_is_what_its_values_are_printed_as() -> None:
    schemas = Schemas()
    assert validator_of(Shown).is_valid(encoded(shown()))
    assert schemas.of(Shown) == {"$ref": "#/$defs/Shown"}
    fields = schemas.definitions["Shown"]["properties"]
    assert fields["at"]["format"] == "date-time"
    assert fields["took_ms"] == {"type": ["number", "null"], "description": "How long it took."}
    assert (
        schemas.definitions["Inner"]["properties"]["amounts"]["items"]["description"] == "US dollars, exact."
    )
    assert schemas.definitions["Level"]["enum"] == ["high"]


WRONG: dict[str, Any] = {
    "at": 1,
    "file": None,
    "secret": {},
    "fix": [],
    "inner": {"amounts": [1000], "level": None},
    "by_name": {"a": 1},
    "pair": [1],
    "took_ms": "1",
}


@pytest.mark.parametrize("field", WRONG)
def test_a_field_of_another_type_is_refused(field: str) -> None:
    assert not validator_of(Shown).is_valid({**encoded(shown()), field: WRONG[field]})


@pytest.mark.parametrize("change", ["removed", "added", "of another type"])
def test_a_changed_field_of_a_printed_result_is_refused(printed: tuple[str, Any], change: str) -> None:
    command, document = printed
    assert problem(command, document) is None
    row = document[0] if isinstance(document, list) else document
    for name in list(row):
        changed = copy.copy(row)
        if change == "removed":
            del changed[name]
        elif change == "added":
            changed[f"{name}_2"] = changed[name]
        else:
            changed[name] = object_or_number(changed[name])
        whole = [changed] if isinstance(document, list) else changed
        if change != "of another type" or name not in ANYTHING:
            assert problem(command, whole) is not None, name


ANYTHING = ("value",)
"""Fields that hold what a user wrote, of any type."""


def object_or_number(value: Any) -> Any:
    return 1.5 if isinstance(value, dict) else {"unexpected": 1}


def test_an_error_is_as_its_schema_says() -> None:
    done = in_process.run("ws", "nothing", "--json")
    document = json.loads(done.stdout)
    assert problem("ws endpoint", document) is None
    assert problem("error", {"error": {**document["error"], "hint": 1}}) is not None


def test_what_a_process_prints_is_compared_with_the_schema() -> None:
    line = ("--config", "x", "ws", "endpoint", "--json")
    with pytest.raises(AssertionError, match="ws endpoint --json is not"):
        check_printed(line, '{"websocket_url": 1}')
    with pytest.raises(AssertionError, match="local logs --json is not"):
        check_printed(("local", "logs", "--json"), '{"line": "a"}\n{"line": 1}\n')
    check_printed((*line, "--query", "a"), '"anything"')


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("--config ws ws broadcasts list --json", "ws broadcasts list"),
        ("-e dev status", "status"),
        ("--version --json", "version"),
        ("--json ws", None),
        ("nothing", None),
    ],
)
def test_the_command_of_a_command_line(line: str, command: str | None) -> None:
    assert command_of(line.split()) == command


def test_the_installed_program_prints_its_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(in_process.run("schema", "ws", "broadcast").stdout) == schema_of("ws broadcast")
    assert in_process.run("schema").stdout.split("\n")[:2] == ["error", "version"]
    missing = in_process.run("schema", "ws")
    assert missing.code == ExitCode.FAILED
    assert missing.stderr.startswith("Error: No command 'ws' has a schema.")
