"""`chime check`: whether meetings can be held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.advice import advise
from whatschat_ops.cli.audited import audited
from whatschat_ops.cli.doctor import render_checks, require_passed
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.doctor import CheckResult
    from whatschat_ops.doctor.areas.chime_readiness import MeetingProbe


@dataclass(frozen=True, slots=True)
class ChimeCheck:
    """The checks, and what the meeting of `--probe` took; `probe` is None without it, or when it failed."""

    checks: list[CheckResult]
    probe: MeetingProbe | None


@audited(probe="probe")
def check(
    run: Run,
    probe: Annotated[
        bool, typer.Option("--probe", help="Create, read and delete a meeting, and ask its media servers")
    ] = False,
) -> None:
    """Check whether meetings can be held.

    Checks credentials, permissions, both Regions, quotas, the ledger, and with --probe a meeting and the way to its media servers, by the names of the SDK's readiness checker. Without --probe, changes nothing. Exit code 3 if a check fails.

    Example: whatschat-ops chime check --probe
    """
    from whatschat_ops.doctor import Facts, run_checks
    from whatschat_ops.doctor.areas.chime_readiness import MeetingProbe
    from whatschat_ops.doctor.chime_checks import chime_checks, try_meeting

    with run.out.status("Checking Chime ..."):
        held = try_meeting(run.settings, run.aws) if probe else None
        facts = Facts(run.settings, run.aws)
        results = run_checks(chime_checks(held), facts, advise=lambda error: advise(error, "chime check"))
    shown = ChimeCheck(results, held if isinstance(held, MeetingProbe) else None)
    run.out.result(shown, lambda result: render_checks(run.out, result.checks))
    require_passed(run.out, results)
