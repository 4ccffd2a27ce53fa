"""`explain`: pasted texts and codes lead to their entry, whatever ids they hold; what the entries advise exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.in_process import run
from tests.unit.cli.test_hints import problem_of
from whatschat_ops.explain import entries, search
from whatschat_ops.explain.matching import words

ROOT = Path(__file__).parents[3]
KNOWN = entries()

PASTED = [
    ("CloudWatch Logs role ARN must be set in account settings to enable logging", "log-role"),
    ("BadRequestException: CloudWatch Logs role ARN must be set in account settings to enable logging (Service: ApiGateway; Status Code: 400; Request ID: 6c1)", "log-role"),
    ("GoneException", "gone"),
    ("botocore.errorfactory.GoneException: An error occurred (GoneException) when calling the PostToConnection operation: None", "gone"),
    ('{"errorMessage": "GoneException: 410", "trace": []}', "gone"),
    ("error posting: UnknownError 410", "gone"),
    ('EndpointConnectionError: Could not connect to the endpoint URL: "https://execute-api.eu-central-1.amazonaws.com/@connections/QKmZyfnIIAMCIGw%3D"', "enotfound"),
    ("No method found matching route test0/@connections/PxWP8cfSDoECFYw= for http method POST.", "no-method-found"),
    ("Circular dependency between resources: [ChatApi, OnConnectFunction]", "circular-dependency"),
    ("error: Unexpected server response: 403", "handshake-403"),
    ("error: Unexpected server response: 500", "handshake-500"),
    ("Error: Unexpected server response: 502\n    at ClientRequest.<anonymous> (/app/node_modules/ws/lib/websocket.js:595:7)", "handshake-502"),
    ("websockets.exceptions.InvalidStatus: server rejected WebSocket connection: HTTP 401", "handshake-401"),
    ("WebSocket connection to 'wss://a1.execute-api.us-east-1.amazonaws.com/dev' failed: Error during WebSocket handshake: Unexpected response code: 403", "handshake-403"),
    ('{"message": "Internal server error", "connectionId":"QKmZyfnIIAMCIGw=", "requestId":"QKmZzGXooAMFyGA="}', "ws-internal-server-error"),
    ('{"message": "Forbidden", "connectionId":"QKmZyfnIIAMCIGw=", "requestId":"QKmZzGXooAMFyGA="}', "ws-forbidden"),
    ('{"message":"Missing Authentication Token"}', "missing-authentication-token"),
    ("User: arn:aws:sts::123456789012:assumed-role/ws/default is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:********9012:a1/dev/POST/@connections/{connectionId}", "callback-forbidden"),
    ("An error occurred (ForbiddenException) when calling the PostToConnection operation: Forbidden", "callback-forbidden"),
    ("InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda.", "role-not-assumed"),
    ("ResourceConflictException: The operation cannot be performed at this time. An update is in progress for resource: arn:aws:lambda:us-east-1:123456789012:function:x", "update-in-progress"),
    ("LimitExceededException", "limit-exceeded"),
    ("PayloadTooLargeException: 413", "payload-too-large"),
    ("close code 1009", "close-1009"),
    ("WebSocket closed: code=1006, reason=", "close-1006"),
    ('{"eventType":"DISCONNECT","disconnectStatusCode":1001,"disconnectReason":"Going away"}', "close-1001"),
    ("Error: getaddrinfo ENOTFOUND abc123.execute-api.us-east-1.amazonaws.com", "enotfound"),
    ("Error: connect ECONNREFUSED 127.0.0.1:3001", "econnrefused"),
    ("Runtime.ImportModuleError: Error: Cannot find module 'index'\nRequire stack:\n- /var/runtime/index.mjs", "import-module"),
    ("[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'jwt'", "import-module"),
    ("2026-11-12T10:11:12.123Z 5c5a1b1e-aaaa-4bbb-8ccc-123456789012 Task timed out after 10.01 seconds", "task-timed-out"),
    ("Lambda was unable to decrypt the environment variables because KMS access was denied. KMS Exception: UnrecognizedClientException", "kms-denied"),
    ("An error occurred (ParameterNotFound) when calling the GetParameter operation: ", "parameter-not-found"),
    ("Mixed Content: The page at 'https://x' was loaded over HTTPS, but attempted to connect to the insecure WebSocket endpoint 'ws://y'.", "mixed-content"),
    ("NotFoundException: The meeting associated with the specified meeting identifier has ended", "chime-not-found"),
    ("AttributeError: 'ChimeSDKMeetings' object has no attribute 'list_meetings'", "chime-list"),
    ("[MeetingManager audioVideoDidStop] session stopped with code 12", "chime-signaling-bad-request"),
    ("BadRequestException: This operation is not supported, use one of the *-chime* endpoints", "chime-old-endpoint"),
    ("eu-west-1 has no Chime SDK meetings endpoint.", "chime-region"),
    ("1 validation error detected: Value at 'externalUserId' failed to satisfy constraint", "chime-ids"),
    ("ThrottledClientException: Too many requests", "chime-throttled"),
    ("LimitExceededException when calling the CreateMeeting operation: Meeting limit reached", "chime-quota"),
    ("4410", "close-chime-4410"),
    ("4001", "close-application"),
    ("3001", "close-registered"),
    ("1016", "close-reserved"),
    ("The stack is being changed by arn:aws:iam::1:user/bob since 10:02.", "ours-locked"),
    ("The stack whatschat-dev is not provisioned: there is no WebSocket API x with its tag in us-east-1.", "ours-not-provisioned"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key"), PASTED)
def test_a_pasted_text_or_code_leads_to_its_explanation(text: str, key: str) -> None:
    found = search(text, KNOWN)
    assert found
    assert (found[0].key, found[0].sure) == (key, True)


def test_every_text_and_code_of_an_entry_finds_it() -> None:
    lost = [
        (key, text)
        for key, entry in KNOWN.items()
        for text in (*entry.codes, *(text.replace("*", "x") for text in entry.texts))
        if not re.fullmatch(r"\d+-\d+", text)
        and key not in [item.key for item in search(text, KNOWN) if item.sure]
    ]
    assert lost == []


def test_every_close_code_of_the_protocol_has_an_explanation() -> None:
    found = {code: search(str(code), KNOWN) for code in (*range(1000, 1016), 2999, 3000, 3999, 4000, 4999)}
    assert [code for code, items in found.items() if not items or not items[0].key.startswith("close-")] == []


def test_ids_times_and_addresses_do_not_matter() -> None:
    first = 'ERROR 2026-11-12T10:11:12Z {"requestId": "5c5a1b1e-aaaa-4bbb-8ccc-123456789012"} arn:aws:lambda:us-east-1:123456789012:function:a failed'
    other = 'ERROR 2025-01-02 03:04:05 {"requestId": "00000000-1111-4222-8333-444444444444"} arn:aws:lambda:eu-west-1:999999999999:function:b failed'
    assert words(first) == words(other) == ("error", "requestid", "failed")


def test_a_number_in_a_sentence_is_no_code() -> None:
    assert not [item for item in search("we sent 1006 messages to 410 users yesterday", KNOWN) if item.sure]


def test_an_explanation_gives_causes_the_next_command_and_a_source() -> None:
    done = run("explain", "--json", "error:", "Unexpected", "server", "response:", "403")
    shown = json.loads(done.stdout)
    assert done.code == 0
    assert shown["key"] == "handshake-403"
    assert "stage is missing" in shown["causes"][0]
    assert shown["fix"].endswith("ws endpoint --explain")
    assert shown["sources"][0].startswith("https://docs.aws.amazon.com/")
    assert all(other["key"] in KNOWN for other in shown["others"])


def test_the_next_command_leads_to_the_environment() -> None:
    assert "-e staging ws connect --user alice --verbose" in run("explain", "1006", "-e", "staging").stdout


def test_standard_input_is_read() -> None:
    assert "Close code 1006" in run("explain", "-", stdin=b"socket closed, code 1006\n").stdout


def test_an_unknown_text_ends_with_1_and_names_the_nearest() -> None:
    done = run("explain", "--json", "goneexeption")
    error = json.loads(done.stdout)["error"]
    assert (done.code, error["code"], error["argv"][-1]) == (1, "not_found", "gone")
    assert "GoneException (410)" in error["message"]


def test_nothing_near_is_said_without_repeating_the_text() -> None:
    done = run("explain", "qqqq zzzz hunter2")
    assert done.code == 1
    assert "Nothing is known" in done.stderr
    assert "hunter2" not in done.said


def test_an_empty_text_is_refused() -> None:
    assert run("explain", "-", stdin=b" \n").code == 2


def test_without_a_text_everything_known_is_listed() -> None:
    shown = json.loads(run("explain", "--json").stdout)
    assert [topic["key"] for topic in shown] == list(KNOWN)


@pytest.mark.parametrize("code", ["WS031", "ws031"])
def test_a_code_of_doctor_is_explained_with_its_document(code: str) -> None:
    shown = json.loads(run("explain", "--json", code).stdout)
    assert shown["key"] == "WS031"
    assert shown["causes"][0].startswith("The role has the stack's policies")
    assert shown["sources"] == ["docs/doctor/WS031.md"]
    assert "WS037" in [other["key"] for other in shown["others"]]
    assert run("explain", "WS999").code == 1


def test_a_key_of_the_list_is_explained() -> None:
    assert json.loads(run("explain", "--json", "log-role").stdout)["key"] == "log-role"


def test_every_advised_command_exists() -> None:
    advised = {entry.run for entry in KNOWN.values() if entry.run}
    assert len(advised) > 30
    assert [(line, problem) for line in advised if (problem := problem_of(line.split()))] == []


def test_every_entry_is_whole_and_every_source_an_address_or_a_page() -> None:
    for key, entry in KNOWN.items():
        assert entry.run or entry.advice, key
        assert all(text.endswith((".", ")")) for text in (entry.meaning, *entry.causes)), key
        for source in entry.sources:
            assert source.startswith("https://") or (ROOT / source).is_file(), source


def test_every_text_of_ours_is_still_said_somewhere() -> None:
    source = " ".join(
        " ".join(words(file.read_text(encoding="utf-8"))) for file in (ROOT / "whatschat_ops").rglob("*.py")
    )
    parts = [
        part
        for key, entry in KNOWN.items()
        if key.startswith("ours-")
        for text in entry.texts
        if not re.search(r"Unzipped|RequestEntity", text)  # of Lambda
        for part in re.split(r"[*]", text)
    ]
    assert len(parts) > 15
    assert [part for part in parts if " ".join(words(part)) not in source] == []
