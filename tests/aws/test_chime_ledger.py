"""The meetings feature on moto's DynamoDB and the embedded Chime service: ledger, Regions, states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.chime_state import stored_meetings
from tests.component.local.chime_in_process import ChimeInProcess
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.chime import ChimeService, MeetingLedger, MeetingStatus
from whatschat_ops.chime.capabilities import Capabilities
from whatschat_ops.chime.models import End, EndReason
from whatschat_ops.chime.requests import MeetingOptions
from whatschat_ops.cli.advice import advise
from whatschat_ops.errors import (
    ConfigError,
    Missing,
    NotFound,
    NotProvisioned,
    PermissionDenied,
    Rejected,
    Unavailable,
    UsageError,
)
from whatschat_ops.local.interfaces import Denial
from whatschat_ops.redaction import Secret

TABLE = "chime-meetings"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
DAY_S = 24 * 60 * 60


@dataclass
class World:
    """One account: DynamoDB, Chime, a clock that both our side and Chime read."""

    aws: Aws
    chime: ChimeInProcess
    attached: set[str] = field(default_factory=set)
    slept_s: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.chime.clock.now, UTC)

    def ledger(self) -> MeetingLedger:
        return MeetingLedger(self.aws.client("dynamodb"), TABLE, clock=self.now)

    def service(self, region: str = "us-east-1", **chime: Any) -> ChimeService:
        for name in {region, "us-east-1"} - self.attached:
            self.chime.attach(self.aws.client("chime-sdk-meetings", region=name))
            self.attached.add(name)

        def client_in(name: str) -> Any:
            return self.aws.client("chime-sdk-meetings", region=name)

        return ChimeService(
            client_in(region),
            self.ledger(),
            client_in=client_in,
            clock=self.now,
            sleep=self.slept_s.append,
            **chime,
        )

    def items(self) -> list[dict[str, Any]]:
        return list(self.aws.client("dynamodb").scan(TableName=TABLE)["Items"])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with mock_aws():
        aws = Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))
        aws.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "meetingId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "meetingId", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield World(aws, ChimeInProcess(tmp_path / "chime.sqlite3"))


def test_created_meeting_is_recorded_in_the_ledger(world: World) -> None:
    meeting = world.service(media_region="eu-central-1").create_meeting("alice")
    assert meeting.external_meeting_id == f"call-alice-{int(world.chime.clock.now * 1000)}"
    [item] = world.items()
    assert item == {
        "meetingId": {"S": meeting.meeting_id},
        "externalMeetingId": {"S": meeting.external_meeting_id},
        "createdBy": {"S": "alice"},
        "controlRegion": {"S": "us-east-1"},
        "mediaRegion": {"S": "eu-central-1"},
        "createdAt": {"S": world.now().isoformat()},
        "status": {"S": "created"},
        "ttl": {"N": str(int(world.chime.clock.now) + 30 * DAY_S)},
        "purpose": {"S": "call"},
        "requestToken": item["requestToken"],
    }


def test_row_is_written_before_chime_is_called(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    service = world.service()
    seen: list[list[dict[str, Any]]] = []
    authorize = world.chime.control_plane.authorize

    def look(*arguments: Any) -> Denial | None:
        seen.append(world.items())
        return authorize(*arguments)

    monkeypatch.setattr(world.chime.control_plane, "authorize", look)
    service.create_meeting("alice", "standup")
    [[pending]] = seen
    assert pending["meetingId"]["S"].startswith("pending#")
    assert pending["status"] == {"S": "pending"}
    assert pending["externalMeetingId"] == {"S": "standup"}


def test_refused_meeting_leaves_no_row(world: World) -> None:
    world.chime.control_plane.denials["chime:CreateMeeting"] = Denial("AccessDenied", "no")
    with pytest.raises(PermissionDenied):
        world.service().create_meeting("alice")
    assert world.items() == []


class Once(dict[str, Denial]):
    """Denials of which each holds for one call only."""

    def get(self, key: str, default: Any = None) -> Any:
        return self.pop(key, default)


def crashed_before(world: World, name: str = "standup", **given: Any) -> None:
    """A run that ended before Chime had the request: the row is pending, there is no meeting."""
    world.chime.control_plane.denials = Once({"chime:CreateMeeting": Denial("NotNow", "crashed", status=501)})
    with pytest.raises(Unavailable, match="The meeting may exist") as error:
        world.service().create_meeting("alice", name, **given)
    assert "chime meeting list" in str(advise(error.value, "chime meeting create"))


def crashed_after(world: World, name: str = "standup", **given: Any) -> str:
    """A run that ended between Chime's answer and its row: the id of the meeting, whose row is pending."""
    service = world.service()
    before = world.items()
    meeting_id = service.create_meeting("alice", name, **given).meeting_id
    dynamodb = world.aws.client("dynamodb")
    [item] = [item for item in world.items() if item not in before]
    dynamodb.delete_item(TableName=TABLE, Key={"meetingId": item["meetingId"]})
    pending = {"S": f"pending#{item['requestToken']['S']}"}
    dynamodb.put_item(TableName=TABLE, Item={**item, "meetingId": pending, "status": {"S": "pending"}})
    return meeting_id


OPTIONS = MeetingOptions(
    host_user_id="alice",
    features={"Video": {"MaxResolution": "FHD"}, "Attendee": {"MaxCount": 10}},
    tags={"team": "calls"},
    purpose="demo",
    ttl=timedelta(minutes=30),
)


def test_meeting_of_a_crashed_run_is_found_by_its_request_token(world: World) -> None:
    meeting_id = crashed_after(world, options=OPTIONS, media_region="eu-west-1")
    [record] = world.service().list_meetings()
    assert (record.meeting_id, record.status) == (meeting_id, MeetingStatus.ACTIVE)
    assert (record.purpose, record.tags, record.media_region) == ("demo", {"team": "calls"}, "eu-west-1")
    assert [item["meetingId"]["S"] for item in world.items()] == [meeting_id]
    assert len(stored_meetings(world.chime.path)) == 1


def test_pending_row_of_an_earlier_version_is_asked_for_by_the_token_in_its_key(world: World) -> None:
    meeting_id = crashed_after(world)
    [item] = world.items()
    old = (
        "meetingId",
        "externalMeetingId",
        "createdBy",
        "controlRegion",
        "mediaRegion",
        "createdAt",
        "status",
    )
    row = {name: item[name] for name in (*old, "ttl")}
    world.aws.client("dynamodb").put_item(TableName=TABLE, Item=row)
    [record] = world.service().list_meetings()
    assert (record.meeting_id, record.purpose) == (meeting_id, None)


def test_request_that_chime_never_got_is_sent_as_it_was_and_is_known_then(world: World) -> None:
    crashed_before(world, options=OPTIONS)
    [record] = world.service().list_meetings()
    meeting = world.service().get_meeting(record.meeting_id).sdk
    assert record.status is MeetingStatus.ACTIVE
    assert meeting["MeetingHostId"] == "alice"
    assert meeting["MeetingFeatures"]["Video"] == {"MaxResolution": "FHD"}


@pytest.mark.parametrize("reference", ["standup", "pending"])
def test_pending_meeting_is_found_by_its_external_id_and_its_row(world: World, reference: str) -> None:
    meeting_id = crashed_after(world)
    name = world.items()[0]["meetingId"]["S"] if reference == "pending" else reference
    assert world.service().find_meeting_id(name) == meeting_id


def test_the_same_request_again_completes_the_one_that_crashed(world: World) -> None:
    meeting_id = crashed_after(world, options=OPTIONS)
    other = world.service().recreate_meeting("bob", "standup", options=OPTIONS)
    again = world.service().recreate_meeting("alice", "standup", options=OPTIONS)
    assert (again.meeting_id, other.meeting_id != meeting_id) == (meeting_id, True)
    assert len(stored_meetings(world.chime.path)) == 2


def test_pending_meeting_stays_pending_while_chime_does_not_answer(world: World) -> None:
    crashed_before(world)
    world.chime.control_plane.denials = {"chime:CreateMeeting": Denial("NotNow", "still", status=501)}
    service = world.service()
    assert [record.status for record in service.list_meetings()] == [MeetingStatus.PENDING]
    with pytest.raises(Unavailable, match="still"):
        service.find_meeting_id("standup")
    assert len(world.items()) == 1


def test_creation_goes_on_when_another_process_asks_for_its_row_at_the_same_time(world: World) -> None:
    conflict = Denial("ConflictException", "the same request is made simultaneously", status=409)
    world.chime.control_plane.denials = Once({"chime:CreateMeeting": conflict})
    meeting_id = world.service().create_meeting("alice", "standup").meeting_id
    assert world.slept_s == [0.2]
    assert [item["meetingId"]["S"] for item in world.items()] == [meeting_id]


def test_pending_row_is_deleted_when_chime_refuses_its_request(world: World) -> None:
    crashed_before(world)
    refusal = Denial("BadRequestException", "no", status=400)
    world.chime.control_plane.denials = {"chime:CreateMeeting": refusal}
    assert world.service().list_meetings() == []
    assert world.items() == []


def test_pending_row_stays_when_the_caller_may_not_ask_and_another_completes_it(world: World) -> None:
    meeting_id = crashed_after(world)
    world.chime.control_plane.denials = {"chime:CreateMeeting": Denial("AccessDenied", "no")}
    [record] = world.service().list_meetings()
    assert (record.status, "CreateMeeting: no" in (record.not_asked or "")) == (MeetingStatus.PENDING, True)
    with pytest.raises(PermissionDenied):
        world.service().find_meeting_id("standup")
    world.chime.control_plane.denials = {}
    [record] = world.service().list_meetings()
    assert (record.meeting_id, record.status) == (meeting_id, MeetingStatus.ACTIVE)


@pytest.mark.parametrize(
    ("enabled", "listed", "why"),
    [(False, {}, "chime.enabled is false"), (True, {"recover": False}, None)],
)
def test_pending_row_is_not_completed_where_nothing_may_be_created(
    world: World, enabled: bool, listed: dict[str, bool], why: str | None
) -> None:
    crashed_before(world)
    asked = len(world.chime.requests)
    [record] = world.service(enabled=enabled).list_meetings(**listed)
    assert (record.status, record.not_asked) == (MeetingStatus.PENDING, why)
    assert (len(world.chime.requests), len(world.items())) == (asked, 1)


def test_pending_meeting_is_not_looked_for_by_creating_it_while_chime_is_disabled(world: World) -> None:
    crashed_before(world)
    asked = len(world.chime.requests)
    with pytest.raises(ConfigError, match=r"'standup' exists is not known.* chime\.enabled is false"):
        world.service(enabled=False).find_meeting_id("standup")
    assert len(world.chime.requests) == asked
    meeting_id = world.service().create_meeting("bob", "standup").meeting_id
    assert world.service(enabled=False).find_meeting_id("standup") == meeting_id


def test_pending_row_of_an_hour_ago_is_asked_for_again_and_its_meeting_is_new(world: World) -> None:
    crashed_before(world)
    world.chime.clock.advance(60 * 60)
    [record] = world.service().list_meetings()
    assert (record.status, record.created_at) == (MeetingStatus.ACTIVE, world.now())
    assert set(stored_meetings(world.chime.path)) == {record.meeting_id}


def test_pending_row_is_deleted_after_24_hours_without_a_call(world: World) -> None:
    crashed_before(world)
    world.chime.clock.advance(DAY_S)
    asked = len(world.chime.requests)
    assert world.service().list_meetings() == []
    assert (world.items(), len(world.chime.requests)) == ([], asked)


def test_row_of_a_meeting_that_was_recovered_and_deleted_meanwhile_stays_deleted(world: World) -> None:
    ledger = world.ledger()
    meeting_id = world.service().create_meeting("alice", "standup").meeting_id
    created = ledger.get(meeting_id)
    assert created is not None
    world.service().delete_meeting(meeting_id)
    ledger.begin(created)
    ledger.commit(created)
    assert [item["status"]["S"] for item in world.items()] == ["deleted"]


def test_how_a_meeting_ended_and_by_whom_is_recorded_once(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    world.chime.clock.advance(60)
    ended_at = world.now()
    service.delete_meeting(meeting_id, by="arn:aws:iam::000000000000:user/ops", reason=EndReason.SWEPT)
    world.chime.clock.advance(60)
    service.delete_meeting(meeting_id, by="another")
    [record] = service.list_meetings()
    assert (record.end_reason, record.ended_by, record.ended_at) == (
        "swept", "arn:aws:iam::000000000000:user/ops", ended_at,
    )  # fmt: skip


def test_meeting_that_chime_ended_has_no_time_that_nothing_measured(world: World) -> None:
    service = world.service()
    service.create_meeting("alice")
    world.chime.clock.advance(5 * 60)
    service.list_meetings()
    [record] = service.list_meetings()
    assert (record.status, record.end_reason, record.ended_at) == (MeetingStatus.ENDED, "ended", None)


def test_replica_is_created_where_its_primary_meeting_is(world: World) -> None:
    primary = world.service("eu-central-1").create_meeting("alice").meeting_id
    replica = world.service().create_meeting("alice", options=MeetingOptions(primary_meeting_id=primary))
    assert (replica.control_region, replica.sdk["PrimaryMeetingId"]) == ("eu-central-1", primary)
    with pytest.raises(UsageError, match="is a replica itself") as error:
        world.service().create_meeting("alice", options=MeetingOptions(primary_meeting_id=replica.meeting_id))
    assert primary in str(error.value.hint)


def test_meeting_of_another_control_region_is_called_there(world: World) -> None:
    meeting = world.service("eu-central-1").create_meeting("alice")
    service = world.service("us-east-1")
    assert service.get_meeting(meeting.meeting_id).control_region == "eu-central-1"
    assert service.create_attendee(meeting.meeting_id, "bob").external_user_id == "bob"
    service.delete_meeting(meeting.meeting_id)
    with pytest.raises(NotFound):
        service.get_meeting(meeting.meeting_id)


def test_list_distinguishes_open_ended_and_deleted_meetings(world: World) -> None:
    service = world.service()
    ended = service.create_meeting("alice", "ended")
    world.chime.clock.advance(299)
    deleted = service.create_meeting("alice", "deleted")
    service.delete_meeting(deleted.meeting_id)
    living = service.create_meeting("bob", "living")
    world.chime.clock.advance(1)
    found = {record.meeting_id: record.status for record in service.list_meetings()}
    assert found == {
        ended.meeting_id: MeetingStatus.ENDED,
        deleted.meeting_id: MeetingStatus.DELETED,
        living.meeting_id: MeetingStatus.ACTIVE,
    }
    asked = len(world.chime.requests)
    service.list_meetings()
    assert len(world.chime.requests) == asked + 1, "what is over is not asked again"


def test_list_without_check_makes_no_call_and_ends_meetings_by_their_age(world: World) -> None:
    service = world.service()
    service.create_meeting("alice", "old")
    world.chime.clock.advance(DAY_S)
    service.create_meeting("alice", "new")
    asked = len(world.chime.requests)
    found = [
        (record.external_meeting_id, record.status.value) for record in service.list_meetings(check=False)
    ]
    assert found == [("new", "created"), ("old", "ended")]
    assert len(world.chime.requests) == asked


def test_new_meeting_that_chime_does_not_find_yet_is_not_recorded_as_ended(world: World) -> None:
    service = world.service()
    meeting = service.create_meeting("alice")
    world.chime.client().delete_meeting(MeetingId=meeting.meeting_id)
    assert service.list_meetings()[0].status is MeetingStatus.CREATED
    world.chime.clock.advance(30)
    assert service.list_meetings()[0].status is MeetingStatus.ENDED


def test_list_reads_every_page_and_skips_expired_rows(world: World) -> None:
    service = world.service()
    service.create_meeting("alice", "expired")
    world.chime.clock.advance(30 * DAY_S)
    dynamodb = world.aws.client("dynamodb")
    [template] = world.items()
    ttl = {"N": str(int(world.chime.clock.now) + 60)}
    for number in range(12):  # 12 rows of 200 KB need three pages of a scan
        key = {"meetingId": {"S": f"id-{number}"}, "status": {"S": "ended"}, "ttl": ttl}
        padding = {"padding": {"S": "x" * 200_000}}
        dynamodb.put_item(TableName=TABLE, Item={**template, **key, **padding})
    assert {record.meeting_id for record in service.list_meetings()} == {f"id-{n}" for n in range(12)}


def test_list_denied_by_iam_records_no_meeting_as_ended(world: World) -> None:
    service = world.service()
    service.create_meeting("alice")
    world.chime.clock.advance(60)
    world.chime.control_plane.denials["chime:GetMeeting"] = Denial("AccessDenied", "no")
    with pytest.raises(PermissionDenied):
        service.list_meetings()
    assert world.items()[0]["status"] == {"S": "created"}


@pytest.mark.parametrize(
    "denial",
    [
        Denial("AccessDenied", "no"),
        Denial("NotNow", "no", status=501),  # boto3 does not repeat it
    ],
)
def test_meeting_that_cannot_be_asked_about_does_not_hide_the_others(world: World, denial: Denial) -> None:
    service = world.service()
    ids = {service.create_meeting("alice", f"standup-{number}").meeting_id for number in range(3)}
    world.chime.control_plane.denials = Once({"chime:GetMeeting": denial})
    records = service.list_meetings()
    assert {record.meeting_id for record in records} == ids
    assert sorted(record.status for record in records) == ["active", "active", "created"]
    [reason] = [record.not_asked for record in records if record.status is MeetingStatus.CREATED]
    assert reason is not None and reason.startswith("GetMeeting: no")
    assert all(record.not_asked is None for record in records if record.status is MeetingStatus.ACTIVE)


def test_list_that_could_ask_about_no_open_meeting_fails_whatever_is_pending(world: World) -> None:
    crashed_before(world, "pending")
    world.chime.control_plane.denials = {}
    world.service().create_meeting("alice", "created")
    no = Denial("AccessDenied", "no")
    world.chime.control_plane.denials = {"chime:GetMeeting": no, "chime:CreateMeeting": no}
    with pytest.raises(PermissionDenied, match="GetMeeting"):
        world.service().list_meetings()


def test_end_of_a_meeting_of_yesterday_is_written_to_the_ledger(world: World) -> None:
    service = world.service()
    service.create_meeting("alice")
    world.chime.clock.advance(DAY_S)
    asked = len(world.chime.requests)
    service.list_meetings(check=False)
    assert world.items()[0]["status"] == {"S": "created"}, "only looks"
    [record] = service.list_meetings()
    [item] = world.items()
    assert (record.status, item["status"], item["endReason"]) == ("ended", {"S": "ended"}, {"S": "ended"})
    assert len(world.chime.requests) == asked


def test_meeting_is_found_and_its_deletion_recorded_by_its_id_in_upper_case(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    service.delete_meeting(meeting_id.upper())
    assert [item["status"]["S"] for item in world.items()] == ["deleted"]


class Killed(BaseException):
    """The program ends here."""


def test_deletion_is_known_when_the_program_ended_before_it_was_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    with monkeypatch.context() as patched, pytest.raises(Killed):

        def killed(*_: Any) -> bool:
            raise Killed

        patched.setattr(MeetingLedger, "end", killed)
        service.delete_meeting(meeting_id, by="ops", reason=EndReason.SWEPT)
    assert stored_meetings(world.chime.path) == {}
    world.chime.clock.advance(60)
    [record] = service.list_meetings()
    assert (record.status, record.end_reason, record.ended_by) == (MeetingStatus.DELETED, "swept", "ops")
    assert world.ledger().get(meeting_id) == record


@pytest.mark.parametrize(
    ("denial", "how"),
    [
        (Denial("AccessDenied", "no"), ("ended", "ended", None)),
        (Denial("NotNow", "the answer is lost", status=501), ("deleted", "deleted", "ops")),
    ],
)
def test_refused_deletion_is_not_how_the_meeting_ended(
    world: World, denial: Denial, how: tuple[str, str, str | None]
) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    world.chime.control_plane.denials = {"chime:DeleteMeeting": denial}
    with pytest.raises((PermissionDenied, Unavailable)):
        service.delete_meeting(meeting_id, by="ops")
    world.chime.clock.advance(5 * 60)
    [record] = service.list_meetings()
    assert (record.status, record.end_reason, record.ended_by) == how


class Interfered:
    """A client whose first `times` transactions are cancelled, because another one has the same rows."""

    def __init__(self, client: Any, times: int) -> None:
        self._client = client
        self._times = times

    def transact_write_items(self, **request: Any) -> Any:
        self._times -= 1
        if self._times >= 0:
            document = {"Error": {"Code": "TransactionCanceledException", "Message": "[TransactionConflict]"}}
            metadata: Any = {"ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError({**document, **metadata}, "TransactWriteItems")
        return self._client.transact_write_items(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.mark.parametrize(("times", "status"), [(2, "created"), (3, "pending")])
def test_row_is_committed_again_when_another_transaction_has_it(
    world: World, times: int, status: str
) -> None:
    meeting_id = world.service().create_meeting("alice").meeting_id
    created = world.ledger().get(meeting_id)
    assert created is not None
    world.aws.client("dynamodb").delete_item(TableName=TABLE, Key={"meetingId": {"S": meeting_id}})
    ledger = MeetingLedger(Interfered(world.aws.client("dynamodb"), times), TABLE, clock=world.now)
    ledger.begin(created)
    with pytest.raises(Rejected) if status == "pending" else nullcontext():
        ledger.commit(created)
    assert [item["status"]["S"] for item in world.items()] == [status]


def test_deleting_an_unknown_meeting_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="another control Region") as error:
        world.service().delete_meeting(UNKNOWN)
    assert str(advise(error.value, "chime meeting get")) == "whatschat-ops chime meeting list --all"


def test_deleting_a_meeting_of_the_ledger_twice_succeeds(world: World) -> None:
    service = world.service()
    meeting = service.create_meeting("alice")
    service.delete_meeting(meeting.meeting_id)
    service.delete_meeting(meeting.meeting_id)
    assert service.list_meetings()[0].status is MeetingStatus.DELETED


def test_external_id_finds_its_meeting_ignoring_case(world: World) -> None:
    service = world.service()
    meeting = service.create_meeting("alice", "Standup")
    assert service.find_meeting_id("standup") == meeting.meeting_id
    assert service.find_meeting_id(meeting.meeting_id.upper()) == meeting.meeting_id
    assert service.find_meeting_id(UNKNOWN) == UNKNOWN, "the application may have created it"
    with pytest.raises(Missing, match="nor an external id in the ledger"):
        service.find_meeting_id("nothing")


def test_external_id_in_the_form_of_a_uuid_is_found(world: World) -> None:
    service = world.service()
    meeting = service.create_meeting("alice", UNKNOWN)
    assert service.find_meeting_id(UNKNOWN) == meeting.meeting_id


def test_external_id_of_two_meetings_is_ambiguous_until_one_ends(world: World) -> None:
    service = world.service()
    first, second = (service.create_meeting("alice", "standup") for _ in range(2))
    with pytest.raises(UsageError, match="2 meetings") as error:
        service.find_meeting_id("standup")
    assert first.meeting_id in error.value.message
    service.delete_meeting(first.meeting_id)
    assert service.find_meeting_id("standup") == second.meeting_id


def test_missing_table_is_not_found_with_provision_as_hint(world: World) -> None:
    world.aws.client("dynamodb").delete_table(TableName=TABLE)
    service = world.service()
    for call in (
        lambda: service.create_meeting("alice"),
        lambda: service.list_meetings(),
        lambda: service.get_meeting(UNKNOWN),
        lambda: service.find_meeting_id("standup"),
    ):
        with pytest.raises(NotFound, match=f"the table {TABLE} does not exist in us-east-1") as error:
            call()
        assert isinstance(error.value, NotProvisioned)
    assert world.chime.requests == [], "no meeting is created that could not be found later"


def test_disabled_chime_creates_nothing_and_still_deletes(world: World) -> None:
    meeting = world.service().create_meeting("alice")
    off = world.service(enabled=False)
    for call in (
        lambda: off.create_meeting("alice"),
        lambda: off.create_attendee(meeting.meeting_id, "bob"),
        lambda: off.create_attendees(meeting.meeting_id, ["bob"]),
    ):
        with pytest.raises(ConfigError) as error:
            call()
        assert "AWS_CHIME_ENABLED=true" in str(error.value.hint)
    off.delete_meeting(meeting.meeting_id)


def test_invalid_ids_and_regions_are_rejected_before_a_call(world: World) -> None:
    service = world.service()
    meeting = service.create_meeting("alice")
    sent = len(world.chime.requests)
    for call in (
        lambda: service.create_meeting("alice?"),
        lambda: service.create_meeting("alice", "aws:call"),
        lambda: service.create_meeting("alice", media_region="us-gov-west-1"),
        lambda: service.create_meeting("alice", media_region="atlantis-1"),
        lambda: service.create_attendee(meeting.meeting_id, "b"),
        lambda: service.create_attendees(meeting.meeting_id, ["bob", "a*b"]),
        lambda: service.get_attendee(meeting.meeting_id, "bob"),
    ):
        with pytest.raises(UsageError):
            call()
    assert len(world.chime.requests) == sent
    assert len(world.items()) == 1


def test_attendees_are_created_listed_shown_and_deleted(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    names = [f"user-{number}" for number in range(250)]
    batch = service.create_attendees(meeting_id, [*names, "USER-0"])
    assert len(batch.attendees) == 250
    assert [each.external_user_id for each in batch.failed] == ["USER-0"], "it is the attendee of user-0"
    listed = service.list_attendees(meeting_id)
    assert sorted(attendee.external_user_id for attendee in listed) == sorted(names)
    first = service.get_attendee(meeting_id, listed[0].attendee_id)
    assert first == listed[0]
    assert first.join_token.reveal()
    assert first.join_token.reveal() not in repr(first)
    service.delete_attendee(meeting_id, first.attendee_id)
    assert len(service.list_attendees(meeting_id)) == 249
    with pytest.raises(NotFound):
        service.get_attendee(meeting_id, first.attendee_id)


def test_users_beyond_the_limit_are_reported(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    batch = service.create_attendees(meeting_id, [f"user-{number}" for number in range(255)])
    assert len(batch.attendees) == 250
    assert {(item.code, item.external_user_id) for item in batch.failed} == {
        ("LimitExceeded", f"user-{number}") for number in range(250, 255)
    }


def test_new_meeting_that_is_not_found_yet_is_retried(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    late = [Denial("NotFoundException", "not yet", status=404)] * 2

    class Late(dict[str, Denial]):
        def get(self, key: str, default: Any = None) -> Any:
            return late.pop() if key == "chime:CreateAttendee" and late else default

    world.chime.control_plane.denials = Late()
    assert service.create_attendee(meeting_id, "bob").external_user_id == "bob"
    assert world.slept_s == [0.2, 0.5]


def test_old_meeting_that_has_ended_is_not_retried(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    world.chime.clock.advance(600)
    with pytest.raises(NotFound):
        service.create_attendee(meeting_id, "bob")
    assert world.slept_s == []


def test_status_of_a_meeting_that_is_not_in_the_ledger_is_not_written(world: World) -> None:
    assert not world.ledger().end(UNKNOWN, MeetingStatus.ENDED, End(EndReason.ENDED))
    assert world.items() == []


RECEIVING = Capabilities("Receive", "Receive", "Receive")


def test_attendees_are_created_with_their_own_capabilities(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    alice = service.create_attendee(meeting_id, "alice", RECEIVING)
    batch = service.create_attendees(meeting_id, ["bob", "carol"], {"carol": RECEIVING})
    found = {
        item.external_user_id: Capabilities.from_api(item.sdk["Capabilities"]) for item in batch.attendees
    }
    assert found == {"bob": Capabilities(), "carol": RECEIVING}
    assert service.get_attendee(meeting_id, alice.attendee_id).capabilities["video"] == "Receive"


def test_capabilities_of_one_and_of_all_others_are_changed(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    batch = service.create_attendees(meeting_id, ["alice", "bob", "carol"])
    host = next(item for item in batch.attendees if item.external_user_id == "alice")
    service.update_capabilities_except(meeting_id, [host.attendee_id], RECEIVING)
    muted = Capabilities("None", "SendReceive", "SendReceive")
    changed = service.update_capabilities(meeting_id, host.attendee_id, muted)
    assert changed.capabilities["audio"] == "None"
    found = {
        item.external_user_id: Capabilities.from_api(item.sdk["Capabilities"])
        for item in service.list_attendees(meeting_id)
    }
    assert found == {"alice": muted, "bob": RECEIVING, "carol": RECEIVING}


@pytest.mark.parametrize("excluded", [[], [UNKNOWN] * 251, ["bob"]])
def test_exclusions_that_chime_would_refuse_are_rejected_before_a_call(
    world: World, excluded: list[str]
) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    sent = len(world.chime.requests)
    with pytest.raises(UsageError):
        service.update_capabilities_except(meeting_id, excluded, RECEIVING)
    assert len(world.chime.requests) == sent


def test_attendee_is_found_by_id_and_by_its_own_user_only(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    bob = service.create_attendee(meeting_id, "Bob")
    assert service.find_attendee(meeting_id, "Bob") == bob
    with pytest.raises(Missing, match="'bob' has no attendee"):
        service.find_attendee(meeting_id, "bob")
    assert service.find_attendee(meeting_id, bob.attendee_id) == bob
    with pytest.raises(Missing, match="'carol' has no attendee"):
        service.find_attendee(meeting_id, "carol")


def test_attendee_keeps_every_field_of_the_answer_and_hides_the_token(world: World) -> None:
    service = world.service()
    meeting_id = service.create_meeting("alice").meeting_id
    bob = service.create_attendee(meeting_id, "bob")
    assert set(bob.sdk) == {"AttendeeId", "ExternalUserId", "JoinToken", "Capabilities"}
    assert bob.join_token.reveal() not in repr(bob)
