"""`chime meeting create`, `sweep` and `delete --all` on the embedded AWS, in this process."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from whatschat_ops.chime import MeetingRecord, MeetingStatus
from whatschat_ops.chime.region_routing import RegionRouter
from whatschat_ops.chime.rows import item_of
from whatschat_ops.errors import ExitCode, PermissionDenied

pytestmark = pytest.mark.local


class Cli:
    """`whatschat-ops chime meeting` with a ledger of its own."""

    def __init__(self, config: Path) -> None:
        self._config = config

    def __call__(self, *arguments: str) -> Done:
        return run("--config", str(self._config), "chime", "meeting", *arguments)

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.code == ExitCode.DONE, done.said
        return json.loads(done.stdout)

    def create(self, *arguments: str) -> str:
        meeting_id: str = self.json("create", "--user", "alice", *arguments)["meeting"]["meeting_id"]
        return meeting_id

    def open(self) -> set[str]:
        return {record["meeting_id"] for record in self.json("list")}


@pytest.fixture
def cli(ledger_config: Path) -> Cli:
    return Cli(ledger_config)


def test_sweep_without_options_deletes_what_was_made_for_tests_only(cli: Cli) -> None:
    tests = {cli.create(), cli.create("--external-id", "standup")}
    kept = {cli.create("--purpose", "call"), cli.create("--purpose", "demo"), cli.create("--ttl", "30m")}
    would = cli.json("sweep", "--dry-run")
    assert {record["meeting_id"] for record in would["chosen"]} == tests
    assert cli.open() == tests | kept
    refused = cli("sweep")
    assert (refused.code, "not a terminal" in refused.said) == (ExitCode.USAGE, True)
    assert "Delete 2 meetings (2 with purpose test)?" in refused.said
    assert {result["meeting"] for result in cli.json("sweep", "--yes")["deleted"]} == tests
    assert cli.open() == kept
    [swept] = [record for record in cli.json("list", "--all") if record["external_meeting_id"] == "standup"]
    assert (swept["status"], swept["end_reason"]) == ("deleted", "swept")
    assert swept["ended_by"].startswith("arn:aws:")
    assert cli.json("sweep", "--purpose", "call", "--older-than", "1h", "--yes")["chosen"] == []
    cli.json("sweep", "--purpose", "call", "--purpose", "demo", "--yes")
    assert len(cli.open()) == 1
    assert [result["deleted"] for result in cli.json("delete", "--all", "--yes")] == [True]
    assert cli.open() == set()
    assert cli("delete", "--all", "--yes").stdout == "No open meetings.\n"


def deny(monkeypatch: pytest.MonkeyPatch, *meeting_ids: str) -> None:
    """Let GetMeeting of these meetings be refused, in this process."""
    client = RegionRouter.client

    class Denying:
        def __init__(self, allowed: Any) -> None:
            self._allowed = allowed

        def get_meeting(self, *, MeetingId: str) -> Any:
            if MeetingId in meeting_ids:
                raise PermissionDenied("GetMeeting: not you (AccessDenied)")
            return self._allowed.get_meeting(MeetingId=MeetingId)

        def __getattr__(self, operation: str) -> Any:
            return getattr(self._allowed, operation)

    monkeypatch.setattr(RegionRouter, "client", lambda router, region: Denying(client(router, region)))


def test_meeting_that_cannot_be_looked_up_stops_neither_list_nor_sweep_and_is_kept(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, unseen = cli.create(), cli.create()
    with monkeypatch.context() as patched:
        deny(patched, unseen)
        listed = cli("list")
        assert (listed.code, seen in listed.stdout, unseen in listed.stdout) == (ExitCode.DONE, True, True)
        assert "Chime could not be asked about 1 of 2 meetings: GetMeeting: not you" in listed.stderr
        swept = cli("sweep", "--yes")
        assert (swept.code, f"Deleted {seen}." in swept.stdout) == (ExitCode.PARTLY_DONE, True), swept.said
        assert f"1 meeting was not swept, because Chime could not be asked: {unseen}." in swept.stderr
        assert cli("sweep", "--dry-run").code == ExitCode.FAILED, "none could be asked"
        cli.create()
        assert cli("sweep", "--dry-run").code == ExitCode.PARTLY_DONE
        assert cli("delete", "--all", "--yes").code == ExitCode.DONE
    assert cli.open() == set()


def test_dry_run_and_disabled_chime_leave_a_pending_row_and_say_so(
    cli: Cli, embedded_aws: EmbeddedAws, meeting_ledger: str, tmp_path: Path
) -> None:
    dynamodb = embedded_aws.client("dynamodb")
    pending = f"pending#{uuid.uuid4()}"
    record = MeetingRecord(
        pending, "standup", "alice", "us-east-1", "us-east-1", datetime.now(UTC), MeetingStatus.PENDING, purpose="test"
    )  # fmt: skip
    dynamodb.put_item(TableName=meeting_ledger, Item=item_of(record))

    def stays(done: Done, code: ExitCode, said: str) -> None:
        assert (done.code, said in done.said) == (code, True), done.said
        assert [item["meetingId"]["S"] for item in dynamodb.scan(TableName=meeting_ledger)["Items"]] == [
            pending
        ]

    stays(cli("sweep", "--dry-run"), ExitCode.DONE, f"Would delete {pending}")
    stays(cli("sweep", "--dry-run"), ExitCode.DONE, "Pending, without Chime's answer: 1.")
    off = Cli(tmp_path / "off.yaml")
    (tmp_path / "off.yaml").write_text(
        f"chime: {{ledger_table_name: {meeting_ledger}, enabled: false}}\n", encoding="utf-8"
    )
    stays(
        off("list"), ExitCode.DONE, "Chime could not be asked about 1 of 1 meetings: chime.enabled is false"
    )
    stays(off("get", "standup"), ExitCode.USAGE, "AWS_CHIME_ENABLED=true")
    stays(off("delete", "standup", "--yes"), ExitCode.USAGE, "AWS_CHIME_ENABLED=true")
    stays(off("sweep", "--dry-run"), ExitCode.PARTLY_DONE, pending)
    stays(off("sweep", "--yes"), ExitCode.PARTLY_DONE, pending)
    cli.json("sweep", "--yes")
    assert cli.open() == set()


def test_meeting_of_the_check_was_deleted_by_the_caller(
    cli: Cli, embedded_aws: EmbeddedAws, tmp_path: Path
) -> None:
    run("--config", str(tmp_path / "local.yaml"), "chime", "check", "--probe")
    [made] = cli.json("list", "--all")
    assert (made["created_by"], made["ended_by"]) == (
        "chime-check", embedded_aws.client("sts").get_caller_identity()["Arn"],
    )  # fmt: skip


def test_attendees_are_counted_without_regard_to_case(cli: Cli) -> None:
    done = cli("create", "-u", "al", "--feature", "attendees=1", "-a", "bob", "-a", "BOB", "--json")
    assert done.code == ExitCode.PARTLY_DONE, (
        "the second one is the attendee of another user, not one too many"
    )
    assert [each["external_user_id"] for each in json.loads(done.stdout)["attendees"]] == ["bob"]
    cli.json("delete", "--all", "--yes")


def test_meeting_has_what_was_asked_for_and_the_sdk_gets_all_of_it(
    cli: Cli, embedded_aws: EmbeddedAws
) -> None:
    created = cli.json(
        "create", "--user", "alice", "--external-id", "keynote", "--host", "alice", "--tag", "team=calls",
        "--feature", "video=fhd,content=none", "--feature", "attendees=25", "--ttl", "30m", "-a", "alice",
        "--media-region", "eu-west-1", "--show-secrets",
    )  # fmt: skip
    client = embedded_aws.client("chime-sdk-meetings")
    meeting_id = created["meeting"]["meeting_id"]
    meeting = client.get_meeting(MeetingId=meeting_id)["Meeting"]
    assert created["sdk"]["Meeting"] == meeting
    assert created["sdk"]["Attendees"] == client.list_attendees(MeetingId=meeting_id)["Attendees"]
    assert (meeting["MeetingHostId"], meeting["MediaRegion"]) == ("alice", "eu-west-1")
    assert meeting["MeetingFeatures"]["Video"] == {"MaxResolution": "FHD"}
    tags = client.list_tags_for_resource(ResourceARN=meeting["MeetingArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "calls"}]
    replica = cli.create("--replica-of", "keynote")
    [row] = [record for record in cli.json("list") if record["meeting_id"] == replica]
    assert row["primary_meeting_id"] == meeting_id
    again = cli("create", "--user", "alice", "--replica-of", replica)
    assert (again.code, "is a replica itself" in again.said) == (ExitCode.USAGE, True)
    cli.json("delete", "--all", "--yes")


@pytest.mark.parametrize(
    ("arguments", "rule", "example"),
    [
        (
            ("create", "-u", "al", "--external-id", "a?b"),
            "does not allow the character '?'",
            "For example: a-b",
        ),
        (("create", "-u", "al", "--feature", "video=fhd"), "needs attendees=N, 25 at most", "attendees=25"),
        (
            ("create", "-u", "al", "--feature", "attendees=1", "-a", "bob", "-a", "eve"),
            "1 at most",
            "--replica-of",
        ),
        (("create", "-u", "al", "--tag", "team"), "'team' has no =", "--tag team=calls"),
        (("create", "-u", "al", "--ttl", "2d"), "24h at most", "--ttl 30m"),
        (("create", "-u", "al", "--ttl", "soon"), "--ttl is a length of time: 30s, 15m", ""),
        (("create", "-u", "al", "--purpose", "a b"), "1 to 32 letters", "--purpose demo"),
        (
            ("create", "-u", "al", "--media-region", "mars-1"),
            "cannot host the media",
            "--media-region us-east-1",
        ),
        (("create", "-u", "al", "--media-region", "nearest"), "no media Region is nearest", "eu-central-1"),
        (("sweep", "--older-than", "1 hour"), "--older-than is a length of time", ""),
        (("sweep", "--empty"), "Not measured: chime.events is off", "chime.events: true"),
        (("delete",), "Name meetings, or all with --all", "delete MEETING"),
        (("delete", "standup", "--all"), "Name meetings, or all with --all", "delete MEETING"),
    ],
)
def test_broken_rule_is_named_with_an_example_and_nothing_is_created(
    cli: Cli, arguments: tuple[str, ...], rule: str, example: str
) -> None:
    done = cli(*arguments)
    assert (done.code, rule in done.stderr, example in done.stderr) == (ExitCode.USAGE, True, True), done.said
    assert cli.json("list", "--all") == []
