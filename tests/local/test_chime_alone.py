"""`python -m whatschat_ops.local.chime`: the Chime service without the rest of the embedded AWS."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.credentials
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.chime_clients.alone import PROGRAM, alone
from whatschat_ops.handlers.signing import Credentials, signed_headers
from whatschat_ops.local.chime import signatures
from whatschat_ops.local.chime.signatures import OneKey
from whatschat_ops.local.interfaces import HttpRequest


def client(endpoint: str, secret: str = "test", key: str = "test") -> Any:
    return boto3.client(
        "chime-sdk-meetings",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_service_serves_keeps_and_ends_cleanly(tmp_path: Path) -> None:
    state = tmp_path / "meetings.sqlite3"
    with alone("--state", str(state)) as (process, endpoint):
        made = client(endpoint).create_meeting(ExternalMeetingId="alone-1", MediaRegion="eu-central-1")[
            "Meeting"
        ]
        for secret, key, code in (
            ("wrong", "test", "InvalidSignatureException"),
            ("test", "other", "UnrecognizedClientException"),
        ):
            with pytest.raises(ClientError) as error:
                client(endpoint, secret, key).get_meeting(MeetingId=made["MeetingId"])
            assert error.value.response["Error"]["Code"] == code
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    [event] = [json.loads(line) for line in stdout.splitlines()]
    assert (event["source"], event["detail"]["eventType"]) == ("aws.chime", "chime:MeetingStarted")
    assert event["detail"]["meetingId"] == made["MeetingId"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["meetings.sqlite3"]
    with alone("--state", str(state)) as (_, endpoint):
        assert client(endpoint).get_meeting(MeetingId=made["MeetingId"])["Meeting"] == made


def test_help_says_how_to_call_it_and_a_taken_port_is_an_error() -> None:
    page = subprocess.run(
        [*PROGRAM, "--help"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    for text in ("--port", "--state FILE", "--secret-access-key", "http://127.0.0.1:4580"):
        assert text in page
    with alone() as (_, endpoint):
        second = subprocess.run(
            [*PROGRAM, "--port", endpoint.rpartition(":")[2]],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert second.returncode == 1
    assert second.stderr.startswith("Error: ") and "Traceback" not in second.stderr


NOW_S = 1_790_000_000.0
KEY = Credentials("test", "test")


def signed(
    epoch_s: float = NOW_S, service: str = "chime", path: str = "/meetings", changes: Mapping[str, str] = {}
) -> HttpRequest:
    headers = signed_headers(
        KEY, "us-east-1", service, path=path, headers={"host": "chime.test"}, body=b"{}", epoch_s=epoch_s
    )
    named = {**headers, **changes}
    pairs = tuple((name.encode(), value.encode()) for name, value in named.items() if value)
    return HttpRequest("POST", path, "", pairs, b"{}", "127.0.0.1")


def verdict(request: HttpRequest) -> str | None:
    denial = OneKey(botocore.credentials.Credentials("test", "test"), lambda: NOW_S).authorize(
        request, "chime", "chime:CreateMeeting", "*"
    )
    return denial.code if denial else None


@pytest.mark.aws("IAM User Guide, AWS Signature Version 4 for API requests")
@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (signed(), None),
        (signed(NOW_S - signatures.LATEST_S), None),
        (signed(NOW_S - signatures.LATEST_S - 1), "InvalidSignatureException"),
        (signed(NOW_S + signatures.LATEST_S + 1), "InvalidSignatureException"),
        (signed(service="s3"), "InvalidSignatureException"),
        (signed(changes={"host": "other.test"}), "InvalidSignatureException"),
        (signed(changes={"authorization": ""}), "MissingAuthenticationTokenException"),
        (signed(changes={"authorization": "Bearer x"}), "IncompleteSignatureException"),
        (signed(changes={"x-amz-date": "99999999T999999Z"}), "InvalidSignatureException"),
        (signed(changes={"x-amz-date": ""}), "IncompleteSignatureException"),
    ],
)
def test_signature_is_checked(request_: HttpRequest, code: str | None) -> None:
    assert verdict(request_) == code
