"""Messages about meetings through the `default` function, on moto's DynamoDB and the embedded Chime service in this process.

alice has the connection a1, bob b1 and b2, carol c1. What the clients get is judged by the rules of the web client and
by the fields of the server's vocabulary (app-contract: `data`, and the same fields beside it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.component.local.chime_in_process import START, ChimeInProcess
from tests.web_client import read
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.chime.rows import item_of
from whatschat_ops.handlers.aws_api import Answer, AwsApi, Endpoint
from whatschat_ops.handlers.chime_api import ChimeApi
from whatschat_ops.handlers.connections_table import StoredConnection
from whatschat_ops.handlers.default import Conversation
from whatschat_ops.handlers.log import Log
from whatschat_ops.handlers.management_api import PostOutcome
from whatschat_ops.handlers.meetings import MeetingsTable
from whatschat_ops.handlers.signalling import Signalling, SignallingSettings
from whatschat_ops.local.interfaces import Denial, HttpRequest

REGION: Final = "us-east-1"
KEYS: Final = {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
NO_MEETING: Final = "00000000-0000-0000-0000-000000000000"
LOST, DOWN, THROTTLED, FULL = "the answer is lost", "nothing arrives", "Throttling", "LimitExceeded"
MISSING: Final = "NotFound"
STATUSES: Final = {THROTTLED: 429, FULL: 400, MISSING: 404}
OPERATIONS: Final = (
    ("POST", r"/meetings", "CreateMeeting"),
    ("GET", r"/meetings/[^/]+", "GetMeeting"),
    ("DELETE", r"/meetings/[^/]+", "DeleteMeeting"),
    ("POST", r"/meetings/[^/]+/attendees", "CreateAttendee"),
    ("GET", r"/meetings/[^/]+/attendees", "ListAttendees"),
    ("DELETE", r"/meetings/[^/]+/attendees/[^/]+", "DeleteAttendee"),
)


class Api(AwsApi):
    """The functions' client of AWS, whose requests end in moto and in the Chime service. `faults` come first."""

    def __init__(self, chime: ChimeInProcess, dynamodb: Any) -> None:
        super().__init__(KEYS, sleep=lambda _: None)
        self._chime = chime
        self._dynamodb = dynamodb
        self.faults: dict[str, list[str]] = {}
        self.calls: list[str] = []

    def _send(
        self,
        service: str,
        endpoint: Endpoint,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        method: str,
        query: str,
        region: str,
    ) -> Answer:
        operation = (
            headers["x-amz-target"].rpartition(".")[2] if service == "dynamodb" else named(method, path)
        )
        self.calls.append(operation)
        faults = self.faults.get(operation)
        fault = faults.pop(0) if faults else ""
        if fault in STATUSES:
            return Answer(STATUSES[fault], json.dumps({"Code": fault}).encode())
        if fault == DOWN:
            raise TimeoutError
        answer = (
            self._to_moto(operation, body)
            if service == "dynamodb"
            else self._to_chime(method, path, query, body, region)
        )
        if fault == LOST:
            raise TimeoutError
        return answer

    def _to_moto(self, operation: str, body: bytes) -> Answer:
        try:
            answer = self._dynamodb._make_api_call(operation, json.loads(body))
        except ClientError as error:
            return Answer(400, json.dumps({"__type": f"a#{error.response['Error']['Code']}"}).encode())
        answer.pop("ResponseMetadata")
        return Answer(200, json.dumps(answer).encode())

    def _to_chime(self, method: str, path: str, query: str, body: bytes, region: str) -> Answer:
        scope = f"AWS4-HMAC-SHA256 Credential=A/20260101/{region}/chime/aws4_request, SignedHeaders=host"
        headers = ((b"authorization", scope.encode()),)
        answer = self._chime.send(HttpRequest(method, path, query, headers, body, "127.0.0.1"))
        return Answer(answer.status, answer.body)


def named(method: str, path: str) -> str:
    return next(name for of, pattern, name in OPERATIONS if of == method and re.fullmatch(pattern, path))


@dataclass
class Sockets:
    """The connections of users, and what each got."""

    users: dict[str, str]
    got: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def user_of(self, connection_id: str, _now_s: float) -> str | None:
        return self.users.get(connection_id)

    def connections_of(self, user_id: str, _now_s: float) -> list[StoredConnection]:
        return [StoredConnection(each, None) for each, user in self.users.items() if user == user_id]

    def delete_gone(self, connection: StoredConnection) -> bool:
        raise NotImplementedError

    def post(self, connection_id: str, data: bytes, _log: Log) -> PostOutcome:
        self.got.setdefault(connection_id, []).append(json.loads(data))
        return PostOutcome.DELIVERED


class RacingTable(MeetingsTable):
    """Calls `meanwhile` once, between what a creation reads and what it writes."""

    meanwhile: Callable[[], object] | None = None

    def open_meetings(self, user: str) -> Any:
        seen = super().open_meetings(user)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return seen


class World:
    """The function, its AWS, and its clients."""

    def __init__(self, chime: ChimeInProcess, dynamodb: Any, table: str) -> None:
        self.chime, self.dynamodb, self.table = chime, dynamodb, table
        self.api = Api(chime, dynamodb)
        self.ledger = RacingTable(self.api, table)
        self.settings = SignallingSettings(REGION, "eu-west-1", 5)
        self.sockets = Sockets({"a1": "alice", "b1": "bob", "b2": "bob", "c1": "carol"})

    def send(self, connection_id: str, kind: str, **fields: Any) -> dict[str, Any]:
        """Send a message; the answer to its sender. What the others got is in `got`."""
        self.sockets.got = {}
        now_s = self.chime.clock.now
        signalling = Signalling(self.ledger, ChimeApi(self.api), self.settings, now_s, lambda _: None)
        log = Log("default", "request", connection_id)
        Conversation(
            connection_id,
            "gateway-id",
            self.sockets,
            self.sockets,
            now_s=now_s,
            seconds_left=10,
            log=log,
            meetings=signalling,
        ).answer(json.dumps({"type": f"chime:{kind}", **fields}), False)
        log.write(9_000, cold_start=False)
        [answer] = self.sockets.got.pop(connection_id)
        return answer

    @property
    def got(self) -> dict[str, list[dict[str, Any]]]:
        return self.sockets.got

    def code(self, connection_id: str, kind: str, **fields: Any) -> tuple[str, str]:
        """The error that the sender gets, and that nobody else gets anything."""
        answer = self.send(connection_id, kind, **fields)
        assert answer["type"] == "error", answer
        assert self.got == {}
        return answer["code"], answer["message"]

    def created(self, connection_id: str = "a1", external: str = "call-bob-1") -> dict[str, Any]:
        answer = self.send(connection_id, "create-meeting", to="server", data={"externalMeetingId": external})
        assert answer["type"] == "chime:meeting-created", answer
        data: dict[str, Any] = answer["data"]
        return data

    def joined(self, connection_id: str, meeting_id: str) -> dict[str, Any]:
        answer = self.send(connection_id, "join-meeting", data={"meetingId": meeting_id})
        assert answer["type"] == "chime:attendee-created", answer
        data: dict[str, Any] = answer["data"]
        return data

    def rows(self) -> dict[str, dict[str, Any]]:
        items = self.dynamodb.scan(TableName=self.table)["Items"]
        return {item["meetingId"]["S"]: item for item in items}

    def living(self) -> list[str]:
        """The ids of the meetings that Chime has."""
        now, meetings = self.chime.clock.now, self.chime.service._store.meetings
        return [meeting.id for meeting in meetings.values() if meeting.ends_at > now]


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """moto's, for all tests of this module: making clients is what takes the time."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        with mock_aws():
            yield boto3.client("dynamodb", region_name=REGION)


@pytest.fixture
def world(tmp_path: Path, dynamodb: Any) -> World:
    table = f"meetings-{tmp_path.name}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "meetingId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "meetingId", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return World(ChimeInProcess(tmp_path / "chime.db"), dynamodb, table)


def record_of(world: World, meeting_id: str) -> MeetingRecord:
    """The row as the program reads it."""
    clock = world.chime.clock
    ledger = MeetingLedger(world.dynamodb, world.table, clock=lambda: datetime.fromtimestamp(clock.now, UTC))
    assert {record.meeting_id for record in ledger.records()} == {
        key for key in world.rows() if "open#" not in key
    }
    found = ledger.get(meeting_id)
    assert found is not None
    return found


def test_created_meeting_serves_both_vocabularies(world: World) -> None:
    answer = world.send("a1", "create-meeting", to="server", data={"externalMeetingId": "call-bob-1"}, id=7)
    event = read(json.dumps(answer), 0)
    meeting, attendee = event.data["meeting"], event.data["attendee"]
    assert (event.type, event.sender, answer["id"]) == ("chime:meeting-created", "server", 7)
    # The web client reads these fields, and gives both objects to Chime's SDK.
    assert (meeting["externalMeetingId"], meeting["mediaRegion"]) == ("call-bob-1", "eu-west-1")
    assert {"audioHostUrl", "signalingUrl"} <= set(meeting["mediaPlacement"])
    assert attendee["externalUserId"] == "alice"
    assert attendee["joinToken"]
    # The server's vocabulary: the meeting itself, and both objects, beside `data`.
    assert (answer["meetingId"], answer["meeting"], answer["attendee"]) == (
        meeting["meetingId"],
        meeting,
        attendee,
    )
    assert world.got == {}


def test_field_beside_data_is_read_too(world: World) -> None:
    answer = world.send("a1", "create-meeting", externalMeetingId="call-bob-2")
    assert answer["data"]["meeting"]["externalMeetingId"] == "call-bob-2"


def test_meeting_without_an_external_id_gets_that_of_the_guide(world: World) -> None:
    answer = world.send("a1", "create-meeting", to="server")
    assert answer["data"]["meeting"]["externalMeetingId"] == f"call-alice-{int(START * 1000)}"


def test_row_of_a_meeting_is_one_that_the_program_reads(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    record = record_of(world, meeting_id)
    assert (record.external_meeting_id, record.created_by, record.status) == (
        "call-bob-1",
        "alice",
        MeetingStatus.CREATED,
    )
    assert (record.control_region, record.media_region) == (REGION, "eu-west-1")
    assert record.created_at.timestamp() == START
    assert world.rows()[meeting_id]["purpose"] == {"S": "call"}


@pytest.mark.parametrize("version", ["this", "earlier"])
def test_meeting_that_the_program_made_is_joined_and_ended(world: World, version: str) -> None:
    made = world.chime.client().create_meeting(
        ClientRequestToken="token", ExternalMeetingId="standup", MediaRegion="us-east-1"
    )["Meeting"]["MeetingId"]
    now = datetime.fromtimestamp(START, UTC)
    known = MeetingRecord(made, "standup", "alice", REGION, "us-east-1", now, MeetingStatus.CREATED)
    if version == "this":
        known = replace(known, purpose="test", request_token="token", tags={"team": "a"})
    world.dynamodb.put_item(TableName=world.table, Item=item_of(known))
    assert world.joined("b1", made)["attendee"]["externalUserId"] == "bob"
    assert world.code("b1", "end-meeting", meetingId=made)[0] == "not_allowed"
    assert record_of(world, made) == known, "who joined is beside what the program reads"
    assert world.send("a1", "end-meeting", meetingId=made)["type"] == "chime:meeting-ended"
    ended = record_of(world, made)
    assert (ended.status, ended.end_reason, ended.ended_by, ended.ended_at) == (
        MeetingStatus.DELETED,
        "signalling",
        "alice",
        now,
    )


def test_who_joins_gets_the_token_and_the_others_do_not(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    mine = world.joined("b1", meeting_id)
    assert mine["meeting"]["meetingId"] == meeting_id
    assert mine["attendee"]["externalUserId"] == "bob"
    [told] = world.got.pop("a1")
    assert world.got == {}
    event = read(json.dumps(told), 0)
    public = {"attendeeId": mine["attendee"]["attendeeId"], "externalUserId": "bob"}
    assert (event.type, event.sender) == ("chime:attendee-joined", "bob")
    assert event.data == {"meetingId": meeting_id, "attendee": public, "userId": "bob"}
    assert (told["attendee"], told["userId"]) == (public, "bob")

    world.joined("c1", meeting_id)
    assert sorted(world.got) == ["a1", "b1", "b2"]
    again = world.joined("b2", meeting_id)
    assert again["attendee"] == mine["attendee"]
    assert world.got == {}, "nothing is new to the others"


def test_same_message_twice_makes_one_meeting(world: World) -> None:
    first, second = world.created(), world.created()
    assert first == second
    assert len(world.living()) == 1
    assert world.created(external="call-bob-2")["meeting"]["meetingId"] not in world.living()[:1]


def test_user_leaves_as_the_own_attendee_only(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    bob, carol = (world.joined(each, meeting_id)["attendee"]["attendeeId"] for each in ("b1", "c1"))
    forged = {"meetingId": meeting_id, "attendeeId": carol, "userId": "carol", "from": "carol"}
    code, reason = world.code("b1", "leave-meeting", data=forged, **forged)
    assert (code, reason) == ("not_allowed", "attendeeId is not your attendee in this meeting")
    assert len(world.chime.client().list_attendees(MeetingId=meeting_id)["Attendees"]) == 3

    answer = world.send("b1", "leave-meeting", data={"meetingId": meeting_id, "attendeeId": bob})
    assert (answer["type"], answer["data"]["meetingId"]) == ("chime:left-meeting", meeting_id)
    assert sorted(world.got) == ["a1", "c1"]
    assert world.got["c1"][0]["data"] == {"meetingId": meeting_id, "attendeeId": bob, "userId": "bob"}
    listed = world.chime.client().list_attendees(MeetingId=meeting_id)["Attendees"]
    assert {each["ExternalUserId"] for each in listed} == {"alice", "carol"}
    assert world.joined("b1", meeting_id)["attendee"]["attendeeId"] != bob


def test_only_the_creator_ends_a_meeting(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    bob = world.joined("b1", meeting_id)["attendee"]["attendeeId"]
    refused = world.code("b1", "end-meeting", meetingId=meeting_id, userId="alice", createdBy="alice")
    assert refused == ("not_allowed", "only the user who created a meeting can end it")
    assert world.living() == [meeting_id]

    world.chime.clock.advance(60)
    answer = world.send("a1", "end-meeting", meetingId=meeting_id)
    assert answer["data"] == {"meetingId": meeting_id, "endedBy": "alice"}
    assert sorted(world.got) == ["b1", "b2"]
    assert world.got["b1"][0]["type"] == "chime:meeting-ended"
    assert world.living() == []
    row = world.rows()[meeting_id]
    assert (row["status"], row["endReason"], row["endedBy"]) == (
        {"S": "deleted"},
        {"S": "signalling"},
        {"S": "alice"},
    )
    assert row["endedAt"]["S"].endswith("Z")
    assert record_of(world, meeting_id).status is MeetingStatus.DELETED

    # The web client leaves when it hears of the end; an end that is sent again is answered again.
    left = world.send("b1", "leave-meeting", data={"meetingId": meeting_id, "attendeeId": bob})
    assert left["type"] == "chime:left-meeting"
    assert world.send("a1", "end-meeting", meetingId=meeting_id)["type"] == "chime:meeting-ended"
    assert world.got == {}
    assert world.code("c1", "join-meeting", meetingId=meeting_id) == (
        "meeting_not_found",
        "the meeting has ended",
    )


def test_attendees_are_listed_without_their_tokens(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    users = [f"user-{number}" for number in range(120)]
    client = world.chime.client()
    for part in (users[:100], users[100:]):
        client.batch_create_attendee(
            MeetingId=meeting_id, Attendees=[{"ExternalUserId": user} for user in part]
        )
    answer = world.send("c1", "list-attendees", data={"meetingId": meeting_id})
    found = answer["data"]["attendees"]
    assert answer["attendees"] == found
    assert {each["externalUserId"] for each in found} == {*users, "alice"}
    assert {frozenset(each) for each in found} == {frozenset({"attendeeId", "externalUserId"})}


@pytest.mark.parametrize("kind", ["join-meeting", "end-meeting", "list-attendees"])
def test_only_meetings_of_the_ledger_exist(world: World, kind: str) -> None:
    other = world.chime.client().create_meeting(
        ClientRequestToken="token", ExternalMeetingId="other", MediaRegion="us-east-1"
    )["Meeting"]["MeetingId"]
    assert world.code("a1", kind, meetingId=other)[0] == "meeting_not_found"
    assert world.code("a1", kind, meetingId=NO_MEETING)[0] == "meeting_not_found"


@pytest.mark.parametrize("value", [None, 7, "", "open#alice", "pending#x", NO_MEETING + "/attendees"])
@pytest.mark.parametrize("kind", ["join-meeting", "leave-meeting", "end-meeting", "list-attendees"])
def test_what_is_not_an_id_of_chime_reads_no_row(world: World, kind: str, value: Any) -> None:
    assert world.code("a1", kind, data={"meetingId": value}) == (
        "bad_message",
        "meetingId must be an id as Chime gives them",
    )
    assert world.api.calls == []


@pytest.mark.parametrize(
    ("external", "reason"),
    [
        (7, "it must be a string"),
        ("a", "it must have 2 to 64 characters and has 1"),
        ("call?", "Chime does not allow the character '?' in it"),
        ("aws:call", "ids that begin with aws: are reserved"),
    ],
)
def test_external_id_that_chime_would_refuse_is_refused(world: World, external: Any, reason: str) -> None:
    refused = world.code("a1", "create-meeting", data={"externalMeetingId": external})
    assert refused == ("bad_message", f"externalMeetingId cannot be used: {reason}")
    assert world.rows() == {}


def test_user_whose_id_chime_does_not_take_is_told(world: World) -> None:
    world.sockets.users["a1"] = "ali*ce"
    code, reason = world.code("a1", "create-meeting")
    assert (code, reason) == (
        "not_allowed",
        "your user id cannot be used in Chime: Chime does not allow the character '*' in it",
    )


def test_user_id_that_differs_in_case_only_gets_no_token_of_the_other(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    world.sockets.users["b1"] = "ALICE"
    assert world.code("b1", "join-meeting", meetingId=meeting_id)[0] == "not_allowed"


def test_user_id_that_is_the_short_form_of_another_gets_an_attendee_of_its_own(world: World) -> None:
    world.sockets.users["a1"] = "auth0|" + "x" * 100
    meeting = world.created()
    world.sockets.users["b1"] = short = meeting["attendee"]["externalUserId"]
    assert len(short) == 64
    mine = world.joined("b1", meeting["meeting"]["meetingId"])["attendee"]
    assert mine["attendeeId"] != meeting["attendee"]["attendeeId"]
    assert mine["joinToken"] != meeting["attendee"]["joinToken"]


def test_attendee_that_another_user_joined_as_is_not_given_out(world: World) -> None:
    meeting = world.created()
    meeting_id, attendee_id = meeting["meeting"]["meetingId"], meeting["attendee"]["attendeeId"]
    world.ledger.leave(meeting_id, attendee_id, "alice")
    world.ledger.join(meeting_id, attendee_id, "carol")
    assert world.code("a1", "join-meeting", meetingId=meeting_id)[0] == "not_allowed"
    assert world.rows()[meeting_id]["joined"] == {"SS": [f"{attendee_id} carol"]}
    assert world.code("a1", "leave-meeting", meetingId=meeting_id, attendeeId=attendee_id)[0] == "not_allowed"


def test_user_who_joins_while_the_meeting_ends_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    end = world.ledger.end

    def late(*arguments: Any) -> Any:
        world.ledger.join(meeting_id, NO_MEETING, "carol")
        return end(*arguments)

    monkeypatch.setattr(world.ledger, "end", late)
    world.send("a1", "end-meeting", meetingId=meeting_id)
    assert [event["type"] for event in world.got["c1"]] == ["chime:meeting-ended"]


def test_leave_that_is_sent_again_is_refused_while_the_meeting_is_open(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    attendee_id = world.joined("b1", meeting_id)["attendee"]["attendeeId"]
    leave = {"meetingId": meeting_id, "attendeeId": attendee_id}
    assert world.send("b1", "leave-meeting", **leave)["type"] == "chime:left-meeting"
    assert world.code("b1", "leave-meeting", **leave)[0] == "not_allowed"


def test_user_has_five_meetings_open_and_no_sixth(world: World) -> None:
    made = [world.created(external=f"call-bob-{number}")["meeting"]["meetingId"] for number in range(5)]
    refused = world.code("a1", "create-meeting", data={"externalMeetingId": "call-bob-5"})
    assert refused == ("too_many_meetings", "you have 5 meetings open, of 5; end one first")
    assert world.created("b1", "call-alice-1"), "each user has a limit"
    world.send("a1", "end-meeting", meetingId=made[2])
    world.created(external="call-bob-5")
    assert len(world.living()) == 6


def test_meetings_that_ended_by_themselves_do_not_count(world: World) -> None:
    made = [world.created(external=f"call-bob-{number}")["meeting"]["meetingId"] for number in range(5)]
    world.chime.clock.advance(301)
    assert world.created(external="call-bob-5")["meeting"]["meetingId"] not in made
    again = world.created(external="call-bob-0")["meeting"]["meetingId"]
    assert again not in made, "the ended meeting of that external id is not given out"


def test_limit_holds_for_two_creations_at_the_same_time(world: World) -> None:
    world.settings = SignallingSettings(REGION, "eu-west-1", 1)
    world.ledger.meanwhile = lambda: world.created(external="call-bob-1")
    answer = world.send("a1", "create-meeting", data={"externalMeetingId": "call-bob-2"})
    assert answer["code"] == "too_many_meetings"
    assert len(world.living()) == 1


def test_lost_answer_is_resolved_by_the_same_token(world: World) -> None:
    world.api.faults["CreateMeeting"] = [LOST]
    message = {"to": "server", "data": {"externalMeetingId": "call-bob-1"}}
    code, reason = world.code("a1", "create-meeting", **message)
    assert (code, reason) == (
        "chime_failed",
        "there was no answer in time; send the message again, with the same externalMeetingId",
    )
    [made] = world.living()
    assert [key for key in world.rows() if key.startswith("pending#")]

    assert world.created()["meeting"]["meetingId"] == made
    assert world.living() == [made]
    assert sorted(world.rows()) == sorted([made, "open#alice"])


@pytest.mark.parametrize("again", [[THROTTLED] * 3, [FULL]], ids=["throttled", "refused"])
def test_refused_resend_keeps_the_meeting_that_a_lost_answer_made(world: World, again: list[str]) -> None:
    world.api.faults["CreateMeeting"] = [LOST]
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-1")[0] == "chime_failed"
    world.api.faults["CreateMeeting"] = again
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-1")[0] in (
        "chime_busy",
        "chime_limit",
    )
    [made] = world.living()
    assert world.created()["meeting"]["meetingId"] == made
    assert world.living() == [made]
    assert sorted(world.rows()) == sorted([made, "open#alice"])


def test_meeting_that_a_late_resend_made_is_a_new_one(world: World) -> None:
    world.api.faults["CreateMeeting"] = [DOWN]
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-1")[0] == "chime_failed"
    world.chime.clock.advance(60)
    made = world.created()["meeting"]["meetingId"]
    assert record_of(world, made).created_at.timestamp() == START + 60
    world.api.faults["CreateAttendee"] = [MISSING] * 3
    assert world.code("b1", "join-meeting", meetingId=made)[0] == "chime_busy"
    assert world.rows()[made]["status"] == {"S": "created"}


@pytest.mark.parametrize("operation", ["TransactWriteItems", "CreateAttendee", "UpdateItem"])
def test_creation_that_is_cut_off_anywhere_is_completed_by_the_same_message(
    world: World, operation: str
) -> None:
    for position in range(3):
        world.api.faults[operation] = [""] * position + [LOST]
        external = f"call-bob-{position}"
        world.send("a1", "create-meeting", data={"externalMeetingId": external})
        world.api.faults.clear()
        meeting = world.created(external=external)["meeting"]["meetingId"]
        of_chime = [each for each in world.living() if each == meeting]
        assert len(of_chime) == 1
    assert len(world.living()) == 3
    assert [key for key in world.rows() if key.startswith("pending#")] == []


def test_meeting_in_doubt_stops_counting_when_it_must_have_ended(world: World) -> None:
    world.settings = SignallingSettings(REGION, "eu-west-1", 1)
    world.api.faults["CreateMeeting"] = [DOWN]
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-1")[0] == "chime_failed"
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-2")[0] == "too_many_meetings"
    world.chime.clock.advance(301)
    world.created(external="call-bob-2")


def test_new_meeting_of_a_late_resend_counts(world: World) -> None:
    world.settings = SignallingSettings(REGION, "eu-west-1", 1)
    world.api.faults["CreateMeeting"] = [DOWN]
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-1")[0] == "chime_failed"
    world.chime.clock.advance(290)
    world.created()
    world.chime.clock.advance(11)
    world.api.faults["GetMeeting"] = [MISSING]
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-2")[0] == "too_many_meetings"


def test_throttled_creation_is_told_and_leaves_nothing(world: World) -> None:
    world.api.faults["CreateMeeting"] = [THROTTLED] * 3
    assert world.code("a1", "create-meeting", externalMeetingId="call-bob-1") == (
        "chime_busy",
        "there are too many calls at the moment; send the message again",
    )
    assert [key for key in world.rows() if not key.startswith("open#")] == []
    assert world.rows()["open#alice"]["open"] == {"M": {}}


def test_full_account_is_told(world: World) -> None:
    world.api.faults["CreateMeeting"] = [FULL]
    assert world.code("a1", "create-meeting")[0] == "chime_limit"
    assert world.rows()["open#alice"]["open"] == {"M": {}}


def test_missing_permission_is_logged_and_not_shown(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.chime.control_plane.denials["chime:CreateMeeting"] = Denial("AccessDenied", "User: arn:aws:x")
    code, reason = world.code("a1", "create-meeting")
    assert (code, reason) == ("internal_error", "Chime refused the call")
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["event"], line["outcome"]) == ("ERROR", "chime:create-meeting", "failed")
    assert line["reason"] == "internal_error; CreateMeeting: Forbidden"


@pytest.mark.parametrize("operation", ["GetItem", "TransactWriteItems"])
def test_ledger_that_does_not_answer_is_told(world: World, operation: str) -> None:
    world.api.faults[operation] = [DOWN]
    assert world.code("a1", "create-meeting")[0] in ("chime_failed", "internal_error")
    assert world.living() == []


def test_meeting_that_ended_by_itself_is_not_found_and_recorded_as_ended(world: World) -> None:
    meeting_id = world.created()["meeting"]["meetingId"]
    world.chime.clock.advance(301)
    assert world.code("b1", "join-meeting", meetingId=meeting_id) == (
        "meeting_not_found",
        "the meeting has ended",
    )
    row = world.rows()[meeting_id]
    assert (row["status"], row["endReason"], "endedBy" in row) == ({"S": "ended"}, {"S": "ended"}, False)
    assert world.rows()["open#alice"]["open"] == {"M": {}}


def test_connection_without_a_user_is_refused(world: World) -> None:
    assert world.code("x1", "create-meeting")[0] == "not_connected"
