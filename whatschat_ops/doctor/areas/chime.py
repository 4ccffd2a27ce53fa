"""Items 5-8 of the guide: credentials, IAM, the Region, the log of meetings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.settings import CHIME_CONTROL_REGIONS
from whatschat_ops.doctor.check import Finding, fail, judge_permissions, ok, skip, warn
from whatschat_ops.errors import PROVISION_HINT, NotFound, PermissionDenied, Unavailable, UsageError
from whatschat_ops.quotas import CHIME_UNATTENDED_S
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_check import check_permissions, principal_of
from whatschat_ops.stack.policies import policy_of

NO_SUCH_MEETING = "00000000-0000-0000-0000-000000000000"
PENDING_AFTER = timedelta(seconds=CHIME_UNATTENDED_S)


def credentials(settings: Settings, aws: Aws) -> Finding:
    """Somebody accepts our credentials, and we know who we are."""
    return ok(f"We are {aws.caller_arn} in {settings.chime.region}.")


def iam(settings: Settings, aws: Aws) -> Finding:
    """The caller's own policies allow what calls need."""
    if not settings.chime.enabled:
        return skip("Chime is switched off (chime.enabled, AWS_CHIME_ENABLED).")
    caller = aws.caller_arn
    if caller.endswith(":root"):
        return warn(
            "We are the root of the account, which may do everything.", "Work as a user or a role instead."
        )
    document = policy_of("chime", settings, Place(aws.region, aws.account_id), "*")
    try:
        principal = principal_of(caller)
        # GetCallerIdentity names a user in full; of a role it leaves the path out, which IAM has to be asked for.
        arn = caller if principal.type == "user" else None
        found = check_permissions(aws, "chime", principal, document, arn=arn)
    except UsageError as error:
        return skip(error.message)
    except PermissionDenied as error:
        return skip(
            error.message, "Ask for iam:SimulatePrincipalPolicy, or read the policies in the console."
        )
    return judge_permissions(found, f"whatschat-ops iam attach chime --{principal.type} {principal.name}")


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
        return fail(f"There is no ledger of meetings: the table {table} does not exist.", PROVISION_HINT)
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
