"""The embedded Chime service, through boto3: it does what AWS documents."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.component.local.chime_in_process import REGION, UNKNOWN, ChimeInProcess, code, create
from whatschat_ops.local.interfaces import Denial, HttpRequest
from whatschat_ops.quotas import CHIME_MEDIA_REGIONS


@pytest.fixture
def chime(tmp_path: Path) -> ChimeInProcess:
    return ChimeInProcess(tmp_path / "state" / "chime.sqlite3")


@pytest.fixture
def client(chime: ChimeInProcess) -> Any:
    return chime.client()


@pytest.mark.aws("service model chime-sdk-meetings")
def test_created_meeting_has_documented_members(client: Any) -> None:
    meeting = create(client)
    identity = meeting["MeetingId"]
    assert str(uuid.UUID(identity)) == identity
    assert meeting["MeetingArn"] == f"arn:aws:chime:{REGION}:000000000000:meeting/{identity}"
    assert meeting["ExternalMeetingId"] == "call-alice-1"
    assert meeting["MediaRegion"] == "eu-central-1"
    assert meeting["MeetingFeatures"]["Video"] == {"MaxResolution": "HD"}
    assert (
        meeting["MediaPlacement"]["SignalingUrl"] == f"wss://signal.m1.ec1.app.chime.aws/control/{identity}"
    )
    assert client.get_meeting(MeetingId=identity)["Meeting"] == meeting


@pytest.mark.aws("service model chime-sdk-meetings")
def test_same_token_gives_same_meeting_while_it_lives(chime: ChimeInProcess, client: Any) -> None:
    first = create(client, "token-1")
    assert create(client, "token-1", ExternalMeetingId="other") == first
    assert create(client, "token-2")["MeetingId"] != first["MeetingId"]
    client.delete_meeting(MeetingId=first["MeetingId"])
    assert create(client, "token-1")["MeetingId"] != first["MeetingId"]


def test_same_token_in_another_region_is_another_meeting(chime: ChimeInProcess, client: Any) -> None:
    assert create(client, "token-1") != create(chime.client("eu-central-1"), "token-1")


@pytest.mark.aws("Chime SDK developer guide, sdk-available-regions.html")
@pytest.mark.parametrize("region", CHIME_MEDIA_REGIONS)
def test_every_media_region_is_served_in_its_partition(chime: ChimeInProcess, region: str) -> None:
    control = "us-gov-west-1" if region.startswith("us-gov-") else "us-east-1"
    meeting = create(chime.client(control), MediaRegion=region)
    assert meeting["MediaRegion"] == region
    partition = "aws-us-gov" if region.startswith("us-gov-") else "aws"
    assert meeting["MeetingArn"].startswith(f"arn:{partition}:chime:{control}:")


@pytest.mark.aws("Chime SDK developer guide, sdk-available-regions.html")
@pytest.mark.parametrize("region", ["us-gov-west-1", "il-central-1", "mars-north-1"])
def test_other_media_region_is_a_bad_request(client: Any, region: str) -> None:
    with pytest.raises(client.exceptions.BadRequestException) as error:
        create(client, MediaRegion=region)
    assert code(error) == ("BadRequestException", 400)


@pytest.mark.aws("Chime SDK developer guide, sdk-available-regions.html")
def test_region_without_endpoint_is_a_bad_request(chime: ChimeInProcess) -> None:
    with pytest.raises(ClientError, match="no API endpoint in the Region eu-west-1"):
        create(chime.client("eu-west-1"))


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize(
    "bad", ["what?", "50%", "a*b", "a!b", "aws:call", "AWS:call", "日本語", "a\\b", "a~b"]
)
def test_external_id_beyond_pattern_is_a_bad_request(client: Any, bad: str) -> None:
    with pytest.raises(client.exceptions.BadRequestException):
        create(client, ExternalMeetingId=bad)
    meeting_id = create(client)["MeetingId"]
    with pytest.raises(client.exceptions.BadRequestException):
        client.create_attendee(MeetingId=meeting_id, ExternalUserId=bad)


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize("good", ["ab", "a" * 64, "alice@example.com", "Zoë Müller", "a/b:c|d'e\"f#g", "«x»"])
def test_external_id_within_pattern_is_kept(client: Any, good: str) -> None:
    meeting = create(client, ExternalMeetingId=good)
    assert meeting["ExternalMeetingId"] == good
    attendee = client.create_attendee(MeetingId=meeting["MeetingId"], ExternalUserId=good)["Attendee"]
    assert attendee["ExternalUserId"] == good


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({}, ["clientRequestToken", "mediaRegion", "externalMeetingId"]),
        ({"ExternalMeetingId": "a"}, ["externalMeetingId"]),
        ({"ExternalMeetingId": "a" * 65}, ["externalMeetingId"]),
        ({"ExternalMeetingId": 7}, ["externalMeetingId"]),
        ({"ClientRequestToken": "sp ace"}, ["clientRequestToken"]),
        ({"MeetingFeatures": {"Video": {"MaxResolution": "8K"}}}, ["meetingFeatures.video.maxResolution"]),
        ({"MeetingFeatures": {"Attendee": {"MaxCount": 251}}}, ["meetingFeatures.attendee.maxCount"]),
        ({"MeetingFeatures": {"Attendee": {"MaxCount": True}}}, ["meetingFeatures.attendee.maxCount"]),
        ({"TenantIds": ["ok", "aaaa"]}, ["tenantIds.2.member"]),
        ({"Tags": [{"Key": "k"}]}, ["tags.1.member.value"]),
    ],
)  # fmt: skip
def test_parameter_against_model_is_a_bad_request_that_names_it(
    chime: ChimeInProcess, document: dict[str, Any], named: list[str]
) -> None:
    valid = {"ClientRequestToken": "t1", "MediaRegion": "us-east-1", "ExternalMeetingId": "m1"}
    status, body, headers = chime.raw("POST", "/meetings", {**valid, **document} if document else {})
    assert status == 400
    assert headers["x-amzn-ErrorType"] == "BadRequestException"
    assert set(body) == {"Code", "Message", "RequestId"}
    assert body["Code"] == "BadRequest"
    assert body["RequestId"] == headers["x-amzn-RequestId"]
    assert all(f"'{name}'" in body["Message"] for name in named)
    assert body["Message"].startswith(f"{len(named)} validation error")


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"x"'])
def test_body_that_is_no_json_object_is_a_bad_request(chime: ChimeInProcess, body: bytes) -> None:
    status, answer, _ = chime.raw("POST", "/meetings", body)
    assert (status, answer["Code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "target",
    ["GET /", "GET /meetings", "PUT /meetings", "POST /meetings?operation=no-such", "POST /meetings/a/b/c/d"],
)
def test_unknown_operation_is_404(chime: ChimeInProcess, target: str) -> None:
    method, _, path = target.partition(" ")
    status, body, headers = chime.raw(method, path, {})
    assert (status, headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")
    assert body["Message"]
    assert chime.control_plane.asked == []


@pytest.mark.difference(
    "Chime SDK meetings",
    aws="transcribes meetings: StartMeetingTranscription, StopMeetingTranscription",
    here="the input is checked, then refused with UnprocessableEntityException, 422: meetings have no media",
)
def test_transcription_is_refused_because_there_is_no_media(client: Any) -> None:
    meeting_id = create(client)["MeetingId"]
    settings = {"EngineTranscribeSettings": {"LanguageCode": "en-US"}}
    with pytest.raises(ClientError, match="the embedded AWS does not transcribe") as error:
        client.start_meeting_transcription(MeetingId=meeting_id, TranscriptionConfiguration=settings)
    assert code(error) == ("UnprocessableEntityException", 422)
    with pytest.raises(ClientError, match="the embedded AWS does not transcribe") as error:
        client.stop_meeting_transcription(MeetingId=meeting_id)
    assert code(error) == ("UnprocessableEntityException", 422)


@pytest.mark.aws("service model chime-sdk-meetings: EngineTranscribeSettings")
@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        ({}, "must contain EngineTranscribeSettings or"),
        ({"EngineTranscribeSettings": {}}, "LanguageCode or IdentifyLanguage"),
        (
            {
                "EngineTranscribeSettings": {
                    "LanguageCode": "en-US",
                    "ContentIdentificationType": "PII",
                    "ContentRedactionType": "PII",
                }
            },
            "cannot both be set",
        ),
        ({"EngineTranscribeSettings": {"LanguageCode": "en-US", "PiiEntityTypes": "NAME"}}, "PiiEntityTypes"),
        (
            {"EngineTranscribeSettings": {"IdentifyLanguage": True, "LanguageModelName": "own"}},
            "LanguageModelName",
        ),
        (
            {"EngineTranscribeSettings": {"LanguageCode": "en-US", "LanguageOptions": "en-US,de-DE"}},
            "LanguageOptions needs",
        ),
        (
            {"EngineTranscribeSettings": {"IdentifyLanguage": True, "LanguageOptions": "en-US,en-AU"}},
            "one dialect",
        ),
        (
            {
                "EngineTranscribeSettings": {
                    "IdentifyLanguage": True,
                    "LanguageOptions": "en-US,de-DE",
                    "PreferredLanguage": "fr-FR",
                }
            },
            "PreferredLanguage",
        ),
        ({"EngineTranscribeSettings": {"LanguageCode": "xx-XX"}}, "enum value set"),
    ],
)
def test_transcription_that_aws_would_refuse_is_a_bad_request(
    client: Any, configuration: dict[str, Any], reason: str
) -> None:
    meeting_id = create(client)["MeetingId"]
    with pytest.raises(ClientError, match=reason) as error:
        client.start_meeting_transcription(MeetingId=meeting_id, TranscriptionConfiguration=configuration)
    assert code(error) == ("BadRequestException", 400)


@pytest.mark.aws("service model chime-sdk-meetings")
@pytest.mark.parametrize("operation", ["start_meeting_transcription", "stop_meeting_transcription"])
def test_transcription_of_an_unknown_meeting_is_not_found(client: Any, operation: str) -> None:
    settings = {"TranscriptionConfiguration": {"EngineTranscribeSettings": {"LanguageCode": "en-US"}}}
    with pytest.raises(ClientError) as error:
        getattr(client, operation)(MeetingId=UNKNOWN, **(settings if operation.startswith("start") else {}))
    assert code(error) == ("NotFoundException", 404)


@pytest.mark.aws("IAM user guide, reference_aws-signing.html")
def test_unsigned_request_is_403(chime: ChimeInProcess) -> None:
    answer = chime.send(HttpRequest("GET", f"/meetings/{UNKNOWN}", "", (), b"", "127.0.0.1"))
    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")


@pytest.mark.aws("Service Authorization Reference, Amazon Chime")
def test_every_call_is_authorized_for_its_meeting(chime: ChimeInProcess, client: Any) -> None:
    meeting = create(client)
    client.list_attendees(MeetingId=meeting["MeetingId"])
    client.list_tags_for_resource(ResourceARN=meeting["MeetingArn"])
    assert chime.control_plane.asked == [
        ("chime", "chime:CreateMeeting", "*"),
        ("chime", "chime:ListAttendees", meeting["MeetingArn"]),
        ("chime", "chime:ListTagsForResource", meeting["MeetingArn"]),
    ]


@pytest.mark.aws("Service Authorization Reference, Amazon Chime")
def test_denied_call_is_forbidden_and_changes_nothing(chime: ChimeInProcess, client: Any) -> None:
    meeting_id = create(client)["MeetingId"]
    denial = Denial("AccessDeniedException", "User: bob is not authorized to perform: chime:DeleteMeeting")
    chime.control_plane.denials["chime:DeleteMeeting"] = denial
    with pytest.raises(client.exceptions.ForbiddenException, match="not authorized") as error:
        client.delete_meeting(MeetingId=meeting_id)
    assert code(error) == ("ForbiddenException", 403)
    assert client.get_meeting(MeetingId=meeting_id)


def test_wrong_signature_keeps_its_own_code(chime: ChimeInProcess, client: Any) -> None:
    denial = Denial("InvalidSignatureException", "The request signature does not match.")
    chime.control_plane.denials["chime:CreateMeeting"] = denial
    with pytest.raises(ClientError) as error:
        create(client)
    assert code(error) == ("InvalidSignatureException", 403)


@pytest.mark.aws("Chime SDK developer guide, sdk-available-regions.html")
def test_meeting_is_unknown_in_every_other_region(chime: ChimeInProcess, client: Any) -> None:
    meeting_id = create(client)["MeetingId"]
    elsewhere = chime.client("us-west-2")
    with pytest.raises(elsewhere.exceptions.NotFoundException) as error:
        elsewhere.create_attendee(MeetingId=meeting_id, ExternalUserId="alice")
    assert code(error) == ("NotFoundException", 404)
    elsewhere.delete_meeting(MeetingId=meeting_id)
    assert client.get_meeting(MeetingId=meeting_id)


@pytest.mark.difference(
    "Chime SDK meetings",
    aws="attendees connect to the URLs of a meeting",
    here="the URLs have AWS's form, but no media server knows the meeting; attendance can be simulated with `local chime attend`",
)
@pytest.mark.aws("Chime SDK developer guide, create-mtgs.html")
@pytest.mark.parametrize(("age_s", "lives"), [(299, True), (300, False)])
def test_meeting_that_nobody_joins_ends_after_five_minutes(
    chime: ChimeInProcess, client: Any, age_s: int, lives: bool
) -> None:
    meeting_id = create(client)["MeetingId"]
    chime.clock.advance(age_s)
    if lives:
        assert client.get_meeting(MeetingId=meeting_id)
    else:
        with pytest.raises(client.exceptions.NotFoundException):
            client.get_meeting(MeetingId=meeting_id)


@pytest.mark.aws("Chime SDK developer guide, create-mtgs.html")
def test_deleted_meeting_is_gone_and_deleting_again_succeeds(client: Any) -> None:
    meeting_id = create(client)["MeetingId"]
    for _ in range(2):
        answer = client.delete_meeting(MeetingId=meeting_id)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(client.exceptions.NotFoundException):
        client.list_attendees(MeetingId=meeting_id)


@pytest.mark.aws("AWS General Reference, chime-sdk.html")
def test_full_account_is_limit_exceeded_until_a_meeting_ends(chime: ChimeInProcess, client: Any) -> None:
    first = create(client)["MeetingId"]
    for _ in range(249):
        chime.clock.advance(0.1)
        create(client)
    chime.clock.advance(10)
    with pytest.raises(client.exceptions.LimitExceededException) as error:
        create(client)
    assert code(error) == ("LimitExceededException", 400)
    assert create(chime.client("eu-west-2")), "the quota counts per Region"
    client.delete_meeting(MeetingId=first)
    assert create(client)


@pytest.mark.aws("AWS General Reference, chime-sdk.html")
def test_calls_beyond_burst_are_throttled_until_the_bucket_refills(
    chime: ChimeInProcess, client: Any
) -> None:
    meeting_id = create(client)["MeetingId"]
    for _ in range(20):
        client.get_meeting(MeetingId=meeting_id)
    with pytest.raises(client.exceptions.ThrottlingException) as error:
        client.get_meeting(MeetingId=meeting_id)
    assert code(error) == ("ThrottlingException", 429)
    assert client.list_attendees(MeetingId=meeting_id), "every operation has its own bucket"
    chime.clock.advance(0.15)
    assert client.get_meeting(MeetingId=meeting_id)
    with pytest.raises(client.exceptions.ThrottlingException):
        client.get_meeting(MeetingId=meeting_id)


@pytest.mark.aws("Chime SDK developer guide, media-replication.html")
def test_replica_ends_with_its_primary(client: Any) -> None:
    primary = create(client)["MeetingId"]
    replica = create(client, PrimaryMeetingId=primary)
    assert replica["PrimaryMeetingId"] == primary
    with pytest.raises(client.exceptions.BadRequestException):
        create(client, PrimaryMeetingId=replica["MeetingId"])
    for _ in range(3):
        create(client, PrimaryMeetingId=primary)
    with pytest.raises(client.exceptions.LimitExceededException):
        create(client, PrimaryMeetingId=primary)
    client.delete_meeting(MeetingId=primary)
    with pytest.raises(client.exceptions.NotFoundException):
        client.get_meeting(MeetingId=replica["MeetingId"])
