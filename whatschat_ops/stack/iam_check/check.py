"""Holds what is attached to a principal against what a component needs.

IAM itself is asked (SimulatePrincipalPolicy) where the caller may; otherwise the attached policies are read and
evaluated here. What is superfluous is always read from the policies: IAM has no call for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.errors import PermissionDenied
from whatschat_ops.stack.attachments import Principal
from whatschat_ops.stack.iam_check.attached import Attached, attached_policies, principal_arn
from whatschat_ops.stack.iam_check.evaluator import USERNAME, Decision, Need, decide, statements
from whatschat_ops.stack.iam_check.superfluous import SuperfluousPermission, superfluous_permissions
from whatschat_ops.stack.iam_documents import PASSED_TO, trusts

SAMPLE: Final = "example"
"""What IAM is asked about where a need says `*`: something that has no name of its own in any policy."""
ACTIONS_PER_CALL: Final = 50


@dataclass(frozen=True, slots=True)
class MissingPermission:
    """A needed action that is not allowed on a resource; `decision` says how (explicitDeny, implicitDeny, unknown).

    `sts:AssumeRole` on a service: the role's trust policy does not let that service assume it.
    """

    action: str
    resource: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class PermissionCheck:
    """What a component needs and what its principal has.

    `decided_by` is `iam` (SimulatePrincipalPolicy) or `policies` (our reading). `unknown` are needs that a condition
    decides. `superfluous` and `policies` are None when the caller may not read the policies.
    """

    component: str
    principal_type: str
    principal: str
    decided_by: str
    needed: int
    missing: tuple[MissingPermission, ...]
    unknown: tuple[MissingPermission, ...]
    superfluous: tuple[SuperfluousPermission, ...] | None
    policies: tuple[str, ...] | None


def needs_of(document: Mapping[str, Any], principal: Principal) -> tuple[Need, ...]:
    """The needs that a policy of ours (`policies.policy_of`) grants: one for each action on each resource.

    What it grants on the user itself is no need of a role or a group.
    """
    user = principal.name if principal.type == "user" else None
    needs = [
        Need(action, resource, passed_to)
        for statement in statements("", document, user)
        for action in statement.actions
        for resource in statement.resources
        for passed_to in statement.passed_to or ("",)
        if USERNAME not in resource
    ]
    return tuple(dict.fromkeys(needs))


def check_permissions(
    aws: Aws, component: str, principal: Principal, document: Mapping[str, Any], *, arn: str | None = None
) -> PermissionCheck:
    """Hold the principal's permissions against those of `document`, the component's policy.

    `arn` is the principal's, if the caller knows it: then it need not be looked up, which takes a permission.

    Raises NotFound when there is no such principal, PermissionDenied when the caller may neither ask nor read.
    """
    needs = needs_of(document, principal)
    attached = _readable(aws, principal)
    simulated = _simulated(aws, principal, needs, arn)
    if simulated is None and attached is None:
        raise PermissionDenied(
            f"The permissions of the {principal.type} {principal.name} cannot be checked: you may neither ask IAM "
            "(iam:SimulatePrincipalPolicy) nor read its policies.",
            hint="Ask for iam:SimulatePrincipalPolicy on it.",
        )
    decisions = simulated or _evaluated(attached, needs)
    lacking = [
        MissingPermission(need.action, need.resource, decision)
        for need, decision in decisions.items()
        if decision is not Decision.ALLOWED
    ]
    if component == "lambda" and not _is_trusted(aws, principal, "lambda.amazonaws.com"):
        lacking.insert(0, MissingPermission("sts:AssumeRole", "lambda.amazonaws.com", Decision.IMPLICIT_DENY))
    return PermissionCheck(
        component=component,
        principal_type=principal.type,
        principal=principal.name,
        decided_by="policies" if simulated is None else "iam",
        needed=len(needs),
        missing=tuple(item for item in lacking if item.decision is not Decision.UNKNOWN),
        unknown=tuple(item for item in lacking if item.decision is Decision.UNKNOWN),
        superfluous=superfluous_permissions(attached.statements, needs) if attached else None,
        policies=attached.policies if attached else None,
    )


def _is_trusted(aws: Aws, principal: Principal, service: str) -> bool:
    """Whether the service may assume the role, as far as that can be read."""
    if principal.type != "role":
        return True
    try:
        role = aws.client("iam").get_role(RoleName=principal.name)["Role"]
    except PermissionDenied:
        return True
    return trusts(role["AssumeRolePolicyDocument"], service)


def _readable(aws: Aws, principal: Principal) -> Attached | None:
    try:
        return attached_policies(aws, principal)
    except PermissionDenied:
        return None


def _evaluated(attached: Attached | None, needs: Iterable[Need]) -> dict[Need, Decision]:
    if attached is None:
        return {}
    return {need: _limited(attached, need) for need in needs}


def _limited(attached: Attached, need: Need) -> Decision:
    decision = decide(attached.statements, need)
    if attached.boundary is None or decision not in (Decision.ALLOWED, Decision.UNKNOWN):
        return decision
    limit = decide(attached.boundary, need)
    return decision if limit is Decision.ALLOWED else limit


def _simulated(
    aws: Aws, principal: Principal, needs: Sequence[Need], arn: str | None
) -> dict[Need, Decision] | None:
    """What IAM says about each need; None when the caller may not ask it."""
    together: dict[tuple[str, str], list[str]] = {}
    for need in needs:
        together.setdefault((need.resource, need.passed_to), []).append(need.action)
    try:
        arn = arn or principal_arn(aws, principal)
        answers = {
            Need(result["EvalActionName"], resource, passed_to): _decision(result)
            for (resource, passed_to), actions in together.items()
            for result in _ask(aws, arn, actions, _sample(resource), passed_to)
        }
    except PermissionDenied:
        return None
    return {need: answers[need] for need in needs}


def _ask(aws: Aws, arn: str, actions: Sequence[str], resource: str, passed_to: str) -> Iterable[Any]:
    # One resource per call: with several, the answer for each one is hidden in ResourceSpecificResults.
    pages = aws.client("iam").get_paginator("simulate_principal_policy")
    entry = {"ContextKeyName": PASSED_TO, "ContextKeyValues": [passed_to], "ContextKeyType": "string"}
    context = {"ContextEntries": [entry]} if passed_to else {}
    for start in range(0, len(actions), ACTIONS_PER_CALL):
        chosen = list(actions[start : start + ACTIONS_PER_CALL])
        for page in pages.paginate(
            PolicySourceArn=arn, ActionNames=chosen, ResourceArns=[resource], **context
        ):
            yield from page["EvaluationResults"]


def _sample(resource: str) -> str:
    return resource if resource == "*" else resource.replace("*", SAMPLE)


def _decision(result: Mapping[str, Any]) -> Decision:
    decision = Decision(result["EvalDecision"])
    if decision is Decision.IMPLICIT_DENY and result.get("MissingContextValues"):
        return Decision.UNKNOWN
    return decision
