"""A check as data, what it finds, and its result.

A check is one question with a stable code. Its `causes` are the codes of checks whose failure explains it: then it is not
made (`silenced`). docs/doctor/ is generated from the checks, and so is the policy of `doctor` (`policy.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from whatschat_ops.errors import Hint
from whatschat_ops.stack.iam_check import MissingPermission, PermissionCheck

if TYPE_CHECKING:
    from whatschat_ops.aws import Aws
    from whatschat_ops.config import Settings
    from whatschat_ops.doctor.facts import Facts


class Status(StrEnum):
    """The outcome of a check. `skip`: the check could not be made, the detail says why; `silenced`: one of its causes failed."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    SILENCED = "silenced"


class Repair(StrEnum):
    """What `doctor --fix` may do by itself: each calls the feature that the fix command calls, and loses no data."""

    PROVISION = "provision"
    PRUNE = "ws prune"
    CONCURRENCY = "lambda concurrency"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the function of a check returns. `evidence`: the field of AWS's answer that it rests on, as `GetStage.X = 0`."""

    status: Status
    detail: str
    fix: Hint | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the stack; an OpsError that `examine` raises is a failure, but PermissionDenied and Throttled skip it.

    code        stable: `WS014`. WS: the WebSocket side, ST: the stack and its account, CH: Chime, AP: the application
    name        `<area>.<subject>`
    causes      codes of checks whose failure explains a failure of this one
    actions     the IAM actions of its calls, beside those of `status`
    watches     what of the drift is its own: `stage.*`, or `stage.*:throttling_*` for some fields (fnmatch)
    meaning     for the document: what a failure means, and its usual cause
    fix         the usual fix, for the document
    repair      what `--fix` does about it; None: a person has to
    last        made when all others are done
    """

    code: str
    name: str
    question: str
    examine: Callable[[Facts], Finding]
    causes: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    watches: tuple[str, ...] = ()
    meaning: str = ""
    fix: Hint | None = None
    repair: Repair | None = None
    last: bool = False
    timeout_s: float = 20.0

    @property
    def area(self) -> str:
        """`websocket`, `stack`, `chime` or `app`."""
        return AREAS[self.code[:2]]

    @property
    def document(self) -> str:
        """The page that describes it."""
        return f"docs/doctor/{self.code}.md"


AREAS: Final = {"ST": "stack", "WS": "websocket", "CH": "chime", "AP": "app"}
"""The first letters of a code, and the area."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found (`detail`), on what it rests (`evidence`), and what to do (`fix`, None when there is nothing to do).

    `because`: of a silenced check, the failed checks at the root. `document`: where it is described.
    """

    code: str
    name: str
    question: str
    status: Status
    detail: str
    fix: Hint | None = None
    evidence: str = ""
    because: tuple[str, ...] = ()
    document: str = ""


def of(function: Callable[[Settings, Aws], Finding]) -> Callable[[Facts], Finding]:
    """A function of settings and an AWS as one that is given the facts."""
    return lambda facts: function(facts.settings, facts.aws)


def ok(detail: str) -> Finding:
    """The check passed."""
    return Finding(Status.OK, detail)


def fail(detail: str, fix: Hint | str, evidence: str = "") -> Finding:
    """The check failed; `fix` is what to do."""
    return Finding(Status.FAIL, detail, _hint(fix), evidence)


def warn(detail: str, fix: Hint | str, evidence: str = "") -> Finding:
    """It works, but needs attention."""
    return Finding(Status.WARN, detail, _hint(fix), evidence)


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
