"""`logs tail` on log groups of the embedded AWS: what is shown, in each format, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.local.program import Program
from whatschat_ops.config import Names, Settings
from whatschat_ops.handlers.user_ids import hashed_user_id
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of

pytestmark = pytest.mark.local

LIMIT_S: Final = 120


class Logs:
    """Log groups of a stack with a prefix of its own."""

    def __init__(self, aws: EmbeddedAws, prefix: str) -> None:
        self.prefix = prefix
        self.created: list[str] = []
        self._now_ms = time.time_ns() // 1_000_000
        names = Names(Settings.of({"prefix": prefix}))
        self.groups = {
            short: names.function_log_group(short) for short in ("connect", "disconnect", "default")
        }
        self.groups["access"] = names.access_log_group
        self._client = aws.client("logs")

    def create(self, *sources: str) -> None:
        for source in sources or self.groups:
            self._client.create_log_group(logGroupName=self.groups[source])
            self.created.append(self.groups[source])

    def at(self, ago_s: float) -> str:
        """A time in ISO 8601: so long before the test."""
        return datetime.fromtimestamp(self._now_ms / 1000 - ago_s, UTC).isoformat()

    def put(self, source: str, *events: tuple[float, str | Mapping[str, Any]], stream: str = "s") -> None:
        """Events: (seconds ago, message or the fields of a JSON object)."""
        group = self.groups[source]
        if not self._client.describe_log_streams(logGroupName=group, logStreamNamePrefix=stream)[
            "logStreams"
        ]:
            self._client.create_log_stream(logGroupName=group, logStreamName=stream)
        written = [
            {
                "timestamp": self._now_ms - round(ago_s * 1000),
                "message": message if isinstance(message, str) else json.dumps(message),
            }
            for ago_s, message in events
        ]
        self._client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=written)


@pytest.fixture
def logs(embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    found = Logs(embedded_aws, f"tail{uuid.uuid4().hex[:8]}-")
    for name, value in {**embedded_aws.environment(), "WHATSCHAT_PREFIX": found.prefix}.items():
        monkeypatch.setenv(name, value)
    yield found
    for group in found.created:
        embedded_aws.client("logs").delete_log_group(logGroupName=group)


def tail(*arguments: str) -> Done:
    return run("logs", "tail", *([] if "--since" in arguments else ["--since", "2h"]), *arguments)


def settings_file(directory: Path, **settings: Any) -> str:
    path = directory / "settings.yaml"
    path.write_text(json.dumps(settings))
    return str(path)


def handler(event: str, outcome: str, **fields: Any) -> dict[str, Any]:
    return {"level": "INFO", "event": event, "outcome": outcome, "requestId": "r", **fields}


def test_events_of_all_groups_are_merged_by_time_and_readable(logs: Logs) -> None:
    logs.create()
    logs.put(
        "access",
        (
            4.0,
            {
                "eventType": "CONNECT",
                "routeKey": "$connect",
                "status": "200",
                "error": "-",
                "connectionId": "c1=",
            },
        ),
    )
    logs.put(
        "connect",
        (4.5, "START RequestId: r1 Version: 1\n"),
        (3.0, handler("connect", "accepted", connectionId="c1=", userId="alice", latencyMs=12.5)),
        (
            2.0,
            "REPORT RequestId: r1\tDuration: 2.90 ms\tBilled Duration: 3 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\t\n",
        ),
    )
    logs.put("default", (1.0, "[ERROR] KeyError: 'x'\nTraceback (most recent call last):\n  File \"x.py\"\n"))
    done = tail()
    *lines, second, third = done.stdout.splitlines()
    assert done.code == 0
    assert [line[25:] for line in lines] == [
        "connect    Lambda start requestId=r1",
        "access     CONNECT $connect 200 connectionId=c1=",
        "connect    connect accepted connectionId=c1= userId=alice latencyMs=12.5",
        "connect    Lambda report ms=2.9 billedMs=3 memoryMB=40/256 requestId=r1",
        "default    [ERROR] KeyError: 'x'",
    ]
    assert (second, third) == ("    Traceback (most recent call last):", '      File "x.py"')
    assert done.stderr == "5 events, 0 late, 0 lost, 0 throttled.\n"


def test_json_has_the_fields_and_raw_the_message_as_written(logs: Logs) -> None:
    logs.create()
    message = json.dumps(handler("ping", "served", token="planted-token-of-somebody"))
    logs.put("default", (2.0, message), (1.0, "plain \x1b[2J\ttext"), stream="one")
    records = [json.loads(line) for line in tail("--json").stdout.splitlines()]
    assert [(each["source"], each["stream"], each["late_s"]) for each in records] == [
        ("default", "one", None)
    ] * 2
    assert (records[0]["fields"]["event"], records[0]["fields"]["token"], records[0]["message"]) == (
        "ping",
        "********",
        None,
    )
    assert (records[1]["fields"], records[1]["message"]) == (None, "plain \x1b[2J\ttext")
    hidden = message.replace("planted-token-of-somebody", "********")
    assert tail("-o", "raw").stdout == f"{hidden}\nplain \x1b[2J\ttext\n"
    assert "planted-token-of-somebody" in tail("-o", "raw", "--show-secrets").stdout


def test_no_control_character_of_a_message_reaches_the_text(logs: Logs) -> None:
    logs.create()
    hostile = "\x1b]0;title\x07\x1b[2Jred\x9b31m\r\u202egnp.exe\x00"
    logs.put("default", (2.0, hostile), (1.0, handler("x", "y", route=hostile)))
    shown = tail().stdout
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e\x00")
    assert "\\x1b[2Jred\\x9b31m" in shown


def test_line_of_a_megabyte_is_cut_in_text_and_whole_in_json(logs: Logs) -> None:
    logs.create()
    logs.put("default", (1.0, "é" * 500_000))
    assert "(496,000 characters more: -o raw shows them)" in tail().stdout
    assert json.loads(tail("--json").stdout)["message"] == "é" * 500_000


def test_lines_of_a_user_are_found_by_user_connection_request_and_stream(
    logs: Logs, embedded_aws: EmbeddedAws
) -> None:
    logs.create()
    logs.put("connect", (3700.0, handler("connect", "accepted", connectionId="a=", userId="alice")))
    logs.put(
        "access",
        (50.0, {"connectionId": "a=", "routeKey": "by connection"}),
        (49.0, {"connectionId": "b=", "routeKey": "other"}),
    )
    logs.put(
        "default",
        (48.0, {**handler("message", "by user", userId="alice"), "requestId": "r1"}),
        (47.0, "Traceback: by stream"),
        (46.0, "REPORT RequestId: r1\tDuration: 1.00 ms\t"),
        (45.0, "after it"),
        (44.0, {**handler("message", "of another", userId="bob", connectionId="b="), "requestId": "r2"}),
    )
    found = [line[36:] for line in tail("--user", "alice", "--since", logs.at(100)).stdout.splitlines()]
    assert found == [
        "- by connection - connectionId=a=", "message by user userId=alice", "Traceback: by stream", "Lambda report ms=1.0 requestId=r1",
    ]  # fmt: skip
    assert len(tail("--connection", "b=").stdout.splitlines()) == 2


def test_hashed_user_is_found_by_the_plain_id(logs: Logs, embedded_aws: EmbeddedAws, tmp_path: Path) -> None:
    logs.create()
    table = Names(Settings.of({"prefix": logs.prefix})).connections_table
    hashed = hashed_user_id("alice", embedded_aws.account_id, embedded_aws.region, table)
    logs.put(
        "default",
        (1.0, handler("message", "sent", userId=hashed)),
        (0.5, {**handler("message", "sent", userId="sha256:0"), "requestId": "other"}),
    )
    settings = settings_file(tmp_path, logging={"user_ids": "hashed"})
    assert tail("--user", "alice", "--config", settings).stderr.startswith("1 event,")


def test_filter_times_and_groups_select_events(logs: Logs) -> None:
    logs.create()
    logs.put(
        "default",
        (100.0, handler("a", "b", level="ERROR")),
        (50.0, handler("c", "d")),
        (10.0, handler("e", "f", level="ERROR")),
    )
    logs.put("access", (60.0, {"routeKey": "x"}))
    assert tail("--filter", '{ $.level = "ERROR" }').stdout.count("ERROR") == 2
    assert tail("--since", logs.at(70), "--until", logs.at(20)).stderr.startswith("2 events")
    assert tail("--access").stderr.startswith("1 event,")
    assert tail("--function", "default", "--access", "--since", logs.at(70)).stderr.startswith("3 events")


def test_group_that_does_not_exist_is_named_and_skipped(logs: Logs) -> None:
    logs.create("default")
    logs.put("default", (1.0, "hello"))
    done = tail()
    assert (done.code, done.stdout.count("hello")) == (0, 1)
    assert f"Warning: The log group {logs.groups['access']} does not exist: access is skipped." in done.stderr
    assert done.stderr.count("Warning") == 3


def test_without_any_group_the_hint_is_to_provision(logs: Logs) -> None:
    done = tail()
    assert done.code == 1
    assert "None of these log groups exists." in done.stderr
    assert "provision" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--filter", "{ $.level = "),
        ("--filter", "x" * 1025),
        ("--highlight", "("),
        ("--since", "soon"),
        ("--since", "1h", "--until", "2h"),
        ("--follow", "--until", "0"),
        ("--settle", "2h"),
        ("--user", "alice", "--connection", "c="),
        ("--function", "none"),
    ],
)
def test_what_cannot_be_asked_for_is_a_usage_error(logs: Logs, arguments: tuple[str, ...]) -> None:
    logs.create()
    assert tail(*arguments).code == 2


def test_access_log_that_is_switched_off_is_not_missed(logs: Logs, tmp_path: Path) -> None:
    off = ("--config", settings_file(tmp_path, websocket={"access_logs": False}))
    logs.create("connect", "disconnect", "default")
    assert tail(*off).stderr == "0 events, 0 late, 0 lost, 0 throttled.\n"
    assert tail(*off, "--access").code == 2


def test_records_that_lambda_dropped_are_counted_as_lost(logs: Logs) -> None:
    logs.create()
    dropped = {
        "type": "platform.logsDropped",
        "record": {"droppedRecords": 12, "droppedBytes": 900, "reason": "too fast"},
    }
    logs.put("default", (1.0, dropped))
    done = tail()
    assert "Lambda dropped too fast dropped=12" in done.stdout
    assert done.stderr == "1 event, 0 late, 12 lost, 0 throttled.\n"


def test_policy_of_readers_is_enough_and_needed(
    logs: Logs, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.create()
    iam, name = embedded_aws.client("iam"), f"reader-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    for variable, value in (
        ("AWS_ENDPOINT_URL", embedded_aws.endpoint_url),
        ("AWS_REGION", embedded_aws.region),
        ("AWS_ACCESS_KEY_ID", key["AccessKeyId"]),
        ("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"]),
    ):
        monkeypatch.setenv(variable, value)
    denied = tail()
    assert denied.code == 1
    assert "may not be read" in denied.stderr
    assert "iam policies operator-logs" in denied.stderr
    settings = Settings.of({"prefix": logs.prefix})
    document = policy_of("operator-logs", settings, Place(embedded_aws.region, embedded_aws.account_id), "*")
    iam.put_user_policy(UserName=name, PolicyName="logs", PolicyDocument=json.dumps(document))
    assert tail("--user", "alice").code == 0
    iam.delete_user_policy(UserName=name, PolicyName="logs")
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_follow_shows_what_it_holds_and_the_closing_line(
    logs: Logs, embedded_aws: EmbeddedAws, number: signal.Signals
) -> None:
    logs.create()
    logs.put("default", (30.0, "first"))
    program = Program({**embedded_aws.environment(), "WHATSCHAT_PREFIX": logs.prefix})
    with program.start(
        "logs", "tail", "--follow", "-o", "raw", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        logs.put("access", (29.0, "second"), stream="new")
        assert process.stdout.readline() == "second\n"
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, stdout) == (0, "")
    assert stderr.splitlines() == ["2 events, 0 late, 0 lost, 0 throttled."]


def test_reader_that_has_gone_ends_it_with_the_closing_line(logs: Logs, embedded_aws: EmbeddedAws) -> None:
    logs.create()
    logs.put("default", *((30.0, f"line {number} {'x' * 400}") for number in range(1000)))
    program = Program({**embedded_aws.environment(), "WHATSCHAT_PREFIX": logs.prefix})
    with program.start(
        "logs", "tail", "-o", "raw", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("line 0")
        process.stdout.close()
        stderr = process.stderr.read()
        process.wait(LIMIT_S)
    assert process.returncode == 0
    assert "lost, 0 throttled." in stderr
