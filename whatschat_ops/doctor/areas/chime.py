"""Items 5 to 8 of the guide: credentials, IAM, the Region, the ledger of meetings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.chime.creation import UNATTENDED
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.config import Names, Settings
from whatschat_ops.doctor.areas.stack import CREDENTIALS, THERE
from whatschat_ops.doctor.check import Check, Finding, fail, judge_permissions, of, ok, skip, warn
from whatschat_ops.errors import Hint, NotFound, PermissionDenied, Unavailable, UsageError
from whatschat_ops.quotas import CHIME_CONTROL_REGIONS
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_check import check_permissions, principal_of
from whatschat_ops.stack.policies import policy_of

NO_SUCH_MEETING = "00000000-0000-0000-0000-000000000000"


def iam(settings: Settings, aws: Aws) -> Finding:
    """The caller's policies allow the calls of `chime`."""
    if not settings.chime.enabled:
        return skip("Chime is disabled (chime.enabled, AWS_CHIME_ENABLED).")
    caller = aws.caller_arn
    if caller.endswith(":root"):
        return warn(
            "The caller is the root user of the account, which has all permissions.",
            "Use an IAM user or role instead.",
        )
    document = policy_of("chime", settings, Place(aws.region, aws.account_id), "*")
    try:
        principal = principal_of(caller)
        # GetCallerIdentity names a user in full; of a role it omits the path, which IAM has to be asked for.
        arn = caller if principal.type == "user" else None
        found = check_permissions(aws, "chime", principal, document, arn=arn)
    except UsageError as error:
        return skip(error.message)
    except PermissionDenied as error:
        return skip(
            error.message, "Get iam:SimulatePrincipalPolicy allowed, or read the policies in the console."
        )
    return judge_permissions(found, Hint(("iam", "attach", "chime", f"--{principal.type}", principal.name)))


def region(settings: Settings, aws: Aws) -> Finding:
    """The Region has a Chime SDK meetings endpoint, and it responds (NotFound for a meeting that cannot exist)."""
    name = settings.chime.region
    if name not in CHIME_CONTROL_REGIONS:
        return fail(
            f"{name} has no Chime SDK meetings endpoint.",
            f"Set AWS_CHIME_REGION to one of {', '.join(CHIME_CONTROL_REGIONS)}",
        )
    try:
        aws.client("chime-sdk-meetings", region=name).get_meeting(MeetingId=NO_SUCH_MEETING)
    except (NotFound, PermissionDenied):
        return ok(f"Chime SDK meetings responds in {name}; media is in {settings.chime.media_region}.")
    except Unavailable as error:
        return fail(
            f"Chime SDK meetings does not respond in {name}: {error.message}",
            "Check the network, or set AWS_CHIME_REGION to another Region.",
        )
    return ok(f"Chime SDK meetings responds in {name}.")


def meetings(settings: Settings, aws: Aws) -> Finding:
    """No meeting in the ledger failed to start. A missing table is an OpsError."""
    return judge_ledger(
        MeetingLedger(aws.client("dynamodb"), Names(settings).ledger_table).records(), datetime.now(UTC)
    )


def judge_ledger(records: Sequence[MeetingRecord], now: datetime) -> Finding:
    """What the ledger says about meetings that failed to start."""
    pending = [record for record in records if record.status is MeetingStatus.PENDING]
    stuck = [record for record in pending if now - record.created_at > UNATTENDED]
    if stuck:
        names = ", ".join(sorted(record.external_meeting_id for record in stuck))
        return warn(
            f"{len(stuck)} of {len(records)} meetings failed to start: {names}.",
            Hint(("chime", "meeting", "list"), "It asks Chime for them again"),
        )
    count = len(records) - len(pending)
    return ok(f"The ledger has {count} meeting{'' if count == 1 else 's'}; none failed to start.")


_SIGNED: Final = (CREDENTIALS,)
CHECKS: Final = (
    Check("CH001", "chime.iam", "Can the caller create meetings?", of(iam), _SIGNED),
    Check("CH002", "chime.region", "Is the Chime SDK available in the Region?", of(region), _SIGNED),
    Check("CH003", "chime.meetings", "Did meetings fail to start?", of(meetings), THERE),
)
