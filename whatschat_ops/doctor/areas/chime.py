"""Items 5 to 8 of the guide: credentials, IAM, the Region, the ledger of meetings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.chime.creation import UNATTENDED
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.models import MeetingRecord, MeetingStatus
from whatschat_ops.chime.sweeping import Selection
from whatschat_ops.config import Settings
from whatschat_ops.doctor.areas import chime_readiness as readiness
from whatschat_ops.doctor.areas.stack import CREDENTIALS, THERE
from whatschat_ops.doctor.check import Check, Finding, fail, judge_permissions, of, ok, skip, warn
from whatschat_ops.doctor.drift import drift_check
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import Hint, NotFound, PermissionDenied, Unavailable, UsageError
from whatschat_ops.plurals import counted
from whatschat_ops.quotas import CHIME_CONTROL_REGIONS
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_check import check_permissions, principal_of
from whatschat_ops.stack.policies import policy_of

NO_SUCH_MEETING = "00000000-0000-0000-0000-000000000000"
FORGOTTEN: Final = timedelta(hours=1)
"""No test lasts longer."""
_MOST_SHOWN: Final = 5


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


def meetings(facts: Facts) -> Finding:
    """No meeting in the ledger failed to start. A missing table is an OpsError."""
    return judge_ledger(_ledger(facts), facts.now)


def _ledger(facts: Facts) -> Sequence[MeetingRecord]:
    ledger = MeetingLedger(facts.aws.client("dynamodb"), facts.names.ledger_table)
    return facts.once("ledger", ledger.records)


def leftovers(facts: Facts) -> Finding:
    """No meeting of a test was left open."""
    return judge_leftovers(_ledger(facts), facts.now)


def judge_leftovers(records: Sequence[MeetingRecord], now: datetime) -> Finding:
    """What the ledger says about meetings that a sweep would delete, and that are older than an hour."""
    wanted = Selection(older_than=FORGOTTEN)
    left = [each for each in records if not each.status.over and wanted.keeps(each, now) is None]
    if not left:
        return ok("No meeting of a test was left open.")
    names = ", ".join(sorted(each.external_meeting_id for each in left)[:_MOST_SHOWN])
    oldest = min(each.created_at for each in left)
    return warn(
        f"{counted(len(left), 'meeting')} of tests may be open since {oldest:%Y-%m-%d %H:%M} UTC: {names}.",
        Hint(("chime", "meeting", "sweep")),
        f"ledger: purpose {left[0].purpose}, status {left[0].status}",
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
    return ok(f"The ledger has {counted(len(records) - len(pending), 'meeting')}; none failed to start.")


_SIGNED: Final = (CREDENTIALS,)
LEDGER: Final = "CH003"
CHECKS: Final = (
    Check(
        "CH001",
        "chime.iam",
        "Can the caller create meetings?",
        of(iam),
        _SIGNED,
        actions=("iam:SimulatePrincipalPolicy",),
        meaning="The caller's policies do not allow the operations of Chime SDK meetings (service prefix chime).",
        fix=Hint(("iam", "check", "chime")),
    ),
    Check(
        "CH002",
        "chime.region",
        "Is the Chime SDK available in the Region?",
        of(region),
        _SIGNED,
        actions=("chime:GetMeeting",),
        meaning="chime.region is no control Region, or its endpoint does not answer.",
        fix=Hint(text="Set chime.region (AWS_CHIME_REGION) to a control Region"),
    ),
    Check(
        LEDGER,
        "chime.meetings",
        "Did all meetings start?",
        meetings,
        THERE,
        actions=("dynamodb:Scan",),
        watches=("table.meetings:",),
        meaning="A meeting was written into the ledger, and Chime's answer never came: it may exist, and cost money.",
        fix=Hint(("chime", "meeting", "list")),
    ),
    Check(
        "CH004",
        "chime.leftovers",
        "Were no meetings of tests left open?",
        leftovers,
        (*THERE, LEDGER),
        actions=("dynamodb:Scan",),
        meaning="A test ended without deleting its meeting. Chime ends it by itself when no attendee is connected for five minutes.",
        fix=Hint(("chime", "meeting", "sweep")),
    ),
    drift_check(
        "CH005",
        "chime.events",
        "Are the events of meetings written?",
        ("event_rule.chime-events*", "log_group.chime-events*:resource_policy"),
        "The rule for the events of meetings is as the settings want it.",
        "The events of meetings are not written as the settings want it",
        THERE,
        "With chime.events, a rule of EventBridge writes the events of meetings to a log group; without it no minutes are measured.",
    ),
    Check(
        "CH010",
        "chime.media-region",
        "Can the Region host media?",
        lambda facts: readiness.media_region(facts.settings),
        meaning="Control and media Region are in different partitions (AWS, China, GovCloud).",
        fix=Hint(text="Set chime.media_region (AWS_CHIME_MEDIA_REGION)"),
    ),
    Check(
        "CH011",
        "chime.quota",
        "Is there room for more meetings?",
        of(readiness.quota),
        (*THERE, LEDGER),
        actions=("servicequotas:GetServiceQuota", "dynamodb:Scan"),
        meaning="The account has as many meetings at once as its quota allows, as far as the ledger knows.",
        fix=Hint(("chime", "meeting", "sweep")),
    ),
)
