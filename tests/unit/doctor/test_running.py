"""The frame of doctor: causes and what they silence, permissions, time-outs, and the order of results."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.doctor import Check, CheckResult, Facts, Status, run_checks
from whatschat_ops.doctor.check import Finding, fail, ok
from whatschat_ops.errors import CredentialsError, Hint, PermissionDenied, Throttled, Unavailable

FINE = ok("fine")


def check(code: str, examine: Callable[[], Finding] | Finding, *causes: str, **more: object) -> Check:
    found = (lambda _: examine) if isinstance(examine, Finding) else (lambda _: examine())
    return Check(code, f"stack.{code}", "?", found, causes, **more)  # type: ignore[arg-type]


def made(*checks: Check) -> dict[str, CheckResult]:
    facts = Facts(Settings(), Aws(AwsTarget(region="us-east-1")))
    return {result.code: result for result in run_checks(checks, facts)}


def raising(error: Exception) -> Callable[[], Finding]:
    def examine() -> Finding:
        raise error

    return examine


BROKEN = fail("broken", "replace it")


def test_error_is_a_failure_with_its_hint_and_the_rest_is_checked() -> None:
    found = made(check("ST1", raising(CredentialsError("none.", hint="aws sso login"))), check("ST2", FINE))

    assert [(result.status, result.detail, result.fix) for result in found.values()] == [
        (Status.FAIL, "none.", Hint(text="aws sso login")),
        (Status.OK, "fine", None),
    ]


def test_failed_cause_silences_its_consequences_and_theirs_and_is_named_as_the_root() -> None:
    found = made(
        check("ST3", BROKEN, "ST2"),
        check("ST2", BROKEN, "ST1"),
        check("ST1", BROKEN),
        check("ST4", FINE),
    )

    assert [(code, result.status, result.because) for code, result in found.items()] == [
        ("ST3", Status.SILENCED, ("ST1",)),
        ("ST2", Status.SILENCED, ("ST1",)),
        ("ST1", Status.FAIL, ()),
        ("ST4", Status.OK, ()),
    ]


def test_silenced_check_is_not_examined() -> None:
    asked: list[str] = []

    def examine() -> Finding:
        asked.append("asked")
        return FINE

    made(check("ST1", BROKEN), check("ST2", examine, "ST1"))

    assert asked == []


@pytest.mark.parametrize("status", [Status.WARN, Status.SKIP, Status.OK])
def test_cause_that_did_not_fail_silences_nothing(status: Status) -> None:
    found = made(check("ST1", Finding(status, "")), check("ST2", FINE, "ST1"))

    assert found["ST2"].status is Status.OK


def test_cause_that_is_not_made_silences_nothing() -> None:
    assert made(check("ST2", FINE, "ST1"))["ST2"].status is Status.OK


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (
            PermissionDenied(
                "GetPolicy: User: u is not authorized to perform: lambda:GetPolicy on resource: x"
            ),
            Status.SKIP,
            "No permission for lambda:GetPolicy.",
        ),
        (PermissionDenied("no", operation="GetStage"), Status.SKIP, "No permission for GetStage."),
        (Throttled("slow down"), Status.SKIP, "slow down"),
        (Unavailable("gone"), Status.FAIL, "gone"),
        (ZeroDivisionError("x"), Status.SKIP, "The check itself failed: ZeroDivisionError: x."),
    ],
)
def test_what_a_check_raises_decides_its_status(error: Exception, status: Status, detail: str) -> None:
    result = made(check("ST1", raising(error)))["ST1"]

    assert (result.status, result.detail) == (status, detail)


def test_check_without_an_answer_is_skipped_when_its_time_is_over_and_the_rest_is_made() -> None:
    never = threading.Event()

    def examine() -> Finding:
        never.wait()
        return BROKEN

    found = made(check("ST1", examine, timeout_s=0.01), check("ST2", FINE, "ST1"))
    never.set()

    assert (found["ST1"].status, found["ST1"].detail) == (Status.SKIP, "No answer within 0.01 s.")
    assert found["ST2"].status is Status.OK


def test_last_check_is_given_what_belongs_to_failed_and_silenced_checks() -> None:
    facts = Facts(Settings(), Aws(AwsTarget(region="us-east-1")))
    checks = [
        Check("ST9", "stack.drift", "?", lambda f: ok(" ".join(f.watched)), last=True),
        check("ST1", BROKEN, watches=("table.*",)),
        check("ST2", FINE, "ST1", watches=("route.*", "stage.*")),
        check("ST3", FINE, watches=("secret.*",)),
    ]

    last = run_checks(checks, facts)[0]

    assert last.detail == "table.* route.* stage.*"
