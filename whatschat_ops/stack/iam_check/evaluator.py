"""What policy documents say about an action on a resource, read by ourselves. Pure.

IAM user guide, "Policy evaluation logic": an explicit Deny wins, then an Allow is needed, and without one everything is
denied. What a Condition or a policy variable decides is known only at the time of a request: then the answer is
UNKNOWN. Principals and service control policies are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from whatschat_ops.stack.iam_check.wildcards import covers, overlaps
from whatschat_ops.stack.iam_documents import PASSED_TO

VARIABLE = re.compile(r"\$\{[^}]*\}")
USERNAME = "${aws:username}"


class Decision(StrEnum):
    """What IAM would say."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"
    UNKNOWN = "unknown"
    """It depends on the request: a condition, or a policy variable."""


@dataclass(frozen=True, slots=True)
class Need:
    """An action on a resource, which may be a pattern: then on all that it matches. `passed_to`: to which service."""

    action: str
    resource: str
    passed_to: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a document. `policy` says whose it is, for people."""

    policy: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_actions: bool = False
    not_resources: bool = False
    passed_to: tuple[str, ...] = ()
    """The services that its condition names, when that is its only one."""
    conditional: bool = False
    """It has other conditions."""

    def applies(self, need: Need) -> Decision:
        """ALLOWED when it speaks of all of the need, IMPLICIT_DENY when of nothing of it, UNKNOWN when of a part."""
        # Actions are compared without regard to case.
        action = _hits([item.lower() for item in self.actions], need.action.lower(), self.not_actions)
        resource = _hits(self.resources, need.resource, self.not_resources)
        if Decision.IMPLICIT_DENY in (action, resource):
            return Decision.IMPLICIT_DENY
        if self.passed_to and need.passed_to not in self.passed_to:
            return Decision.IMPLICIT_DENY
        if self.conditional or Decision.UNKNOWN in (action, resource):
            return Decision.UNKNOWN
        return Decision.ALLOWED


def statements(policy: str, document: Mapping[str, Any], user: str | None = None) -> list[Statement]:
    """The statements of a document as IAM gives it (JSON, parsed), as they read for a user."""
    found = document.get("Statement", [])
    return [_statement(policy, item, user) for item in ([found] if isinstance(found, Mapping) else found)]


def decide(documents: Iterable[Statement], need: Need) -> Decision:
    """What these statements together say. Two Allows that each speak of a part of the need are UNKNOWN."""
    said = [(statement.allows, statement.applies(need)) for statement in documents]
    denies = {applies for allows, applies in said if not allows}
    allows = {applies for allows, applies in said if allows}
    if Decision.ALLOWED in denies:
        return Decision.EXPLICIT_DENY
    if Decision.ALLOWED in allows:
        return Decision.UNKNOWN if Decision.UNKNOWN in denies else Decision.ALLOWED
    return Decision.UNKNOWN if Decision.UNKNOWN in allows else Decision.IMPLICIT_DENY


def _hits(patterns: Sequence[str], wanted: str, inverted: bool) -> Decision:
    whole = any(covers(pattern, wanted) and not VARIABLE.search(pattern) for pattern in patterns)
    touched = any(overlaps(VARIABLE.sub("*", pattern), wanted) for pattern in patterns)
    if whole:
        return Decision.IMPLICIT_DENY if inverted else Decision.ALLOWED
    if touched:
        return Decision.UNKNOWN
    return Decision.ALLOWED if inverted else Decision.IMPLICIT_DENY


def _statement(policy: str, item: Mapping[str, Any], user: str | None) -> Statement:
    resources = _listed(item.get("NotResource", item.get("Resource", ())))
    condition = item.get("Condition") or {}
    passed_to = condition.get("StringEquals", {}).get(PASSED_TO, ())
    return Statement(
        policy=policy,
        allows=item.get("Effect") == "Allow",
        actions=_listed(item.get("NotAction", item.get("Action", ()))),
        resources=tuple(resource.replace(USERNAME, user or USERNAME) for resource in resources),
        not_actions="NotAction" in item,
        not_resources="NotResource" in item,
        passed_to=_listed(passed_to),
        conditional=bool(condition) and condition != {"StringEquals": {PASSED_TO: passed_to}},
    )


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
