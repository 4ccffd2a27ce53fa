"""Runs checks: side by side, each after its causes, over shared facts, each within its own time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from whatschat_ops.doctor.check import Check, CheckResult, Finding, Status, skip
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.doctor.reads import NotRecorded
from whatschat_ops.errors import Hint, OpsError, PermissionDenied, Throttled

Advise = Callable[[OpsError], Hint | None]
_ACTION = re.compile(r"perform: ([a-z0-9-]+:\w+)")
_BAD = (Status.FAIL, Status.SILENCED)


def run_checks(
    checks: Sequence[Check], facts: Facts, *, advise: Advise = lambda error: error.hint
) -> list[CheckResult]:
    """Run the checks; results in their order. `advise` gives the fix of an error that a check raised.

    A cause that is not among `checks` silences nothing. A check that is still running after its `timeout_s` is skipped.
    """
    run = _Running({check.code: _Made(check) for check in checks}, facts, advise)
    first, last = [c for c in checks if not c.last], [c for c in checks if c.last]
    return sorted(
        [*run.all(first), *run.all(last)], key=lambda found: [c.code for c in checks].index(found.code)
    )


@dataclass
class _Made:
    """One check of this run, and its result once there is one."""

    check: Check
    done: threading.Event = field(default_factory=threading.Event)
    result: CheckResult | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, result: CheckResult) -> None:
        """The first result counts: a check that was given up may end later."""
        with self.lock:
            if self.result is None:
                self.result = result
                self.done.set()


@dataclass
class _Running:
    made: dict[str, _Made]
    facts: Facts
    advise: Advise

    def all(self, checks: Iterable[Check]) -> list[CheckResult]:
        mine = [self.made[check.code] for check in checks]
        if any(made.check.last for made in mine):
            self.facts.watched = self._explained()
        for made in mine:
            # A daemon: the program ends even when a check that was given up still waits for an answer.
            threading.Thread(target=self._make, args=(made,), name=made.check.code, daemon=True).start()
        for made in mine:
            made.done.wait()
        return [made.result for made in mine if made.result is not None]

    def _explained(self) -> tuple[str, ...]:
        """What of the drift belongs to checks that failed, or were silenced by one that did."""
        bad = [made.check for made in self.made.values() if made.result and made.result.status in _BAD]
        return tuple(pattern for check in bad for pattern in check.watches)

    def _make(self, made: _Made) -> None:
        causes = [self.made[code] for code in made.check.causes if code in self.made]
        for cause in causes:
            cause.done.wait()
        because = _roots([cause.result for cause in causes if cause.result])
        if because:
            text = f"Not checked, because {' and '.join(because)} failed."
            made.end(_result(made.check, Finding(Status.SILENCED, text), because))
            return
        clock = threading.Timer(made.check.timeout_s, lambda: made.end(_late(made.check)))
        clock.daemon = True
        clock.start()
        try:
            made.end(self._examined(made.check))
        finally:
            clock.cancel()

    def _examined(self, check: Check) -> CheckResult:
        try:
            finding = check.examine(self.facts)
        except PermissionDenied as error:
            finding = _not_permitted(error, self.advise(error))
        except (Throttled, NotRecorded) as error:
            finding = Finding(Status.SKIP, error.message, self.advise(error))
        except OpsError as error:
            finding = Finding(Status.FAIL, error.message, self.advise(error))
        except Exception as error:  # noqa: BLE001 - one check that breaks must not end the others
            finding = skip(f"The check itself failed: {type(error).__name__}: {error}.")
        return _result(check, finding)


def _roots(causes: Sequence[CheckResult]) -> tuple[str, ...]:
    """The checks that failed, at the root of those causes that failed or were silenced."""
    bad = [cause for cause in causes if cause.status in _BAD]
    return tuple(dict.fromkeys(code for cause in bad for code in cause.because or (cause.code,)))


def _result(check: Check, finding: Finding, because: tuple[str, ...] = ()) -> CheckResult:
    return CheckResult(
        check.code,
        check.name,
        check.question,
        finding.status,
        finding.detail,
        finding.fix,
        finding.evidence,
        because,
        check.document,
    )


def _late(check: Check) -> CheckResult:
    return _result(
        check,
        Finding(
            Status.SKIP,
            f"No answer within {check.timeout_s:g} s.",
            Hint(text="Check the network, then run it again."),
        ),
    )


def _not_permitted(error: PermissionDenied, fix: Hint | None) -> Finding:
    found = _ACTION.search(error.message)
    action = found.group(1) if found else error.operation or "the call"
    return Finding(Status.SKIP, f"No permission for {action}.", fix, error.message)
