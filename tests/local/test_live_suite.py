"""The live suite as a process, with the embedded AWS as the account: asked, recorded, swept, and killed in the middle."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import __main__ as program
from tests.live.questions import QUESTIONS
from tests.live.recording import leftovers
from tests.local.conftest import EmbeddedAws
from tests.local.test_differences import HASH_KEY

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

FOREIGN = "live-suite-foreign"


class Suite:
    """`python -m tests.live`, with the variables of an account."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self._environment = {
            **aws.aws_environment(),
            "WHATSCHAT_LIVE_ACCOUNT": aws.account_id,
            "WHATSCHAT_LIVE_REGION": aws.region,
        }

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """In a session of its own: a test has itself and all its processes killed."""
        return subprocess.run(
            [sys.executable, "-m", "tests.live", *arguments],
            env={**self._environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            start_new_session=True,
        )

    def left(self) -> list[str]:
        """Names of runs, in every list that has any."""
        dynamodb, iam = self.aws.client("dynamodb"), self.aws.client("iam")
        apis = self.aws.client("apigatewayv2").get_apis()["Items"]
        found = [
            *dynamodb.list_tables()["TableNames"],
            *(each["Name"] for each in apis),
            *(each["RoleName"] for each in iam.list_roles()["Roles"]),
            *(each["UserName"] for each in iam.list_users()["Users"]),
            *(each["FunctionName"] for each in self.aws.client("lambda").list_functions()["Functions"]),
            *(each["logGroupName"] for each in self.aws.client("logs").describe_log_groups()["logGroups"]),
            *self.aws.client("sqs").list_queues().get("QueueUrls", []),
        ]
        return [name for name in found if re.search(r"wl-[0-9a-f]{12}-", name)]


@pytest.fixture(scope="module")
def suite(embedded_aws: EmbeddedAws) -> Iterator[Suite]:
    """In an account that has a table of another owner."""
    dynamodb = embedded_aws.client("dynamodb")
    dynamodb.create_table(TableName=FOREIGN, **HASH_KEY)
    yield Suite(embedded_aws)
    assert FOREIGN in dynamodb.list_tables()["TableNames"]
    dynamodb.delete_table(TableName=FOREIGN)


def test_answers_differ_from_aws_in_the_documented_differences_only(suite: Suite, tmp_path: Path) -> None:
    recorded, results = tmp_path / "recorded", tmp_path / "results.json"
    done = suite(
        "run", "--only", "questions", "--live-yes", "--record", str(recorded), "--results", str(results)
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert re.search(r"0\.\d+ USD  at most, of 0\.50 USD that are allowed\nRun wl-", said)
    answers = json.loads(results.read_text(encoding="utf-8"))["answers"]
    assert answers.keys() == {each.name for each in QUESTIONS}
    wrong = {
        each.name: answers[each.name]
        for each in QUESTIONS
        if not re.fullmatch(each.here, answers[each.name]["answer"])
    }
    assert wrong == {}
    assert {each["verdict"] for each in answers.values()} == {"as AWS", "as the embedded AWS"}
    texts = [path.read_text(encoding="utf-8") for path in recorded.iterdir()]
    assert len(texts) > 40
    assert [found for text in texts for found in leftovers(text)] == []
    assert said.rstrip().endswith("Nothing of it is left.")
    assert suite.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_run_that_is_ended_in_the_middle_leaves_nothing_after_a_sweep(
    suite: Suite, number: signal.Signals
) -> None:
    """Ctrl-C: it sweeps itself. `kill -9`: the next `sweep` does."""
    ended = suite(
        "run", "--only", "questions", "--live-yes", WHATSCHAT_LIVE_END_AT=f"{number.name} API Gateway: IAM"
    )
    if number is signal.SIGKILL:
        assert ended.returncode == -signal.SIGKILL
        assert len(suite.left()) >= 3
        too_young = suite("sweep")
        assert (too_young.returncode, len(suite.left()) >= 3) == (0, True)
        ended = suite("sweep", "--older-than", "0s")
        assert ended.returncode == 0, ended.stderr
    assert "Nothing of it is left." in ended.stdout
    assert suite.left() == []


def test_credentials_of_another_account_or_no_terminal_start_nothing(
    embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**embedded_aws.aws_environment(), "WHATSCHAT_LIVE_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WHATSCHAT_LIVE_ACCOUNT", "123456789012")
    assert program.main(["run", "--live-yes"]) == 2
    assert "The credentials are of account 000000000000" in capsys.readouterr().err
    monkeypatch.setenv("WHATSCHAT_LIVE_ACCOUNT", embedded_aws.account_id)
    assert program.main(["run", "--only", "questions"]) == 2
    assert capsys.readouterr().err == "Without a terminal, run it with --live-yes.\n"


def test_pytest_alone_asks_no_account_and_says_how() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-o",
        "addopts=",
        "-rs",
        "-m",
        "live",
        "tests/live/test_account.py",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
    assert "Run it with python -m tests.live run" in done.stdout
    assert " passed" not in done.stdout
