"""Chime SDK meetings on the embedded AWS: boto3, the AWS CLI, the JavaScript SDK and our own commands, unmodified."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws, started
from whatschat_ops.errors import ExitCode
from whatschat_ops.local import service

pytestmark = pytest.mark.local

UNKNOWN = "00000000-0000-0000-0000-000000000000"
JAVASCRIPT = """
import * as chime from "@aws-sdk/client-chime-sdk-meetings";
const client = new chime.ChimeSDKMeetingsClient({ maxAttempts: 1 });
const send = (name, input) => client.send(new chime[name + "Command"](input));
const refused = async (name, input) => {
  try { await send(name, input); return null; } catch (error) {
    return { name: error.name, typed: chime[error.name] !== undefined && error instanceof chime[error.name],
             status: error.$metadata.httpStatusCode, code: error.Code, hasRequestId: Boolean(error.RequestId),
             message: error.message };
  }
};
const { Meeting } = await send("CreateMeeting", { MediaRegion: "eu-west-1", ExternalMeetingId: process.argv[2] });
const MeetingId = Meeting.MeetingId;
const batch = await send("BatchCreateAttendee", { MeetingId, Attendees: [
  { ExternalUserId: "alice" }, { ExternalUserId: "bob" }, { ExternalUserId: "carol" }, { ExternalUserId: "aws:x" } ] });
const one = await send("CreateAttendee", { MeetingId, ExternalUserId: "dave" });
const first = await send("ListAttendees", { MeetingId, MaxResults: 3 });
const second = await send("ListAttendees", { MeetingId, MaxResults: 3, NextToken: first.NextToken });
await send("DeleteAttendee", { MeetingId, AttendeeId: one.Attendee.AttendeeId });
const errors = {
  notFound: await refused("GetMeeting", { MeetingId: "00000000-0000-0000-0000-000000000000" }),
  badRequest: await refused("CreateMeeting", { MediaRegion: "mars", ExternalMeetingId: "m1" }),
  goneAttendee: await refused("GetAttendee", { MeetingId, AttendeeId: one.Attendee.AttendeeId }),
};
const got = await send("GetMeeting", { MeetingId });
await send("DeleteMeeting", { MeetingId });
errors.ended = await refused("GetMeeting", { MeetingId });
console.log(JSON.stringify({ meeting: got.Meeting, batch: batch, pages: [first.Attendees, second.Attendees],
                             more: second.NextToken ?? null, errors }));
"""


def run(arguments: list[str], environment: Mapping[str, str], cwd: Path | None = None) -> Any:
    return subprocess.run(
        arguments, env=dict(environment), cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


# boto3


@pytest.mark.aws("service model chime-sdk-meetings")
def test_boto3_meeting_lives_from_creation_to_deletion(embedded_aws: EmbeddedAws) -> None:
    client = embedded_aws.client("chime-sdk-meetings")
    meeting = client.create_meeting(MediaRegion="us-west-2", ExternalMeetingId="call-boto3-1")["Meeting"]
    meeting_id = meeting["MeetingId"]
    assert meeting["MeetingArn"] == f"arn:aws:chime:us-east-1:{embedded_aws.account_id}:meeting/{meeting_id}"
    client.batch_create_attendee(MeetingId=meeting_id, Attendees=[{"ExternalUserId": "alice"}])
    [attendee] = client.list_attendees(MeetingId=meeting_id)["Attendees"]
    assert attendee["ExternalUserId"] == "alice"
    client.delete_meeting(MeetingId=meeting_id)
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_meeting(MeetingId=meeting_id)


@pytest.mark.aws("IAM user guide, reference_aws-signing.html")
def test_wrong_secret_is_refused(embedded_aws: EmbeddedAws) -> None:
    client = embedded_aws.client_as(embedded_aws.access_key_id, "wrong", "chime-sdk-meetings")
    with pytest.raises(ClientError) as error:
        client.create_meeting(MediaRegion="us-east-1", ExternalMeetingId="call-wrong-1")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.fixture
def caller(embedded_aws: EmbeddedAws) -> Iterator[tuple[Any, Any]]:
    """A user without any policy: a function that sets the policy, and the user's Chime client."""
    iam, name = embedded_aws.client("iam"), f"chime-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def allow(*statements: Mapping[str, Any]) -> None:
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", **item} for item in statements],
        }
        iam.put_user_policy(UserName=name, PolicyName="chime", PolicyDocument=json.dumps(document))

    yield allow, embedded_aws.client_as(key["AccessKeyId"], key["SecretAccessKey"], "chime-sdk-meetings")
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    if iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName="chime")
    iam.delete_user(UserName=name)


@pytest.mark.aws("Service Authorization Reference, Amazon Chime")
def test_user_without_policy_is_forbidden(caller: tuple[Any, Any]) -> None:
    _, client = caller
    with pytest.raises(client.exceptions.ForbiddenException, match="chime:CreateMeeting") as error:
        client.create_meeting(MediaRegion="us-east-1", ExternalMeetingId="call-forbidden-1")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.aws("Service Authorization Reference, Amazon Chime")
def test_guides_policy_is_enough_and_one_meeting_can_be_allowed(
    embedded_aws: EmbeddedAws, caller: tuple[Any, Any]
) -> None:
    allow, client = caller
    allow({"Action": ["chime:CreateMeeting", "chime:DeleteMeeting"], "Resource": "*"})
    mine = client.create_meeting(MediaRegion="us-east-1", ExternalMeetingId="call-mine-1")["Meeting"]
    other = client.create_meeting(MediaRegion="us-east-1", ExternalMeetingId="call-other-1")["Meeting"]
    allow({"Action": "chime:CreateAttendee", "Resource": mine["MeetingArn"]})
    assert client.create_attendee(MeetingId=mine["MeetingId"], ExternalUserId="alice")
    with pytest.raises(client.exceptions.ForbiddenException):
        client.create_attendee(MeetingId=other["MeetingId"], ExternalUserId="alice")


def test_meetings_survive_kill_minus_9(own_aws: EmbeddedAws) -> None:
    import psutil

    client = own_aws.client("chime-sdk-meetings")
    meeting = client.create_meeting(MediaRegion="us-east-1", ExternalMeetingId="call-kill-1")["Meeting"]
    attendee = client.create_attendee(MeetingId=meeting["MeetingId"], ExternalUserId="alice")["Attendee"]
    process = psutil.Process(own_aws.pid)
    process.kill()
    process.wait(timeout=60)
    again = service.ensure_running(port=own_aws.port, say=lambda _: None)
    client = started(own_aws.state_directory, again).client("chime-sdk-meetings")
    assert client.get_meeting(MeetingId=meeting["MeetingId"])["Meeting"] == meeting
    assert client.list_attendees(MeetingId=meeting["MeetingId"])["Attendees"] == [attendee]


# The AWS CLI


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_aws_cli_works_unmodified(embedded_aws: EmbeddedAws) -> None:
    environment = {**embedded_aws.aws_environment(), "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}

    def aws(*arguments: str) -> Any:
        return run(["aws", "chime-sdk-meetings", *arguments, "--output", "json"], environment)

    created = aws("create-meeting", "--external-meeting-id", "call-cli-1", "--media-region", "us-east-1")
    assert created.returncode == 0, created.stderr
    meeting_id = json.loads(created.stdout)["Meeting"]["MeetingId"]
    users = "ExternalUserId=alice", "ExternalUserId=bob"
    aws("batch-create-attendee", "--meeting-id", meeting_id, "--attendees", *users)
    listed = json.loads(aws("list-attendees", "--meeting-id", meeting_id).stdout)
    assert [attendee["ExternalUserId"] for attendee in listed["Attendees"]] == ["alice", "bob"]
    assert aws("delete-meeting", "--meeting-id", meeting_id).returncode == 0
    gone = aws("get-meeting", "--meeting-id", meeting_id)
    assert gone.returncode != 0
    assert f"(NotFoundException) when calling the GetMeeting operation: Meeting <{meeting_id}>" in gone.stderr


# The JavaScript SDK


def test_javascript_sdk_works_unmodified(embedded_aws: EmbeddedAws, node_clients: Path) -> None:
    script = node_clients / "meeting.mjs"
    script.write_text(JAVASCRIPT, encoding="utf-8")
    done = run(["node", str(script), "call-js-1"], embedded_aws.aws_environment(), node_clients)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["meeting"]["ExternalMeetingId"] == "call-js-1"
    assert [item["ExternalUserId"] for item in said["batch"]["Attendees"]] == ["alice", "bob", "carol"]
    assert [item["ExternalUserId"] for item in said["batch"]["Errors"]] == ["aws:x"]
    assert [len(page) for page in said["pages"]] == [3, 1]
    assert said["more"] is None
    for error, name, status in (
        ("notFound", "NotFoundException", 404),
        ("badRequest", "BadRequestException", 400),
        ("goneAttendee", "NotFoundException", 404),
        ("ended", "NotFoundException", 404),
    ):
        found = said["errors"][error]
        assert (found["name"], found["typed"], found["status"]) == (name, True, status)
        assert found["code"] == name.removesuffix("Exception")
        assert found["hasRequestId"]
        assert found["message"]


# Our own commands


class Commands:
    """`whatschat-ops -e local` in a process, with its own ledger table."""

    def __init__(self, aws: EmbeddedAws, config: Path) -> None:
        self._aws = aws
        self._config = config

    def __call__(self, *arguments: str) -> Any:
        command = [sys.executable, "-m", "whatschat_ops", "--config", str(self._config), *arguments]
        return run(command, self._aws.environment())

    def json(self, *arguments: str, code: int = ExitCode.DONE) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def ops(embedded_aws: EmbeddedAws, meeting_ledger: str, tmp_path: Path) -> Commands:
    config = tmp_path / "local.yaml"
    config.write_text(f"chime:\n  ledger_table_name: {meeting_ledger}\n", encoding="utf-8")
    return Commands(embedded_aws, config)


def test_commands_create_show_and_end_a_meeting(ops: Commands) -> None:
    created = ops.json("chime", "meeting", "create", "--user", "alice", "-a", "alice", "-a", "bob")
    meeting = created["meeting"]
    assert meeting["external_meeting_id"].startswith("call-alice-")
    assert {item["join_token"] for item in created["attendees"]} == {"********"}
    external = meeting["external_meeting_id"]
    assert ops.json("chime", "meeting", "get", external) == meeting
    [listed] = ops.json("chime", "meeting", "list")
    assert (listed["meeting_id"], listed["status"]) == (meeting["meeting_id"], "active")
    added = ops.json("chime", "attendee", "create", external, "--user", "carol", "--show-secrets")
    [carol] = added["attendees"]
    assert len(carol["join_token"]) > 40
    attendees = ops.json("chime", "attendee", "list", external)
    assert [item["external_user_id"] for item in attendees] == ["alice", "bob", "carol"]
    attendee = ("chime", "attendee")
    assert ops.json(*attendee, "get", external, carol["attendee_id"])["external_user_id"] == "carol"
    ops.json(*attendee, "delete", external, carol["attendee_id"], "--yes")
    missing = ops.json(*attendee, "get", external, carol["attendee_id"], code=ExitCode.FAILED)
    assert missing["error"]["code"] == "not_found"
    not_measured = {"attendee_minutes": None, "minutes_estimated": None, "cost_usd": None}
    assert ops.json("chime", "meeting", "delete", external, "--yes") == [
        {
            "meeting": external,
            "deleted": True,
            "error": "",
            "meeting_id": meeting["meeting_id"],
            **not_measured,
        }
    ]
    assert ops.json("chime", "meeting", "list") == []
    [gone] = ops.json("chime", "meeting", "list", "--all")
    assert gone["status"] == "deleted"


def test_commands_report_partial_success(ops: Commands, tmp_path: Path) -> None:
    meeting = ops.json("chime", "meeting", "create", "--user", "alice", "--external-id", "standup")["meeting"]
    users = tmp_path / "users.txt"
    users.write_text("\n".join(f"user-{number}" for number in range(253)) + "\n\n", encoding="utf-8")
    file = ("--users-file", str(users))
    batch = ops.json("chime", "attendee", "create", "standup", *file, code=ExitCode.PARTLY_DONE)
    assert (len(batch["attendees"]), len(batch["failed"])) == (250, 3)
    assert {item["code"] for item in batch["failed"]} == {"LimitExceeded"}
    done = ops("chime", "meeting", "delete", meeting["meeting_id"], "no-such-call", "--yes")
    assert done.returncode == ExitCode.PARTLY_DONE
    assert f"Deleted {meeting['meeting_id']}." in done.stdout
    assert "Not deleted no-such-call" in done.stdout
    assert "Error: 1 of 2 meetings were not deleted: no-such-call." in done.stderr


def test_commands_refuse_wrong_input_without_a_traceback(ops: Commands) -> None:
    for arguments, message in (
        (("meeting", "create", "--user", "alice?"), "does not allow the character '?'"),
        (("meeting", "create", "--user", "al", "-a", "b"), "2 to 64 characters"),
        (("meeting", "create", "--user", "al", "--media-region", "mars-1"), "cannot host the media"),
        (("attendee", "create", "standup"), "No users given"),
        (("attendee", "create", "standup", "--users-file", "/no/such/file"), "cannot be read"),
        (("meeting", "delete", "standup"), "--yes"),
    ):
        done = ops("chime", *arguments)
        assert done.returncode == ExitCode.USAGE, done.stdout + done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    assert ops.json("chime", "meeting", "list", "--all") == []


def test_commands_without_ledger_point_to_provision(embedded_aws: EmbeddedAws, tmp_path: Path) -> None:
    config = tmp_path / "local.yaml"
    config.write_text("chime:\n  ledger_table_name: no-such-ledger\n", encoding="utf-8")
    ops = Commands(embedded_aws, config)
    error = ops.json("chime", "meeting", "list", code=ExitCode.FAILED)["error"]
    assert (error["code"], error["hint"]) == ("not_found", f"whatschat-ops --config {config} provision")
