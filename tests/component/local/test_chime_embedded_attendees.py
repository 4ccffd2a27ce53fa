"""Attendees, capabilities and tags of the embedded Chime service, seen through boto3."""

from __future__ import annotations

import base64
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.component.local.chime_in_process import ALL, UNKNOWN, ChimeInProcess, code, create


@pytest.fixture
def chime(tmp_path: Path) -> ChimeInProcess:
    return ChimeInProcess(tmp_path / "chime.sqlite3")


@pytest.fixture
def client(chime: ChimeInProcess) -> Any:
    return chime.client()


@pytest.fixture
def meeting_id(client: Any) -> str:
    return str(create(client)["MeetingId"])


def items(count: int, start: int = 0) -> list[dict[str, str]]:
    return [{"ExternalUserId": f"user-{number}"} for number in range(start, start + count)]


@pytest.mark.aws("service model chime-sdk-meetings")
def test_attendee_has_id_token_and_all_capabilities(client: Any, meeting_id: str) -> None:
    attendee = client.create_attendee(MeetingId=meeting_id, ExternalUserId="alice")["Attendee"]
    assert attendee["Capabilities"] == ALL
    assert base64.b64decode(attendee["JoinToken"], validate=True).decode().startswith(attendee["AttendeeId"])
    got = client.get_attendee(MeetingId=meeting_id, AttendeeId=attendee["AttendeeId"])["Attendee"]
    assert got == attendee


@pytest.mark.aws("service model chime-sdk-meetings")
def test_same_external_user_is_the_same_attendee(client: Any, meeting_id: str) -> None:
    first = client.create_attendee(MeetingId=meeting_id, ExternalUserId="Alice")["Attendee"]
    again = client.create_attendee(MeetingId=meeting_id, ExternalUserId="alice")["Attendee"]
    other = client.create_attendee(MeetingId=meeting_id, ExternalUserId="bob")["Attendee"]
    assert again == first
    assert other["JoinToken"] != first["JoinToken"]


@pytest.mark.aws("service model chime-sdk-meetings")
def test_batch_makes_good_users_and_reports_bad_ones(client: Any, meeting_id: str) -> None:
    users = [*items(2), {"ExternalUserId": "aws:root"}, {"ExternalUserId": "a?b"}]
    answer = client.batch_create_attendee(MeetingId=meeting_id, Attendees=users)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [item["ExternalUserId"] for item in answer["Attendees"]] == ["user-0", "user-1"]
    assert [(item["ExternalUserId"], item["ErrorCode"]) for item in answer["Errors"]] == [
        ("aws:root", "BadRequest"),
        ("a?b", "BadRequest"),
    ]


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize("count", [0, 101])
def test_batch_takes_1_to_100(chime: ChimeInProcess, meeting_id: str, count: int) -> None:
    path = f"/meetings/{meeting_id}/attendees?operation=batch-create"
    status, body, _ = chime.raw("POST", path, {"Attendees": items(count)})
    assert (status, body["Code"]) == (400, "BadRequest")
    assert "'attendees'" in body["Message"]


@pytest.mark.aws("AWS General Reference, chime-sdk.html")
def test_full_meeting_is_limit_exceeded(client: Any, meeting_id: str) -> None:
    for start in (0, 100):
        client.batch_create_attendee(MeetingId=meeting_id, Attendees=items(100, start))
    answer = client.batch_create_attendee(MeetingId=meeting_id, Attendees=items(60, 200))
    assert len(answer["Attendees"]) == 50
    assert {item["ErrorCode"] for item in answer["Errors"]} == {"LimitExceeded"}
    with pytest.raises(client.exceptions.LimitExceededException) as error:
        client.create_attendee(MeetingId=meeting_id, ExternalUserId="one-more")
    assert code(error) == ("LimitExceededException", 400)
    assert client.create_attendee(MeetingId=meeting_id, ExternalUserId="user-7"), (
        "an existing attendee is returned"
    )


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize(
    "features", [{"Video": {"MaxResolution": "FHD"}}, {"Content": {"MaxResolution": "UHD"}}]
)
def test_high_definition_meeting_needs_a_count_of_25_at_most(client: Any, features: dict[str, Any]) -> None:
    for attendee in ({}, {"Attendee": {"MaxCount": 26}}):
        with pytest.raises(client.exceptions.BadRequestException, match=r"Attendee\.MaxCount"):
            create(client, MeetingFeatures={**features, **attendee})
    meeting = create(client, MeetingFeatures={**features, "Attendee": {"MaxCount": 25}})
    answer = client.batch_create_attendee(MeetingId=meeting["MeetingId"], Attendees=items(26))
    assert (len(answer["Attendees"]), len(answer["Errors"])) == (25, 1)


@pytest.mark.aws("service model chime-sdk-meetings")
def test_list_gives_every_attendee_once_over_pages(client: Any, meeting_id: str) -> None:
    client.batch_create_attendee(MeetingId=meeting_id, Attendees=items(25))
    found, page = [], client.list_attendees(MeetingId=meeting_id, MaxResults=10)
    sizes = [len(page["Attendees"])]
    while True:
        found += [item["ExternalUserId"] for item in page["Attendees"]]
        if "NextToken" not in page:
            break
        page = client.list_attendees(MeetingId=meeting_id, MaxResults=10, NextToken=page["NextToken"])
        sizes.append(len(page["Attendees"]))
    assert sizes == [10, 10, 5]
    assert found == [f"user-{number}" for number in range(25)]


def test_page_that_ends_the_list_has_no_token(client: Any, meeting_id: str) -> None:
    client.batch_create_attendee(MeetingId=meeting_id, Attendees=items(10))
    assert "NextToken" not in client.list_attendees(MeetingId=meeting_id, MaxResults=10)


@pytest.mark.parametrize("query", ["max-results=0", "max-results=101", "max-results=ten", "next-token=bogus"])
def test_wrong_page_is_a_bad_request(chime: ChimeInProcess, meeting_id: str, query: str) -> None:
    status, body, _ = chime.raw("GET", f"/meetings/{meeting_id}/attendees?{query}")
    assert (status, body["Code"]) == (400, "BadRequest")


@pytest.mark.aws("service model chime-sdk-meetings")
def test_deleted_attendee_is_gone(client: Any, meeting_id: str) -> None:
    attendee_id = client.create_attendee(MeetingId=meeting_id, ExternalUserId="alice")["Attendee"][
        "AttendeeId"
    ]
    answer = client.delete_attendee(MeetingId=meeting_id, AttendeeId=attendee_id)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (client.get_attendee, client.delete_attendee):
        with pytest.raises(client.exceptions.NotFoundException, match="Attendee"):
            call(MeetingId=meeting_id, AttendeeId=attendee_id)
    assert client.list_attendees(MeetingId=meeting_id)["Attendees"] == []


@pytest.mark.aws("service model chime-sdk-meetings")
def test_attendee_of_unknown_meeting_is_not_found(client: Any) -> None:
    with pytest.raises(client.exceptions.NotFoundException, match=f"Meeting <{UNKNOWN}> not found"):
        client.create_attendee(MeetingId=UNKNOWN, ExternalUserId="alice")


@pytest.mark.aws("service model chime-sdk-meetings")
def test_id_that_is_no_uuid_is_a_bad_request(client: Any) -> None:
    with pytest.raises(client.exceptions.BadRequestException):
        client.get_meeting(MeetingId="nonsense")


LEVELS = ("SendReceive", "Send", "Receive", "None")


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize(("video", "content"), list(product(LEVELS, LEVELS)))
def test_content_is_received_only_where_video_is(
    client: Any, meeting_id: str, video: str, content: str
) -> None:
    wanted = {"Audio": "None", "Video": video, "Content": content}
    receives = ("SendReceive", "Receive")
    call = {"MeetingId": meeting_id, "ExternalUserId": "alice", "Capabilities": wanted}
    if content in receives and video not in receives:
        with pytest.raises(client.exceptions.BadRequestException):
            client.create_attendee(**call)
    else:
        assert client.create_attendee(**call)["Attendee"]["Capabilities"] == wanted


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize(
    ("video", "content", "expected"),
    [
        ("None", "FHD", {"Audio": "SendReceive", "Video": "Receive", "Content": "SendReceive"}),
        ("None", "None", {"Audio": "SendReceive", "Video": "None", "Content": "None"}),
        ("HD", "None", {"Audio": "SendReceive", "Video": "SendReceive", "Content": "None"}),
    ],
)
def test_default_capabilities_follow_the_features(
    client: Any, video: str, content: str, expected: dict[str, str]
) -> None:
    features = {"Video": {"MaxResolution": video}, "Content": {"MaxResolution": content}}
    meeting_id = create(client, MeetingFeatures=features)["MeetingId"]
    attendee = client.create_attendee(MeetingId=meeting_id, ExternalUserId="alice")["Attendee"]
    assert attendee["Capabilities"] == expected


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize("kind", ["Video", "Content"])
def test_capability_without_its_feature_is_a_bad_request(client: Any, kind: str) -> None:
    meeting_id = create(client, MeetingFeatures={kind: {"MaxResolution": "None"}})["MeetingId"]
    wanted = {"Audio": "SendReceive", "Video": "None", "Content": "None", kind: "Send"}
    with pytest.raises(client.exceptions.BadRequestException, match=f"{kind} capability must be None"):
        client.create_attendee(MeetingId=meeting_id, ExternalUserId="alice", Capabilities=wanted)


@pytest.mark.aws("service model chime-sdk-meetings")
def test_capabilities_change_for_one_and_for_all_but_some(client: Any, meeting_id: str) -> None:
    made = client.batch_create_attendee(MeetingId=meeting_id, Attendees=items(3))["Attendees"]
    ids = [attendee["AttendeeId"] for attendee in made]
    quiet = {"Audio": "Receive", "Video": "Receive", "Content": "Receive"}
    silent = {"Audio": "None", "Video": "None", "Content": "None"}
    one = client.update_attendee_capabilities(MeetingId=meeting_id, AttendeeId=ids[0], Capabilities=quiet)
    assert one["Attendee"]["Capabilities"] == quiet
    client.batch_update_attendee_capabilities_except(
        MeetingId=meeting_id, ExcludedAttendeeIds=[{"AttendeeId": ids[0]}], Capabilities=silent
    )
    found = client.list_attendees(MeetingId=meeting_id)["Attendees"]
    assert [attendee["Capabilities"] for attendee in found] == [quiet, silent, silent]


@pytest.mark.aws("service model chime-sdk-meetings")
def test_meeting_with_attendees_is_made_in_one_call(client: Any) -> None:
    users = [*items(2), {"ExternalUserId": "aws:x"}]
    answer = client.create_meeting_with_attendees(
        ClientRequestToken="t1", MediaRegion="us-east-1", ExternalMeetingId="m1", Attendees=users
    )
    meeting_id = answer["Meeting"]["MeetingId"]
    assert len(answer["Errors"]) == 1
    assert client.list_attendees(MeetingId=meeting_id)["Attendees"] == answer["Attendees"]


@pytest.mark.aws("service model chime-sdk-meetings")
def test_tags_are_added_replaced_and_removed(client: Any) -> None:
    meeting = create(client, Tags=[{"Key": "a", "Value": "1"}])
    arn = meeting["MeetingArn"]
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["b", "never"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "2"}]


@pytest.mark.aws("service model chime-sdk-meetings")
def test_wrong_tags_are_refused(client: Any) -> None:
    arn = create(client)["MeetingArn"]
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    with pytest.raises(client.exceptions.TooManyTagsException) as error:
        client.tag_resource(ResourceARN=arn, Tags=[{"Key": "more", "Value": ""}])
    assert code(error) == ("TooManyTagsException", 400)
    assert error.value.response["ResourceName"] == arn
    with pytest.raises(client.exceptions.BadRequestException):
        client.tag_resource(ResourceARN=arn, Tags=[{"Key": "aws:x", "Value": ""}])


@pytest.mark.aws("service model chime-sdk-meetings")
def test_tags_of_unknown_resource_are_not_found(chime: ChimeInProcess, client: Any) -> None:
    arn = create(client)["MeetingArn"]
    for wrong in (f"arn:aws:chime:us-east-1:000000000000:meeting/{UNKNOWN}", arn.replace("0000:", "0001:")):
        with pytest.raises(client.exceptions.ResourceNotFoundException) as error:
            client.list_tags_for_resource(ResourceARN=wrong)
        assert code(error) == ("ResourceNotFoundException", 404)
    with pytest.raises(ClientError):
        chime.client("us-west-2").list_tags_for_resource(ResourceARN=arn)
