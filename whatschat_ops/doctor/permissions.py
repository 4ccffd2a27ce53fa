"""Ask IAM what a principal may do, without doing it (SimulatePrincipalPolicy)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from whatschat_ops.aws import Aws


def denied_actions(aws: Aws, principal_arn: str, needs: Mapping[str, str]) -> list[str]:
    """The actions of `needs` (action -> resource ARN) that IAM does not allow to a user, group or role.

    Raises PermissionDenied when the caller may not ask (iam:SimulatePrincipalPolicy).
    """
    client = aws.client("iam")
    denied = []
    for action, resource in needs.items():
        answer = client.simulate_principal_policy(
            PolicySourceArn=principal_arn, ActionNames=[action], ResourceArns=[resource]
        )
        if any(result["EvalDecision"] != "allowed" for result in answer["EvaluationResults"]):
            denied.append(f"{action} on {resource}")
    return denied


def policy_source_arn(caller_arn: str) -> str | None:
    """The ARN that SimulatePrincipalPolicy takes for a caller; None for the account's root, which may do all.

    It does not take a session of a role: `arn:aws:sts::1:assumed-role/NAME/SESSION` becomes the role's own ARN.
    """
    if caller_arn.endswith(":root"):
        return None
    if match := re.fullmatch(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/.+", caller_arn):
        return f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}"
    return caller_arn
