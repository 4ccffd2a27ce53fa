"""What `chime check` concludes: from quotas, from probes of media servers, and from a meeting that was made or not."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.chime.reachability import TCP_CHECK, UDP_CHECK, MediaEndpoint, Outcome, Reach
from whatschat_ops.config import Settings
from whatschat_ops.doctor import Facts, Status, run_checks
from whatschat_ops.doctor.areas import chime_readiness as readiness
from whatschat_ops.doctor.areas.chime_readiness import MeetingProbe, judge_quota, judge_reach
from whatschat_ops.doctor.chime_checks import chime_checks
from whatschat_ops.errors import NotFound, PermissionDenied, Rejected

HERE = "127.0.0.1"


@pytest.mark.parametrize(
    ("open_meetings", "status"),
    [(0, Status.OK), (199, Status.OK), (200, Status.WARN), (250, Status.FAIL), (900, Status.FAIL)],
)
def test_quota_is_judged_by_the_meetings_that_may_be_open(open_meetings: int, status: Status) -> None:
    finding = judge_quota(open_meetings, 250, 10, "The quotas of the account", "us-east-1")
    assert finding.status is status
    assert f"{open_meetings} meetings that may be open in us-east-1" in finding.detail
    assert (finding.fix is None) is (status is Status.OK)
    if finding.fix:
        assert "--quota-code L-9F286451 --desired-value 500 --region us-east-1" in str(finding.fix)


def reach(check: str, outcome: Outcome) -> Reach:
    return Reach(MediaEndpoint(check, "AudioHostUrl", "media.test", 3478), outcome, 12.5, "10.0.0.1", "why")


@pytest.mark.parametrize(
    ("check", "outcomes", "status"),
    [
        (UDP_CHECK, [Outcome.REACHABLE], Status.OK),
        (UDP_CHECK, [Outcome.NO_ANSWER], Status.WARN),
        (UDP_CHECK, [Outcome.REFUSED], Status.WARN),
        (TCP_CHECK, [Outcome.REACHABLE, Outcome.REACHABLE], Status.OK),
        (TCP_CHECK, [Outcome.REACHABLE, Outcome.NO_ANSWER], Status.FAIL),
        (TCP_CHECK, [], Status.FAIL),
    ],
)
def test_reach_is_judged_by_its_worst_server(check: str, outcomes: list[Outcome], status: Status) -> None:
    finding = judge_reach(check, [reach(check, outcome) for outcome in outcomes])
    assert finding.status is status
    if finding.fix:
        assert ("UDP 3478" if check == UDP_CHECK else "TCP 443") in str(finding.fix)


class _Client:
    """A client of AWS's endpoint that answers one operation."""

    def __init__(self, endpoint_url: str, answer: Any = None) -> None:
        self.meta = SimpleNamespace(endpoint_url=endpoint_url, region_name="us-east-1")
        self._answer = answer

    def get_service_quota(self, **_: str) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class _Aws:
    def __init__(self, client: _Client) -> None:
        self._client = client

    def client(self, _service: str, *, region: str) -> _Client:
        return self._client


def placement(udp: socket.socket, tcp: socket.socket) -> dict[str, str]:
    return {
        "AudioHostUrl": f"{HERE}:{udp.getsockname()[1]}",
        "SignalingUrl": f"wss://{HERE}:{tcp.getsockname()[1]}/control/x",
    }


def test_network_checks_ask_the_servers_of_the_meeting() -> None:
    aws: Any = _Aws(_Client("https://meetings-chime.us-east-1.amazonaws.com"))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.create_server((HERE, 0)) as tcp,
    ):
        udp.bind((HERE, 0))
        udp.connect((HERE, 9))  # from then on it refuses what others send
        held = MeetingProbe(1, 2, 3, placement(udp, tcp))
        found = {check: readiness.network(check, aws, "us-east-1", held) for check in (UDP_CHECK, TCP_CHECK)}
    assert (found[UDP_CHECK].status, found[TCP_CHECK].status) == (Status.WARN, Status.OK)
    assert "Connection refused" in found[UDP_CHECK].detail


@pytest.mark.parametrize("held", [None, NotFound("gone")])
def test_network_checks_without_a_meeting_name_the_option(held: NotFound | None) -> None:
    aws: Any = _Aws(_Client("https://meetings-chime.us-east-1.amazonaws.com"))
    finding = readiness.network(UDP_CHECK, aws, "us-east-1", held)
    assert (finding.status, str(finding.fix)) == (Status.SKIP, "whatschat-ops chime check --probe")


def test_endpoint_that_is_not_aws_has_no_media_servers() -> None:
    aws: Any = _Aws(_Client("http://127.0.0.1:4566"))
    finding = readiness.network(UDP_CHECK, aws, "us-east-1", MeetingProbe(1, 2, 3, {}))
    assert finding.status is Status.SKIP
    assert "http://127.0.0.1:4566 is not AWS" in finding.detail


@pytest.mark.parametrize(
    ("answer", "limit", "source"),
    [
        ({"Quota": {"Value": 400.0}}, 400, "The quotas of the account"),
        (Rejected("none", aws_code="NoSuchResourceException"), 250, "AWS's defaults"),
        (PermissionDenied("no"), 250, "AWS's defaults (Service Quotas may not be read)"),
    ],
)
def test_quota_is_the_accounts_or_the_default(answer: Any, limit: float, source: str) -> None:
    aws: Any = _Aws(_Client("https://servicequotas.us-east-1.amazonaws.com", answer))
    assert readiness.quota_of(aws, "us-east-1", readiness.CONCURRENT_MEETINGS, 250) == (limit, source)


def test_media_region_of_another_partition_fails_with_the_variable_to_set() -> None:
    settings = Settings.of({"chime": {"region": "us-gov-west-1", "media_region": "us-east-1"}})
    finding = readiness.media_region(settings)
    assert (finding.status, str(finding.fix)) == (Status.FAIL, "Set AWS_CHIME_MEDIA_REGION=us-gov-west-1")
    assert readiness.media_region(Settings()).status is Status.OK


def test_checks_begin_with_those_of_the_guide() -> None:
    assert [check.name for check in chime_checks()] == [
        "stack.credentials",
        "chime.iam",
        "chime.region",
        "chime.meetings",
        "chime.leftovers",
        "chime.events",
        "chime.media-region",
        "chime.quota",
        "chime.checkNetworkUDPConnectivity",
        "chime.checkNetworkTCPConnectivity",
        "chime.probe",
    ]


def test_meeting_that_could_not_be_made_fails_the_probe_with_its_reason() -> None:
    [check] = [check for check in chime_checks(NotFound("gone")) if check.name == "chime.probe"]
    [result] = run_checks([check], Facts(Settings(), Aws(AwsTarget("us-east-1"))))
    assert (result.status, result.detail) == (Status.FAIL, "gone")
