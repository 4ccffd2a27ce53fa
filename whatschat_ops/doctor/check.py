"""A check is a name and a function; running it turns any outcome, an exception included, into a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from whatschat_ops.errors import Hint, OpsError
from whatschat_ops.stack.iam_check import MissingPermission, PermissionCheck


class Status(StrEnum):
    """The outcome of a check. `skip`: the check could not be made; the detail says why."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found (`detail`), and what to do about it (`fix`, None when there is nothing to do)."""

    name: str
    question: str
    status: Status
    detail: str
    fix: Hint | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the function of a check returns."""

    status: Status
    detail: str
    fix: Hint | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the stack. `name` is `<area>.<subject>`; an OpsError that `examine` raises is a failure."""

    name: str
    question: str
    examine: Callable[[], Finding]


Advise = Callable[[OpsError], Hint | None]


def run_checks(
    checks: Sequence[Check], *, advise: Advise = lambda error: error.hint, concurrency: int = 8
) -> list[CheckResult]:
    """Run the checks in parallel; results in the order of `checks`. `advise` gives the fix of an error that a check raised."""
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        return list(pool.map(lambda check: _run(check, advise), checks))


def _run(check: Check, advise: Advise) -> CheckResult:
    try:
        finding = check.examine()
    except OpsError as error:
        finding = Finding(Status.FAIL, error.message, advise(error))
    return CheckResult(check.name, check.question, finding.status, finding.detail, finding.fix)


def ok(detail: str) -> Finding:
    """The check passed."""
    return Finding(Status.OK, detail)


def fail(detail: str, fix: Hint | str) -> Finding:
    """The check failed; `fix` is what to do."""
    return Finding(Status.FAIL, detail, _hint(fix))


def warn(detail: str, fix: Hint | str) -> Finding:
    """It works, but needs attention."""
    return Finding(Status.WARN, detail, _hint(fix))


def skip(detail: str, fix: str | None = None) -> Finding:
    """The check could not be made."""
    return Finding(Status.SKIP, detail, _hint(fix) if fix else None)


def _hint(fix: Hint | str) -> Hint:
    return Hint(text=fix) if isinstance(fix, str) else fix


def judge_permissions(found: PermissionCheck, fix: Hint) -> Finding:
    """Whether a principal has the permissions of its component; `fix` adds those that are missing."""
    who = f"The {found.principal_type} {found.principal}"
    if found.missing:
        return fail(f"{who} lacks permissions: {_words(found.missing)}.", fix)
    if found.unknown:
        return warn(
            f"{who} has permissions that depend on the request: {_words(found.unknown)}.",
            Hint(("iam", "check"), "Check the conditions of its policies"),
        )
    if found.decided_by != "iam":
        return warn(
            f"{who} has all {found.needed} permissions according to its policies; IAM could not be asked.",
            "Get iam:SimulatePrincipalPolicy allowed on it.",
        )
    return ok(f"{who} has all {found.needed} permissions that {found.component} needs.")


def _words(lacking: tuple[MissingPermission, ...]) -> str:
    return ", ".join(f"{item.action} on {item.resource}" for item in lacking)
