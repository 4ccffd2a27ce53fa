"""Asked of a real AWS account only: `python -m tests.live run`. See docs/testing.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.live.account import HOW, RUN_TAG
from tests.live.questions import QUESTIONS, Question
from tests.live.site import Site
from tests.live.sweep import STACK_SETTINGS
from tests.local.program import Program

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def account(request: pytest.FixtureRequest) -> Any:
    """The plugin of the run."""
    found = request.config.pluginmanager.get_plugin("live-account")
    if found is None:
        pytest.skip(f"Run it with {HOW}.")
    return found


@pytest.fixture(scope="module")
def site(account: Any) -> Site:
    return Site(account.aws)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_answer_is_what_the_page_says_of_aws(account: Any, site: Site, question: Question) -> None:
    answer = question.ask(site)
    account.answered(question.name, answer, question.verdict(answer))
    assert question.verdict(answer) == "as AWS", answer


def test_stack_is_provisioned_used_and_destroyed(account: Any, tmp_path: Path) -> None:
    """Through the command line, with a stack of the run's prefix: sockets, messages, a meeting."""
    settings = tmp_path / "live.yaml"
    settings.write_text(STACK_SETTINGS.format(prefix=account.aws.run), encoding="utf-8")
    state = {"WHATSCHAT_OPS_STATE_DIR": str(tmp_path / "state")}
    options = ("-e", "live", "--config", str(settings))
    program = Program({**account.aws.environment(), **state}, directory=tmp_path, options=options)
    program.run("provision", "--yes")
    assert not program.json("plan")["changes"]
    assert (
        "pong" in program.run("ws", "connect", "--user", "alice", "--json", text='{"type":"ping"}\n').stdout
    )
    tag = f"{RUN_TAG}={account.aws.run}"
    program.run("chime", "meeting", "create", "--user", "alice", "--attendee", "bob", "--tag", tag)
    program.run("chime", "meeting", "delete", "--all", "--yes")
    program.run("destroy", "--yes", "--delete-data")
