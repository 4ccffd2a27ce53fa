"""What a check of permissions (`stack/iam_check`) means for a doctor. Pure."""

from __future__ import annotations

from whatschat_ops.doctor.check import Finding, fail, ok, warn
from whatschat_ops.stack.iam_check import MissingPermission, PermissionCheck


def judge_permissions(found: PermissionCheck, fix: str) -> Finding:
    """Whether a principal has all that its component needs; `fix` gives it what is missing."""
    who = f"The {found.principal_type} {found.principal}"
    if found.missing:
        return fail(f"{who} may not: {_words(found.missing)}.", fix)
    if found.unknown:
        return warn(
            f"{who}: it depends on the request whether it may: {_words(found.unknown)}.",
            "Look at the conditions of its policies: whatschat-ops iam check",
        )
    if found.decided_by != "iam":
        return warn(
            f"{who} has all {found.needed} permissions, as far as its policies say: IAM itself may not be asked.",
            "Ask for iam:SimulatePrincipalPolicy on it.",
        )
    return ok(f"{who} has all {found.needed} permissions that {found.component} needs.")


def _words(lacking: tuple[MissingPermission, ...]) -> str:
    return ", ".join(f"{item.action} on {item.resource}" for item in lacking)
