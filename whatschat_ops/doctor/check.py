"""A check is a name and a function; running checks turns every outcome, expected or not, into a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from whatschat_ops.errors import OpsError
from whatschat_ops.stack.iam_check import MissingPermission, PermissionCheck


class Status(StrEnum):
    """How a check came out. `skip` means that it could not be decided, and why is in the detail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found: what is so (`detail`) and what to do about it (`fix`, None when all is well)."""

    name: str
    question: str
    status: Status
    detail: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the function of a check returns."""

    status: Status
    detail: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the stack. `name` is `<area>.<subject>`; `examine` may raise OpsError, which is a failure."""

    name: str
    question: str
    examine: Callable[[], Finding]


def run_checks(checks: Sequence[Check], *, concurrency: int = 8) -> list[CheckResult]:
    """Run all checks at once; results in the order of `checks`."""
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        return list(pool.map(_run, checks))


def _run(check: Check) -> CheckResult:
    try:
        finding = check.examine()
    except OpsError as error:
        finding = Finding(Status.FAIL, error.message, error.hint)
    return CheckResult(check.name, check.question, finding.status, finding.detail, finding.fix)


def ok(detail: str) -> Finding:
    """All is well."""
    return Finding(Status.OK, detail)


def fail(detail: str, fix: str) -> Finding:
    """Something is wrong, and this mends it."""
    return Finding(Status.FAIL, detail, fix)


def warn(detail: str, fix: str) -> Finding:
    """It works, but look at it."""
    return Finding(Status.WARN, detail, fix)


def skip(detail: str, fix: str | None = None) -> Finding:
    """It could not be decided."""
    return Finding(Status.SKIP, detail, fix)


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
