"""Everything that a command shows passes one border, whatever prints it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from rich.text import Text

from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.redacting import hidden, redacted_streams
from whatschat_ops.cli.terminal.tables import Column, Table
from whatschat_ops.errors import Hint, OpsError
from whatschat_ops.redaction import REDACTED, Secret

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1In0.c2lnbmF0dXJl"
OTHER_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ2In0.c2lnbmF0dXJm"
PLAIN = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Row:
    user_id: str
    variables: Mapping[str, str]
    join_token: Secret = Secret("join")  # noqa: RUF009 - immutable


class Pair(NamedTuple):
    name: str
    value: str


class Struct(msgspec.Struct, frozen=True):
    items: tuple[Pair, ...]


def printed(*, show_secrets: bool = False, as_json: bool = False, model: Any, render: Any = str) -> str:
    stdout = io.StringIO()
    Output(stdout=stdout, stderr=io.StringIO(), show_secrets=show_secrets, as_json=as_json).result(
        model, render
    )
    return stdout.getvalue()


def narrow_table(row: Row) -> Table:
    columns = Column("User", wraps=True), Column("Variables", wraps=True)
    return Table(columns, [(row.user_id, str(dict(row.variables)))])


@pytest.mark.parametrize("as_json", [False, True])
def test_a_result_with_secrets_by_shape_and_name_shows_neither(
    as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    row = Row(JWT, {"DB_PASSWORD": PLAIN, "TABLE": "connections"})
    shown = printed(as_json=as_json, model=row, render=narrow_table)
    flat = "".join(shown.split())
    for secret in (JWT[:24], "horse", "battery", 'join"'):
        assert secret not in flat
    assert REDACTED in flat
    assert "connections" in flat.replace("│", "")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_result_shows_its_secrets_when_asked_to(as_json: bool) -> None:
    row = Row(JWT, {"DB_PASSWORD": PLAIN})
    shown = printed(
        show_secrets=True, as_json=as_json, model=row, render=lambda row: f"{row.user_id} {row.variables}"
    )
    assert JWT in shown
    assert PLAIN in shown


def test_names_beside_their_values_hide_them() -> None:
    document = {"Environment": [{"Key": "API_TOKEN", "Value": PLAIN}, {"Key": "stack", "Value": "whatschat"}]}
    assert hidden(document) == {
        "Environment": [{"Key": "API_TOKEN", "Value": REDACTED}, {"Key": "stack", "Value": "whatschat"}]
    }
    struct = Struct((Pair("JWT_SECRET", PLAIN), Pair("STAGE", "production")))
    assert hidden(struct) == Struct((Pair("JWT_SECRET", REDACTED), Pair("STAGE", "production")))


def test_two_users_who_are_tokens_stay_two_entries() -> None:
    assert list(hidden({JWT: 3, OTHER_JWT: 1}).values()) == [3, 1]


def test_a_result_without_secrets_is_the_very_object() -> None:
    row = Row("alice", {"STAGE": "production", "JWT_SECRET": "arn:aws:ssm:us-east-1:1:parameter/x"})
    assert hidden(row) is row
    rows = [row, {"nextToken": "abc", "routeKey": "$connect", "Key": "a/b.zip", "tokenTtlMinutes": 60}]
    assert hidden(rows) is rows


def test_every_way_to_say_something_redacts() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Output(stdout=stdout, stderr=stderr, verbose=True)
    out.text(f"endpoint {JWT}")
    out.note(f"note {JWT}")
    out.detail(f"JWT_SECRET='{PLAIN}'")
    out.warn(Hint(("ws", "connect", "--token", JWT)))
    out.stream({"user": JWT}, lambda row: Text(row["user"]))
    out.error_console().print(f"DB_PASSWORD={JWT}")
    out.fail(OpsError(f"failed with {JWT}", hint=Hint(("ws", "connect", "--token", JWT))))
    shown = stdout.getvalue() + stderr.getvalue()
    assert JWT not in shown
    assert "horse" not in shown
    assert shown.count(REDACTED) == 8


def test_an_error_in_json_redacts_message_hint_and_arguments() -> None:
    stdout = io.StringIO()
    Output(as_json=True, stdout=stdout, stderr=io.StringIO()).fail(
        OpsError(f"failed with {JWT}", hint=Hint(("ws", "connect", "--token", JWT)))
    )
    error = json.loads(stdout.getvalue())["error"]
    assert JWT not in str(error)
    assert error["argv"][-1] == REDACTED


def test_what_prints_without_the_output_object_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    with redacted_streams():
        sys.stdout.write(f"printed {JWT}\n")
        sys.stdout.writelines([f"lines {JWT}\n"])
        handler = logging.StreamHandler()  # on sys.stderr, as a library's warnings are
        handler.emit(logging.LogRecord("botocore", logging.WARNING, "", 0, f"logged {JWT}", (), None))
    shown = capsys.readouterr()
    assert shown.out == f"printed {REDACTED}\nlines {REDACTED}\n"
    assert shown.err == f"logged {REDACTED}\n"


def test_path_with_a_secret_is_redacted() -> None:
    assert hidden([Path("a") / f"{JWT}.yaml"]) == [Path("a") / REDACTED]
    plain = Path("configs/local.yaml")
    assert hidden(plain) is plain
