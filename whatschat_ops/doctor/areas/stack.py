"""The account, and the stack as a whole: credentials, Region, what is there and what differs from the settings."""

from __future__ import annotations

from typing import Final

from whatschat_ops.doctor.check import Check, Finding, fail, ok
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import PROVISION

CREDENTIALS: Final = "ST001"
STATUS: Final = "ST004"
PROVISIONED: Final = "ST005"


def credentials(facts: Facts) -> Finding:
    """AWS accepts the credentials."""
    return ok(f"The caller is {facts.caller}, in {facts.settings.aws.region}.")


def status(facts: Facts) -> Finding:
    """The state of every resource can be read."""
    return ok(f"The state of {len(facts.status.resources)} resources was read.")


def provisioned(facts: Facts) -> Finding:
    """Something of the stack is there."""
    found = facts.status
    if not found.provisioned:
        return fail(f"The stack {found.stack} is not provisioned in {facts.aws.region}.", PROVISION)
    return ok(f"The stack {found.stack} is in {facts.aws.region}.")


CHECKS: Final = (
    Check(
        CREDENTIALS,
        "stack.credentials",
        "Does AWS accept the credentials?",
        credentials,
        actions=("sts:GetCallerIdentity",),
    ),
    Check(STATUS, "stack.status", "Can the state of every resource be read?", status, causes=(CREDENTIALS,)),
    Check(PROVISIONED, "stack.provisioned", "Is the stack provisioned?", provisioned, causes=(STATUS,)),
)
