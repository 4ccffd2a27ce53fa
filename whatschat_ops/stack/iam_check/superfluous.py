"""What attached policies allow beyond what is needed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from whatschat_ops.stack.iam_check.evaluator import USERNAME, Need, Statement
from whatschat_ops.stack.iam_check.wildcards import covers, overlaps


@dataclass(frozen=True, slots=True)
class SuperfluousPermission:
    """An action as a policy writes it, on a resource as it writes it, and why less would do."""

    action: str
    resource: str
    policy: str
    reason: str


def superfluous_permissions(
    attached: Iterable[Statement], needs: Sequence[Need]
) -> tuple[SuperfluousPermission, ...]:
    """Every action of an Allow that no need asks for, that is wider than the needs, or on too wide a resource."""
    found = [item for statement in attached if statement.allows for item in _of(statement, needs)]
    return tuple(dict.fromkeys(found))


def _of(statement: Statement, needs: Sequence[Need]) -> Iterator[SuperfluousPermission]:
    if statement.not_actions or statement.not_resources:
        action = "not " + ", ".join(statement.actions) if statement.not_actions else "*"
        everything_but = "allows everything but what it names"
        yield SuperfluousPermission(action, ", ".join(statement.resources), statement.policy, everything_but)
        return
    for action in statement.actions:
        for resource in statement.resources:
            if (
                USERNAME in resource
            ):  # a user's right on itself, in the policy of a role or group: it gives nothing
                continue
            if reason := _reason(action, resource, needs):
                yield SuperfluousPermission(action, resource, statement.policy, reason)


def _reason(action: str, resource: str, needs: Sequence[Need]) -> str | None:
    lower = action.lower()
    asked = [need for need in needs if overlaps(lower, need.action.lower())]
    if not asked:
        return "nothing needs this action"
    if not any(covers(need.action.lower(), lower) for need in asked):
        return f"wider than the actions needed ({', '.join(sorted({need.action for need in asked}))})"
    here = [need for need in asked if overlaps(resource, need.resource)]
    if not here:
        return "nothing needs this action on this resource"
    if not any(covers(need.resource, resource) for need in here):
        return f"wider than the resources needed ({', '.join(sorted({need.resource for need in here}))})"
    return None
