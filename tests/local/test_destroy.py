"""How `destroy` asks: in an account for the stack's name, on the embedded AWS for a yes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.local.conftest import EmbeddedAws
from tests.local.program import PROGRAM, Program
from tests.terminal import Terminal

pytestmark = pytest.mark.local

PREFIX = "typed-"
STACK = f"{PREFIX}whatschat-local"


def answered(environment: Mapping[str, str], prompt: str, answer: str) -> str:
    """What `destroy` writes to a terminal on which someone types an answer to its question."""
    with Terminal([*PROGRAM, "destroy"], environment) as terminal:
        terminal.wait_for_text(prompt)
        terminal.type(f"{answer}\n")
        assert terminal.process.wait(60) == 0
        assert terminal.shown
        return terminal.written


def test_destroy_in_an_account_asks_for_the_name_of_the_stack(embedded_aws: EmbeddedAws) -> None:
    """With an endpoint URL of its own the program takes it for an account: it does not know that it is the embedded AWS."""
    program = Program({**embedded_aws.aws_environment(), "WHATSCHAT_PREFIX": PREFIX})
    dynamodb = embedded_aws.client("dynamodb")
    program.run("table", "create", "--yes")
    refused = program.run("destroy", code=2, text=f"{STACK}\n").stderr
    assert "This is not a terminal, so it cannot ask." in refused and "Add --yes" in refused
    prompt = f"of {STACK}, with all rows of {PREFIX}websocket-connections? Type {STACK}: "
    for wrong in ("y", "yes", STACK.upper(), ""):
        assert "Nothing was changed." in answered(program.environment, prompt, wrong)
    assert f"{PREFIX}websocket-connections" in dynamodb.list_tables()["TableNames"]
    assert "Deleted 1 resource of" in answered(program.environment, prompt, STACK)
    program.run("table", "create", "--yes")
    assert program.json("destroy", "--yes")["deleted"] == ["table.connections"]
    assert f"{PREFIX}websocket-connections" not in dynamodb.list_tables()["TableNames"]


def test_destroy_on_the_embedded_aws_asks_for_a_yes(embedded_aws: EmbeddedAws) -> None:
    program = Program({**embedded_aws.environment(), "WHATSCHAT_PREFIX": PREFIX})
    program.run("table", "create", "--yes")
    assert "Deleted 1 resource of" in answered(program.environment, "websocket-connections? [y/N] ", "y")
