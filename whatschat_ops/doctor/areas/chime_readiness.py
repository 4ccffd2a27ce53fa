"""Whether meetings can be held: the media Region, the quotas of the account, the way to the media servers, and a meeting that is made.

The names of the network checks are those of amazon-chime-sdk-js' MeetingReadinessChecker, which asks in a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from whatschat_ops import quotas
from whatschat_ops.aws import Aws
from whatschat_ops.chime.models import MeetingStatus, Purpose
from whatschat_ops.chime.of_settings import chime_service
from whatschat_ops.chime.reachability import TCP_CHECK, UDP_CHECK, Outcome, Reach, media_endpoints, probe_all
from whatschat_ops.chime.requests import MeetingOptions
from whatschat_ops.config import Settings
from whatschat_ops.doctor.check import Finding, fail, ok, skip, warn
from whatschat_ops.errors import AwsError, Hint, NotFound, OpsError, PermissionDenied
from whatschat_ops.handlers.partitions import partition_of
from whatschat_ops.plurals import counted

CONCURRENT_MEETINGS: Final = "L-9F286451"
CREATE_MEETING_RATE: Final = "L-8A6E3C7B"
"""Codes in Service Quotas, service `chime`."""
NEARLY_FULL: Final = 0.8

_ASK_FOR_MORE: Final = (
    "aws service-quotas request-service-quota-increase --service-code chime "
    f"--quota-code {CONCURRENT_MEETINGS} --desired-value {{wanted}} --region {{region}}"
)
_PROBE: Final = Hint(("chime", "check", "--probe"))


@dataclass(frozen=True, slots=True)
class MeetingProbe:
    """A meeting that was created, read and deleted, and how long each took; `placement` is the API's MediaPlacement."""

    create_ms: float
    get_ms: float
    delete_ms: float
    placement: dict[str, str]


def media_region(settings: Settings) -> Finding:
    """Chime hosts media in that Region, for meetings of the control Region's partition."""
    name, control = settings.chime.media_region, settings.chime.region
    if partition_of(name) != partition_of(control):
        return fail(
            f"{name} cannot host the media of a meeting that is created in {control}: their partitions differ.",
            f"Set AWS_CHIME_MEDIA_REGION={control}",
        )
    return ok(f"Media is hosted in {name}. Whether the account has enabled the Region cannot be asked here.")


def quota(settings: Settings, aws: Aws) -> Finding:
    """There is room for more meetings. Only those in the ledger can be counted."""
    region = settings.chime.region
    limit, source = quota_of(aws, region, CONCURRENT_MEETINGS, quotas.CHIME_MEETINGS)
    rate, _ = quota_of(aws, region, CREATE_MEETING_RATE, quotas.CHIME_API.rate_per_s)
    try:
        records = chime_service(aws, settings).list_meetings(check=False)
    except NotFound:
        return skip(
            f"{source} are {limit:.0f} meetings at once and {rate:g} CreateMeeting a second; "
            "how many are open is not known without the ledger."
        )
    usable = (MeetingStatus.CREATED, MeetingStatus.ACTIVE)
    here = [item for item in records if item.control_region == region and item.status in usable]
    return judge_quota(len(here), limit, rate, source, region)


def judge_quota(open_meetings: int, limit: float, rate_per_s: float, source: str, region: str) -> Finding:
    """What `open_meetings` of the ledger leave of the account's quota."""
    detail = (
        f"The ledger has {counted(open_meetings, 'meeting')} that may be open in {region}. {source} allow {limit:.0f} at once and "
        f"{rate_per_s:g} CreateMeeting a second. Meetings that the application made without the ledger count, too."
    )
    fix = _ASK_FOR_MORE.format(wanted=int(limit * 2), region=region)
    if open_meetings >= limit:
        return fail(detail, fix)
    return warn(detail, fix) if open_meetings >= NEARLY_FULL * limit else ok(detail)


def quota_of(aws: Aws, region: str, code: str, default: float, service: str = "chime") -> tuple[float, str]:
    """A quota of the account, and where it is from."""
    try:
        answer = aws.client("service-quotas", region=region).get_service_quota(
            ServiceCode=service, QuotaCode=code
        )
    except PermissionDenied:
        return default, "AWS's defaults (Service Quotas may not be read)"
    except AwsError as error:
        if error.aws_code != "NoSuchResourceException":
            raise
        return default, "AWS's defaults"
    return float(answer["Quota"]["Value"]), "The quotas of the account"


def hold_meeting(settings: Settings, aws: Aws, clock: Callable[[], float] = perf_counter) -> MeetingProbe:
    """Create, read and delete a meeting. It is deleted whatever happens; raises OpsError."""
    service, by = chime_service(aws, settings), aws.caller_arn
    started = clock()
    meeting = service.create_meeting("chime-check", options=MeetingOptions(purpose=Purpose.TEST))
    created = clock()
    try:
        service.get_meeting(meeting.meeting_id)
        read = clock()
    finally:
        service.delete_meeting(meeting.meeting_id, by=by)
    deleted = clock()
    return MeetingProbe(
        _ms(created - started), _ms(read - created), _ms(deleted - read), dict(meeting.sdk["MediaPlacement"])
    )


def probed(held: MeetingProbe | OpsError | None) -> Finding:
    """A meeting could be created, read and deleted."""
    if held is None:
        return Finding(*_not_asked("No meeting was created."))
    if isinstance(held, OpsError):
        raise held
    return ok(
        f"A meeting was created in {held.create_ms:g} ms, read in {held.get_ms:g} ms and deleted in {held.delete_ms:g} ms."
    )


def network(check: str, aws: Aws, region: str, held: MeetingProbe | OpsError | None) -> Finding:
    """This machine reaches the media servers of the meeting that was made, over UDP or TCP."""
    endpoint_url = aws.client("chime-sdk-meetings", region=region).meta.endpoint_url
    if not _is_aws(endpoint_url):
        return skip(f"{endpoint_url} is not AWS: there are no media servers behind it.")
    if not isinstance(held, MeetingProbe):
        return Finding(*_not_asked("The media servers are known from a meeting only."))
    return judge_reach(
        check, probe_all([item for item in media_endpoints(held.placement) if item.check == check])
    )


def judge_reach(check: str, reaches: Sequence[Reach]) -> Finding:
    """What the probes of one check say together."""
    detail = "; ".join(map(_words, reaches)) or "The meeting names no such server"
    missing = [reach for reach in reaches if reach.outcome is not Outcome.REACHABLE]
    if reaches and not missing:
        return ok(f"{detail}.")
    if check == UDP_CHECK:
        return warn(
            f"{detail}. Silence may also mean that the audio host does not answer STUN, which no page says. "
            "Without UDP, media goes over TCP 443, with poorer video.",
            "Allow UDP 3478 to 99.77.128.0/18 (*.chime.aws).",
        )
    return fail(f"{detail}.", "Allow TCP 443 to *.chime.aws, *.sdkassets.chime.aws and *.amazonaws.com.")


def _words(reach: Reach) -> str:
    endpoint = reach.endpoint
    where = f"{endpoint.field} {endpoint.host}:{endpoint.port}"
    if reach.outcome is Outcome.REACHABLE:
        return f"{where} answers in {reach.duration_ms:g} ms"
    return f"{where}: {reach.detail}"


def _not_asked(why: str) -> tuple[Any, str, Hint]:
    finding = skip(why)
    return finding.status, finding.detail, _PROBE


def _is_aws(endpoint_url: str) -> bool:
    host = urlsplit(endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".api.aws"))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


NETWORK_CHECKS: Final = (UDP_CHECK, TCP_CHECK)
