"""What operators do is in the audit log: by commands as processes and in this process, with the operator's printed policy."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.local.program import Program
from tests.minimality.removal import Document, User

pytestmark = pytest.mark.local

PREFIX = "audited-"
TABLE = f"{PREFIX}whatschat-staging-audit"
CONNECTIONS = f"{PREFIX}websocket-connections"


@pytest.fixture(scope="module")
def operator(embedded_aws: EmbeddedAws) -> User:
    """Eve, with the policy that is printed and nothing else."""
    return User(embedded_aws.client, "eve")


@pytest.fixture(scope="module")
def environment(
    embedded_aws: EmbeddedAws, operator: User, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Of Eve's commands: an account that is not the embedded one, as far as the program knows."""
    directory = tmp_path_factory.mktemp("audited")
    (directory / "configs").mkdir()
    settings = {
        "prefix": PREFIX,
        "local": {"enabled": False},
        "aws": {"endpoint_url": embedded_aws.endpoint_url},
    }
    (directory / "configs" / "staging.yaml").write_text(json.dumps(settings))
    return {
        **embedded_aws.environment(),
        "WHATSCHAT_ENV": "staging",
        "AWS_ACCESS_KEY_ID": operator.access_key_id,
        "AWS_SECRET_ACCESS_KEY": operator.secret_access_key,
        "PWD": str(directory),
    }


@pytest.fixture(scope="module")
def policy(environment: dict[str, str]) -> Document:
    """The policy as `iam policies operator` prints it."""
    printed: Document = program(environment).json(
        "iam", "policies", "operator", "--account-id", "000000000000"
    )
    return printed


@pytest.fixture(scope="module")
def stack(environment: dict[str, str], operator: User, policy: Document) -> Iterator[Program]:
    """Provisioned by Eve, as a process."""
    operator.may(policy)
    eve = program(environment)
    eve.run("provision", "--yes", "--reason", "the first stack")
    yield eve
    operator.may(policy)
    eve.run("destroy", "--yes", "--delete-data")
    assert [each["action"] for each in eve.json("audit", "list", "--limit", "1")] == ["destroy"]


def program(environment: dict[str, str]) -> Program:
    return Program(environment, directory=Path(environment["PWD"]))


@pytest.fixture
def command(
    stack: Program, operator: User, policy: Document, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """A command of Eve's, in this process."""
    operator.may(policy)
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    assert stack.directory is not None
    monkeypatch.chdir(stack.directory)
    return run


def entries(command: Callable[..., Done], *options: str) -> list[dict[str, Any]]:
    done = command("audit", "list", "--json", *options)
    assert done.code == 0, done.said
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def connected(aws: EmbeddedAws, user: str, connection_id: str) -> None:
    """A row of a connection that API Gateway does not know."""
    aws.client("dynamodb").put_item(
        TableName=CONNECTIONS,
        Item={
            "connectionId": {"S": connection_id},
            "userId": {"S": user},
            "connectedAt": {"S": "2026-01-01T00:00:00.000Z"},
            "ttl": {"N": str(int(time.time()) + 3600)},
        },
    )


def test_provisioning_is_recorded_with_who_when_why_and_how_it_ended(
    stack: Program, embedded_aws: EmbeddedAws
) -> None:
    [entry] = stack.json("audit", "list", "--action", "provision")
    assert entry["by"] == "arn:aws:iam::000000000000:user/eve"
    assert (entry["reason"], entry["outcome"]) == ("the first stack", "succeeded")
    assert entry["at"] < entry["ended_at"] and entry["detail"].startswith("done: ")
    ttl = embedded_aws.client("dynamodb").describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")


def test_operator_adds_and_reads_rows_and_changes_and_deletes_none(
    command: Callable[..., Done], embedded_aws: EmbeddedAws, operator: User
) -> None:
    admin = embedded_aws.client("dynamodb")
    eve = embedded_aws.client_as(operator.access_key_id, operator.secret_access_key, "dynamodb")
    row = {"month": {"S": "2026-01"}, "entry": {"S": "2026-01-01T00:00:00.000000Z#1"}}
    eve.put_item(TableName=TABLE, Item=row)
    key = {"TableName": TABLE, "Key": row}
    delete = {"DeleteRequest": {"Key": row}}
    refused: list[Callable[[], Any]] = [
        lambda: eve.delete_item(**key),
        lambda: eve.update_item(**key, AttributeUpdates={"by": {"Value": {"S": "mallory"}}}),
        lambda: eve.batch_write_item(RequestItems={TABLE: [delete]}),
        lambda: eve.transact_write_items(TransactItems=[{"Delete": key}]),
        lambda: eve.execute_statement(
            Statement=f"DELETE FROM \"{TABLE}\" WHERE month='2026-01' AND entry='2026-01-01T00:00:00.000000Z#1'"
        ),
        lambda: eve.update_table(TableName=TABLE, DeletionProtectionEnabled=False),
        lambda: eve.delete_table(TableName=TABLE),
    ]
    for call in refused:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] in (
            "AccessDeniedException",
            "TransactionCanceledException",
        )
    assert admin.get_item(**key)["Item"] == row
    admin.delete_item(**key)


def test_put_item_of_a_known_key_replaces_a_row_which_iam_cannot_forbid(
    command: Callable[..., Done], embedded_aws: EmbeddedAws, operator: User
) -> None:
    """The limit that docs/operate.md states: no condition key of IAM knows whether an item exists."""
    admin = embedded_aws.client("dynamodb")
    eve = embedded_aws.client_as(operator.access_key_id, operator.secret_access_key, "dynamodb")
    row = {"month": {"S": "2026-01"}, "entry": {"S": "2026-01-01T00:00:00.000000Z#2"}}
    admin.put_item(TableName=TABLE, Item=row)
    eve.put_item(TableName=TABLE, Item={**row, "by": {"S": "mallory"}})
    assert admin.get_item(TableName=TABLE, Key=row)["Item"]["by"] == {"S": "mallory"}
    admin.delete_item(TableName=TABLE, Key=row)


def test_disconnect_is_found_by_user_and_by_everyone(
    command: Callable[..., Done], embedded_aws: EmbeddedAws
) -> None:
    connected(embedded_aws, "alice", "YWxpY2U=")
    assert command("ws", "disconnect", "--user", "alice", "--reason", "spam", "--yes").code == 0
    [entry] = entries(command, "--user", "alice", "--action", "ws.disconnect")
    assert (entry["target"], entry["reason"]) == ({"user_id": ["alice"]}, "spam")
    assert entry["detail"] == "closed: 0, gone: 1, failed: 0, rows_deleted: 1"
    connected(embedded_aws, "bob", "Ym9i")
    assert command("ws", "disconnect", "--all", "--yes").code == 0
    assert [each["target"] for each in entries(command, "--user", "bob")] == [{"everyone": True}]


def test_closed_connection_is_found_by_its_id_and_its_user(
    command: Callable[..., Done], embedded_aws: EmbeddedAws
) -> None:
    connected(embedded_aws, "carol", "Y2Fyb2w=")
    assert command("ws", "connections", "delete", "Y2Fyb2w=", "--yes").code == 0
    [entry] = entries(command, "--connection", "Y2Fyb2w=")
    assert entry == entries(command, "--user", "carol")[0]
    assert entry["detail"] == "socket_closed: False, row_deleted: True"


@pytest.mark.parametrize(
    "line",
    [
        ("ws", "disconnect", "--user", "nobody-is-called-so", "--yes"),
        ("ws", "disconnect", "--all", "--dry-run"),
        ("ws", "prune", "--dry-run"),
        ("ws", "broadcast", "--type", "notice", "Hi", "--dry-run"),
        ("ws", "disconnect", "--all"),
        ("provision", "--yes"),
        ("lambda", "deploy", "--yes"),
        ("chime", "meeting", "sweep", "--dry-run"),
        ("ws", "disconnect", "--user", "alice", "--all"),
    ],
    ids=" ".join,
)
def test_command_that_changes_nothing_leaves_no_entry(
    command: Callable[..., Done], embedded_aws: EmbeddedAws, line: tuple[str, ...]
) -> None:
    connected(embedded_aws, "dave", "ZGF2ZQ==")
    before = entries(command)
    command(*line)
    assert entries(command) == before


def test_failure_is_recorded_with_its_reason(command: Callable[..., Done]) -> None:
    assert command("ws", "connections", "delete", "bm9uZQ==", "--yes").code == 1
    [entry] = entries(command, "--connection", "bm9uZQ==")
    assert (entry["outcome"], entry["detail"]) == (
        "failed",
        "There is no connection bm9uZQ==: neither a row nor a socket.",
    )


def test_broadcast_is_recorded_with_its_run(command: Callable[..., Done]) -> None:
    assert command("ws", "broadcast", "--type", "notice", "Hi", "--user", "erin", "--yes").code == 0
    [entry] = entries(command, "--user", "erin", "--action", "ws.broadcast")
    assert entry["target"].keys() == {"user_id", "run", "everyone"}
    assert entry["target"]["everyone"] is False
    run_id = entry["target"]["run"]
    assert command("ws", "broadcasts", "delete", run_id, "--yes", "--reason", "cleaned up").code == 0
    [deleted] = entries(command, "--action", "ws.broadcasts.delete")
    assert (deleted["target"], deleted["reason"]) == ({"run": [run_id]}, "cleaned up")


def test_command_that_is_killed_stays_started(command: Callable[..., Done], stack: Program) -> None:
    """The process kills itself between its first change and its end, as `kill -9` would."""
    code = (
        "import os, sys\n"
        "from whatschat_ops.stack.lambdas import functions\n"
        "real = functions.invoke_function\n"
        "functions.invoke_function = lambda *a, **k: (real(*a, **k), os.kill(os.getpid(), 9))\n"
        "from whatschat_ops.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    line = [sys.executable, "-c", code, "lambda", "invoke", "connect", "--reason", "to see"]
    done = subprocess.run(line, env=stack.environment, cwd=stack.directory, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    [entry] = entries(command, "--action", "lambda.invoke")
    assert (entry["outcome"], entry["reason"], entry["ended_at"]) == ("started", "to see", None)
    assert entry["target"] == {"function": "connect"}


def test_action_without_the_permission_to_record_it_is_done_and_said(
    command: Callable[..., Done], operator: User, policy: Document
) -> None:
    kept = [statement for statement in policy["Statement"] if statement["Sid"] != "Audit"]
    operator.may({**policy, "Statement": kept})
    done = command("lambda", "invoke", "default", "--json")
    assert done.code == 0 and json.loads(done.stdout)["status_code"] == 200
    assert done.stderr.count("Warning: This action is not in the audit log: ") == 1
    assert "dynamodb:PutItem" in done.stderr
    assert command("audit", "list").code == 1


def test_entries_are_listed_for_people(command: Callable[..., Done], embedded_aws: EmbeddedAws) -> None:
    connected(embedded_aws, "frank", "ZnJhbms=")
    command("ws", "disconnect", "--user", "frank", "--reason", "a test", "--yes")
    lines = command("audit", "list", "--user", "frank", "--limit", "1").stdout.splitlines()
    assert lines[0].split() == ["Time", "Who", "Action", "Target", "Outcome"]
    text = " ".join(" ".join(lines[1:]).split())
    assert "user/eve ws.disconnect user_id: frank succeeded: closed: 0, gone: 1," in text
    assert "reason: a test" in text


@pytest.mark.parametrize("given", ["yesterday", "0001-01-01", "2026-13-01"])
def test_time_that_is_none_is_refused(command: Callable[..., Done], given: str) -> None:
    done = command("audit", "list", "--since", given)
    assert done.code == 2 and "--since" in done.stderr


def test_limit_is_said(command: Callable[..., Done]) -> None:
    done = command("audit", "list", "--limit", "1")
    assert len(done.stdout.splitlines()) >= 2
    assert "Only the newest is shown." in done.stderr


def test_two_at_once_are_both_recorded(command: Callable[..., Done], stack: Program) -> None:
    before = len(entries(command, "--action", "lambda.invoke"))
    both = [stack.start("lambda", "invoke", "disconnect", stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    found = entries(command, "--action", "lambda.invoke")
    assert len(found) == before + 2
    assert {each["outcome"] for each in found[:2]} == {"succeeded"}
