"""The account, and the stack as a whole: credentials, clock, Region, what is there and what differs from the settings."""

from __future__ import annotations

from typing import Final

from whatschat_ops.doctor.check import Check, Finding, Repair, fail, ok, skip, warn
from whatschat_ops.doctor.drift import drift_of, words_of
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import PROVISION, CredentialsError, Hint
from whatschat_ops.plurals import counted
from whatschat_ops.stack.locking.lease import is_gone

CREDENTIALS: Final = "ST001"
CLOCK: Final = "ST002"
REGION: Final = "ST003"
STATUS: Final = "ST004"
PROVISIONED: Final = "ST005"
LOCK: Final = "ST006"
COMPLETE: Final = "ST007"
CODE: Final = "ST008"
OURS: Final = "ST009"
THERE: Final = (PROVISIONED, LOCK, COMPLETE, OURS)
"""The causes of whatever needs a stack that was provisioned to its end."""

TOKEN_LEEWAY_S: Final = 5
"""A token whose `iat` is further in the future is refused (docs/protocol.md)."""
SIGNATURE_LEEWAY_S: Final = 300
"""AWS accepts a signature within five minutes (IAM user guide, "Troubleshooting SigV4 signing")."""
_STANDING_ALONE: Final = frozenset({"table", "role", "api", "secret", "function"})
"""Kinds that need no other resource of the stack to exist: a loss of three of them is no accident."""

READS_OF_STATUS: Final = (
    "apigateway:GET",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "events:DescribeRule",
    "events:ListTargetsByRule",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListRoles",
    "lambda:GetAlias",
    "lambda:GetFunction",
    "lambda:GetPolicy",
    "lambda:ListTags",
    "lambda:ListVersionsByFunction",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "ssm:GetParameter",
    "tag:GetResources",
)
"""What a plan of the stack asks, events of Chime included; versions are listed when the alias does not say enough.

Without lambda:ListTags, GetFunction leaves the tags out (Lambda API reference), and the functions look like another's.
"""


def clock(facts: Facts) -> Finding:
    """This machine's clock is AWS's."""
    try:
        ahead = facts.clock_ahead_s
    except CredentialsError as error:
        if "clock is" in error.message:
            raise
        return skip("AWS's time is not known without credentials.")
    evidence = f"GetCallerIdentity: header Date, {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead'}"
    if abs(ahead) < TOKEN_LEEWAY_S:
        return ok("This machine's clock agrees with AWS's.")
    said = f"This machine's clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    fix = "Set the clock (for example: sudo timedatectl set-ntp true)"
    if abs(ahead) > SIGNATURE_LEEWAY_S:
        return fail(f"{said}: AWS refuses signatures that are five minutes off.", fix, evidence)
    return warn(f"{said}: new tokens may be refused for some seconds.", fix, evidence)


def credentials(facts: Facts) -> Finding:
    """AWS accepts the credentials."""
    return ok(f"The caller is {facts.caller}, in {facts.aws.region}.")


def code(facts: Facts) -> Finding:
    """The functions' zips can be built from their sources."""
    return ok(f"The code of {len(facts.code)} functions is built.")


def status(facts: Facts) -> Finding:
    """The state of every resource can be read."""
    found = facts.status.resources
    in_sync = sum(each.state == "in sync" for each in found)
    return ok(f"{in_sync} of {len(found)} resources are as the settings want them.")


def region(facts: Facts) -> Finding:
    """The stack is not in other Regions than this one. IAM is global: its roles say where stacks are."""
    found = facts.status
    if found.provisioned:
        return ok(f"The stack {found.stack} is in {facts.aws.region}.")
    here, path = facts.names.iam_path, facts.names.earlier_iam_path
    roles = facts.pages("iam", "list_roles", "Roles", PathPrefix=path)
    others = sorted(
        {role["Path"].removeprefix(path).strip("/") for role in roles if role["Path"] != here} - {""}
    )
    if not others:
        return ok("No other Region has roles of this stack.")
    return fail(
        f"The stack {found.stack} is in {', '.join(others)}, and the settings name {facts.aws.region}.",
        Hint(text=f"Set aws.region (or --region) to {others[0]}."),
        f"ListRoles: Path {path}{others[0]}/",
    )


def provisioned(facts: Facts) -> Finding:
    """Something of the stack is there."""
    found = facts.status
    if not found.provisioned:
        return fail(f"The stack {found.stack} is not provisioned in {facts.aws.region}.", PROVISION)
    return ok(f"The stack {found.stack} is in {facts.aws.region}.")


def lock(facts: Facts) -> Finding:
    """No run that changes the stack was killed halfway, and none is going on."""
    held = facts.lock.held
    if held is None:
        return ok("No run is changing the stack.")
    evidence = f"GetItem {facts.names.lock_table}: holder {held.holder} on {held.host}, since {held.since}"
    if not is_gone(held.process) and held.expires_at > facts.now.timestamp():
        return warn(
            f"Another run ({held.command}) is changing the stack: what follows may be of a moment.",
            "Wait until it is done.",
            evidence,
        )
    missing = [each.address for each in facts.status.resources if each.state == "missing"]
    if missing:
        said = f"A run ({held.command}) was killed: {counted(len(missing), 'resource is', 'resources are')} missing, {missing[0]} among them"
        return fail(f"{said}. The same command continues.", PROVISION, evidence)
    return warn(f"A run ({held.command}) was killed and left its lock.", Hint(("unlock",)), evidence)


def complete(facts: Facts) -> Finding:
    """Not several parts of the stack are missing at once."""
    resources = facts.status.resources
    missing = [each.address for each in resources if each.state == "missing"]
    kinds = {address.partition(".")[0] for address in missing} & _STANDING_ALONE
    if len(kinds) < 3:
        return ok(f"{len(resources) - len(missing)} of {len(resources)} resources are there.")
    return fail(
        f"Provisioning did not come to its end: {len(missing)} of {len(resources)} resources are missing.",
        PROVISION,
        f"status: {', '.join(missing)}",
    )


def ours(facts: Facts) -> Finding:
    """Nothing that the stack needs belongs to another."""
    foreign = [each for each in facts.status.resources if each.state == "not ours"]
    if not foreign:
        return ok("Every resource carries the tag of the stack.")
    first = foreign[0]
    return fail(
        f"{counted(len(foreign), 'resource is', 'resources are')} not of this stack: {first.reason}.",
        Hint(("plan", "--adopt"), "Choose other names with prefix, or see what taking over would do"),
        f"status: {', '.join(each.address for each in foreign)}",
    )


def drift(facts: Facts) -> Finding:
    """Nothing else differs from the settings: what no other check has named."""
    found = [each for each in drift_of(facts.status) if not each.is_of(facts.watched)]
    if not found:
        return ok("Nothing else differs from the settings.")
    where = ", ".join(dict.fromkeys(each.address for each in found))
    said = f"{counted(len(found), 'difference')} from the settings that no other check explains: {where}."
    return fail(said, Hint(PROVISION.argv, "See it with status, then"), f"status: {words_of(found)}")


CHECKS: Final = (
    Check(
        CLOCK,
        "stack.clock",
        "Does the clock agree with AWS's?",
        clock,
        actions=("sts:GetCallerIdentity",),
        meaning="AWS refuses a signature that is five minutes off, and the functions refuse a token from the future.",
        fix=Hint(text="sudo timedatectl set-ntp true"),
    ),
    Check(
        CREDENTIALS,
        "stack.credentials",
        "Does AWS accept the credentials?",
        credentials,
        (CLOCK,),
        actions=("sts:GetCallerIdentity",),
        meaning="There are no credentials, or they are wrong or expired. Without them nothing of the account can be read.",
        fix=Hint(text="aws sso login, or set AWS_PROFILE"),
    ),
    Check(
        CODE,
        "stack.code",
        "Can the functions' code be built?",
        code,
        ("AP001", "AP002"),
        meaning="`lambda.source` names a folder that cannot be packaged; what is deployed cannot be compared with it.",
        fix=Hint(("config", "validate")),
        timeout_s=300,
    ),
    Check(
        STATUS,
        "stack.status",
        "Can the state of every resource be read?",
        status,
        (CREDENTIALS, CODE),
        actions=READS_OF_STATUS,
        meaning="A service does not answer, or the caller may not read a resource: most checks rest on this one.",
        fix=Hint(("status",)),
        timeout_s=30,
    ),
    Check(
        REGION,
        "stack.region",
        "Do the settings name the stack's Region?",
        region,
        (STATUS,),
        actions=("iam:ListRoles",),
        meaning="The stack was provisioned in another Region. IAM knows its roles in every Region, and their path names it.",
        fix=Hint(text="Set aws.region, AWS_REGION or --region"),
    ),
    Check(
        PROVISIONED,
        "stack.provisioned",
        "Is the stack provisioned?",
        provisioned,
        (STATUS, REGION),
        meaning="Nothing of the stack is in this account and Region: it was never provisioned, or the prefix or environment is another.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    Check(
        LOCK,
        "stack.lock",
        "Did every run that changes the stack end?",
        lock,
        (PROVISIONED,),
        actions=("dynamodb:GetItem",),
        watches=("*:",),
        meaning="`provision` or `destroy` was killed: its lock is still there, and the stack may be half made.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    Check(
        COMPLETE,
        "stack.complete",
        "Did provisioning come to its end?",
        complete,
        (LOCK,),
        watches=("*",),
        meaning="Tables, roles, functions or the API are missing together: provisioning failed halfway, or the stack was deleted by hand.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    Check(
        OURS,
        "stack.ours",
        "Does all of it belong to this stack?",
        ours,
        (PROVISIONED,),
        watches=("*:",),
        meaning="A resource with the stack's name exists and does not carry its tag: another stack's, or made by hand.",
        fix=Hint(("plan", "--adopt")),
    ),
    Check(
        "ST010",
        "stack.drift",
        "Is everything else as the settings want it?",
        drift,
        THERE,
        meaning="`status` finds differences that no other check explains: tags, retention, protection, or settings that were not applied.",
        fix=PROVISION,
        repair=Repair.PROVISION,
        last=True,
    ),
)
