"""`--query`: JMESPath over the JSON of any result."""

from __future__ import annotations

import json

import pytest

from whatschat_ops.cli.main import main
from whatschat_ops.errors import ExitCode

Capture = pytest.CaptureFixture[str]
SHOW = ["config", "show", "--query"]


def test_query_selects_from_the_json_of_a_result(capsys: Capture) -> None:
    assert main([*SHOW, "[?key=='environment'].value | [0]"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out) == "local"


def test_query_may_stand_before_the_command(capsys: Capture) -> None:
    assert main(["--query", "length(@) > `10`", "config", "show"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out) is True


def test_what_is_not_there_is_null(capsys: Capture) -> None:
    assert main([*SHOW, "nothing.of.that"]) == ExitCode.DONE
    assert capsys.readouterr().out == "null\n"


@pytest.mark.parametrize("expression", ["[?", "", "sum([].key)", "no_such_function(@)"])
def test_expression_that_cannot_be_used_is_refused_in_words(capsys: Capture, expression: str) -> None:
    assert main([*SHOW, expression]) == ExitCode.USAGE
    shown = json.loads(capsys.readouterr().out)["error"]
    assert shown["message"].startswith(f"--query: {expression!r} cannot be used: ")
    assert "jmespath.org" in shown["hint"]


def test_secret_is_hidden_from_a_query(capsys: Capture) -> None:
    token = ["token", "mint", "--user", "alice", "--secret-env", "JWT_SECRET"]
    assert main([*token, "--query", "claims.userId"]) in (ExitCode.DONE, ExitCode.USAGE)
    assert "eyJ" not in capsys.readouterr().out
