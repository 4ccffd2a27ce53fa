"""`chime.events: true` on the embedded AWS: provisioned, read with `chime events`, and turned off again. In this process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.minimality.chime_events import attempt_events
from tests.minimality.removal import User
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.chime.events import EventLog
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ExitCode, NotProvisioned
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

SETTINGS = Settings.of({"prefix": "events-", "chime": {"events": True}})
EVENTS = {"log_group.chime-events", "event_rule.chime-events"}
JOINED, LEFT = "AttendeeJoined", "AttendeeLeft"


@pytest.fixture(scope="module")
def aws(embedded_aws: EmbeddedAws) -> Aws:
    target = AwsTarget(
        "us-east-1",
        endpoint_url=embedded_aws.endpoint_url,
        access_key_id=embedded_aws.access_key_id,
        secret_access_key=embedded_aws.secret_access_key,
    )
    return Aws(target)


@pytest.fixture(scope="module")
def stack(aws: Aws) -> Iterator[Stack]:
    made = Stack(SETTINGS, aws)
    made.apply(made.plan())
    yield made
    made.apply(made.plan_destroy(delete_data=True))
    assert Names(SETTINGS).chime_event_log_group not in groups(aws)


def groups(aws: Aws) -> list[str]:
    return [group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]]


class Cli:
    """`whatschat-ops` with these settings."""

    def __init__(self, config: Path, events: bool = True) -> None:
        config.write_text(f"prefix: events-\nchime: {{events: {json.dumps(events)}}}\n", encoding="utf-8")
        self._config = config

    def __call__(self, *arguments: str) -> Done:
        return run("--config", str(self._config), *arguments)

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.code == ExitCode.DONE, done.said
        return json.loads(done.stdout)


@pytest.fixture
def cli(embedded_aws: EmbeddedAws, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    assert not stack.plan().changing
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)
    return Cli(tmp_path / "local.yaml")


def types(report: Any) -> list[str]:
    return [event["event_type"] for event in report["events"]]


def test_life_of_a_meeting_is_in_its_events(cli: Cli) -> None:
    meeting = cli.json(
        "chime", "meeting", "create", "-u", "alice", "-a", "alice", "-a", "bob", "--external-id", "life-1"
    )["meeting"]["meeting_id"]
    for action, user in (("attend", "alice"), ("attend", "bob"), ("leave", "alice")):
        assert cli.json("local", "chime", action, "life-1", user)["connected"] is (action == "attend")
    cli("chime", "meeting", "create", "-u", "carol", "--external-id", "life-2")
    report = cli.json("chime", "events", "life-1")
    assert sorted(types(report)) == sorted(
        ["MeetingStarted", *2 * ["AttendeeAdded", "AttendeeAuthorized", JOINED], LEFT]
    )
    assert {event["meeting_id"] for event in report["events"]} == {meeting}
    assert report["unmatched"] == {"joins_without_leave": 1, "leaves_without_join": 0, "repeated_ends": 0}
    assert cli("chime", "meeting", "delete", "life-1", "--yes").code == ExitCode.DONE
    shown = cli("chime", "events", meeting)
    assert shown.stdout.count("MeetingEnded") == 2
    assert "1 joined and did not leave" in shown.stderr and "1 ended once more" in shown.stderr
    assert {event["meeting_id"] for event in cli.json("chime", "events")["events"]} > {meeting}
    assert cli("chime", "events", "--since", "0").stdout == "No events.\n"


def test_new_events_are_followed_and_none_is_shown_twice(
    cli: Cli, aws: Aws, embedded_aws: EmbeddedAws
) -> None:
    cli("chime", "meeting", "create", "-u", "dora", "-a", "dora", "--external-id", "followed")
    found: list[str] = []

    class Enough(Exception):
        pass

    def wait() -> None:
        if LEFT in found:
            raise Enough
        embedded_aws.attend("followed", "dora", "leave" if JOINED in found else "attend")

    log = EventLog(aws, SETTINGS)
    with pytest.raises(Enough):
        for event in log.follow(datetime.now(UTC) - timedelta(hours=1), wait=wait):
            if event.external_user_id == "dora":
                found.append(event.event_type)
    assert sorted(found) == sorted(["AttendeeAdded", "AttendeeAuthorized", JOINED, LEFT])


def test_entry_that_is_no_event_is_counted(cli: Cli, aws: Aws) -> None:
    logs, group = aws.client("logs"), Names(SETTINGS).chime_event_log_group
    logs.create_log_stream(logGroupName=group, logStreamName="foreign")
    broken = {"source": "aws.chime", "detail-type": "Chime Meeting State Change", "detail": {}}
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    messages = ["not JSON", json.dumps(broken), json.dumps({"source": "aws.ec2"})]
    logs.put_log_events(
        logGroupName=group,
        logStreamName="foreign",
        logEvents=[{"timestamp": now_ms, "message": message} for message in messages],
    )
    assert cli.json("chime", "events")["malformed"] == 2
    logs.delete_log_stream(logGroupName=group, logStreamName="foreign")


def test_without_the_setting_nothing_was_measured(cli: Cli, tmp_path: Path) -> None:
    off = Cli(tmp_path / "off.yaml", events=False)
    done = off("chime", "events", "--json")
    assert done.code == ExitCode.USAGE
    assert json.loads(done.stdout)["error"]["message"] == "Not measured: chime.events is off."
    assert "--follow" not in done.said
    assert off("chime", "events", "--follow").code == ExitCode.USAGE


def test_without_the_log_group_provision_is_named(cli: Cli, aws: Aws) -> None:
    elsewhere = Settings.of({"prefix": "nowhere-", "chime": {"events": True}})
    with pytest.raises(NotProvisioned, match="/aws/events/nowhere-whatschat-local-chime does not exist"):
        next(EventLog(aws, elsewhere).events(datetime.now(UTC)))


WRITES = ("CreateLogGroup", "PutRetentionPolicy", "PutResourcePolicy", "PutRule", "PutTargets")


class CutOff(Exception):
    """The program ends here."""


@pytest.mark.parametrize("moment", ["before-call", "after-call"])
@pytest.mark.parametrize("operation", WRITES)
def test_provisioning_cut_off_at_any_call_is_completed_by_the_next_one(
    cli: Cli, aws: Aws, stack: Stack, operation: str, moment: str
) -> None:
    delete_events(aws)
    cut = Aws(aws.target)

    def end(**_: Any) -> None:
        raise CutOff

    for service in ("events", "logs"):
        cut.client(service).meta.events.register(f"{moment}.*.{operation}", end)
    broken = Stack(SETTINGS, cut)
    with pytest.raises(CutOff):
        broken.apply(broken.plan_only(EVENTS))
    stack.apply(stack.plan_only(EVENTS))
    assert not stack.plan().changing


def delete_events(aws: Aws) -> None:
    names, events = Names(SETTINGS), aws.client("events")
    events.remove_targets(Rule=names.chime_event_rule, Ids=["whatschat-ops"])
    events.delete_rule(Name=names.chime_event_rule)
    aws.client("logs").delete_log_group(logGroupName=names.chime_event_log_group)


def test_operators_policy_is_enough_for_events(
    cli: Cli, aws: Aws, stack: Stack, embedded_aws: EmbeddedAws
) -> None:
    delete_events(aws)
    user = User(embedded_aws.client, "events-operator")
    user.may(policy_of("operator", SETTINGS, Place("us-east-1", aws.account_id), "*"))
    target = replace(
        aws.target, access_key_id=user.access_key_id, secret_access_key=Secret(user.secret_access_key)
    )
    attempt_events(SETTINGS, embedded_aws.client, Aws(target))
    stack.apply(stack.plan())


def test_turning_events_off_deletes_the_rule_and_the_group_only(cli: Cli, aws: Aws, stack: Stack) -> None:
    off = Stack(Settings.of({"prefix": "events-"}), aws)
    changes = {step.address: step.action.value for step in off.plan().changing}
    assert changes == {
        "event_rule.orphan/events-whatschat-local-chime-events": "delete",
        "log_group.orphan//aws/events/events-whatschat-local-chime": "delete",
    }
    off.apply(off.plan())
    assert Names(SETTINGS).chime_event_log_group not in groups(aws)
    stack.apply(stack.plan())
    assert not stack.plan().changing


def test_sweep_of_empty_meetings_keeps_what_the_events_do_not_show_to_be_empty(cli: Cli) -> None:
    for name in ("empty-1", "empty-2"):
        cli.json("chime", "meeting", "create", "-u", "alice", "-a", "alice", "--external-id", name)
    cli.json("local", "chime", "attend", "empty-1", "alice")
    sweep = cli.json("chime", "meeting", "sweep", "--empty", "--dry-run")
    kept = {
        record["external_meeting_id"]: sweep["kept"][record["meeting_id"]]
        for record in cli.json("chime", "meeting", "list")
        if record["external_meeting_id"].startswith("empty-")
    }
    assert kept == {"empty-1": "1 connected", "empty-2": "its last event is too recent"}
    cli.json("chime", "meeting", "delete", "empty-1", "empty-2", "--yes")


def test_failed_calls_are_shown_without_chime_events(
    cli: Cli, embedded_aws: EmbeddedAws, tmp_path: Path
) -> None:
    without = Cli(tmp_path / "off.yaml", events=False)
    missing = "00000000-0000-4000-8000-00000000a91a"
    with pytest.raises(ClientError):
        embedded_aws.client("chime-sdk-meetings").get_meeting(MeetingId=missing)
    deadline = time.monotonic() + 60
    while not (calls := without.json("chime", "events", "--api", missing)):  # recorded after the answer
        assert time.monotonic() < deadline
    [call] = calls
    assert (call["operation"], call["error_code"], call["meeting_id"]) == (
        "GetMeeting",
        "NotFoundException",
        missing,
    )
    assert call["caller"] == "arn:aws:iam::000000000000:user/operator"
    shown = without("chime", "events", "--api", "--since", "1h").stdout
    assert f"GetMeeting {missing}  NotFoundException: " in shown
    refused = without("chime", "events", "--api", "--follow")
    assert (refused.code, refused.stdout) == (ExitCode.USAGE, "")
