"""Items 5-8 of the guide: credentials, IAM, the Region, the log of meetings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.settings import CHIME_CONTROL_REGIONS
from whatschat_ops.doctor.check import Finding, fail, ok, skip, warn
from whatschat_ops.doctor.permissions import denied_actions, policy_source_arn
from whatschat_ops.errors import NotFound, PermissionDenied, Unavailable

ACTIONS = (
    "chime:CreateMeeting",
    "chime:GetMeeting",
    "chime:DeleteMeeting",
    "chime:CreateAttendee",
    "chime:DeleteAttendee",
    "chime:BatchCreateAttendee",
    "chime:ListAttendees",
)
"""What the guide's policy allows (its chapter "Chime SDK Setup", IAM Permissions)."""

NO_SUCH_MEETING = "00000000-0000-0000-0000-000000000000"
PENDING_AFTER = timedelta(minutes=5)


def credentials(settings: Settings, aws: Aws) -> Finding:
    """Somebody accepts our credentials, and we know who we are."""
    identity = aws.client("sts").get_caller_identity()
    return ok(f"We are {identity['Arn']} in {settings.chime.region}.")


def iam(settings: Settings, aws: Aws) -> Finding:
    """The caller's own policies allow what calls need."""
    if not settings.chime.enabled:
        return skip("Chime is switched off (chime.enabled, AWS_CHIME_ENABLED).")
    identity = aws.client("sts").get_caller_identity()
    principal = policy_source_arn(identity["Arn"])
    if principal is None:
        return warn(
            "We are the root of the account, which may do everything.", "Work as a user or a role instead."
        )
    meeting = f"arn:aws:chime:{settings.chime.region}:{identity['Account']}:meeting/{NO_SUCH_MEETING}"
    needs = {action: "*" if action == "chime:CreateMeeting" else meeting for action in ACTIONS}
    try:
        denied = denied_actions(aws, principal, needs)
    except PermissionDenied as error:
        return skip(
            f"We may not ask IAM: {error.message}",
            "Ask for iam:SimulatePrincipalPolicy, or read the policies in the console.",
        )
    if denied:
        return fail(
            f"{principal} may not: {', '.join(denied)}.",
            f"whatschat-ops iam attach chime --{_option(principal)}",
        )
    return ok(f"{principal} may use all {len(ACTIONS)} actions of the guide.")


def _option(principal_arn: str) -> str:
    kind, _, name = principal_arn.rpartition(":")[2].partition("/")
    return f"{kind} {name.rpartition('/')[2]}"


def region(settings: Settings, aws: Aws) -> Finding:
    """The Region has a Chime SDK Meetings endpoint that answers us (a meeting that cannot exist: NotFound)."""
    name = settings.chime.region
    if name not in CHIME_CONTROL_REGIONS:
        return fail(
            f"{name} has no Chime SDK Meetings endpoint.",
            f"Set AWS_CHIME_REGION to one of {', '.join(CHIME_CONTROL_REGIONS)}",
        )
    try:
        aws.client("chime-sdk-meetings", region=name).get_meeting(MeetingId=NO_SUCH_MEETING)
    except (NotFound, PermissionDenied):
        return ok(f"Chime SDK Meetings answers in {name}; media is in {settings.chime.media_region}.")
    except Unavailable as error:
        return fail(
            f"Chime SDK Meetings does not answer in {name}: {error.message}",
            "Check the network, or set AWS_CHIME_REGION to another Region.",
        )
    return ok(f"Chime SDK Meetings answers in {name}.")


def meetings(settings: Settings, aws: Aws) -> Finding:
    """The ledger has no meeting that was begun and never made."""
    table = Names(settings).ledger_table
    try:
        pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        rows = [row for page in pages for row in page["Items"]]
    except NotFound:
        return fail(
            f"There is no ledger of meetings: the table {table} does not exist.", "whatschat-ops provision"
        )
    return judge_ledger(rows, datetime.now(UTC))


def judge_ledger(rows: Sequence[Mapping[str, Any]], now: datetime) -> Finding:
    """What the ledger's rows (DynamoDB JSON) say about meetings that failed to start."""
    pending = [row for row in rows if row["meetingId"]["S"].startswith("pending#")]
    stuck = [row for row in pending if now - datetime.fromisoformat(row["createdAt"]["S"]) > PENDING_AFTER]
    if stuck:
        names = ", ".join(sorted(row["externalMeetingId"]["S"] for row in stuck))
        return warn(
            f"{len(stuck)} of {len(rows)} meetings were begun and never made: {names}.",
            "whatschat-ops chime meeting list  # asks Chime, and settles them",
        )
    return ok(f"The ledger has {len(rows) - len(pending)} meetings, and none that failed to start.")
