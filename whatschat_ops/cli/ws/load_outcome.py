"""How `ws load` ends: its report shown and written, its limits judged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.cli.run import Run
from whatschat_ops.errors import ChecksFailed, Hint, Interrupted, OpsError, PartlyDone
from whatschat_ops.files import write_whole

if TYPE_CHECKING:
    from whatschat_ops.load.plan import Limits
    from whatschat_ops.load.report import LoadReport


def show(run: Run, report: LoadReport, html: Path | None) -> None:
    """Print the report, and write its page."""
    from whatschat_ops.cli.ws.load_table import render

    run.out.result(report, render)
    if html is not None:
        _write_page(run, report, html)


def _write_page(run: Run, report: LoadReport, html: Path) -> None:
    import shlex

    from whatschat_ops.load.page import page
    from whatschat_ops.redaction import redact

    text = page(report, command=shlex.join(["whatschat-ops", *sys.argv[1:]]))
    write_whole(html, text if run.out.show_secrets else redact(text), flag="--html")
    run.out.note(f"Wrote {html}.")


def judge(report: LoadReport, limits: Limits) -> None:
    """Raise what the exit code comes from: Interrupted, OpsError, ChecksFailed or PartlyDone."""
    from whatschat_ops.load.report import exceeded, missing_workers

    sockets = report.sockets
    if report.interrupted:
        raise Interrupted("Interrupted: the report covers the time until then.")
    if not sockets.opened:
        raise OpsError(
            f"None of {sockets.attempted:,} sockets could be opened: {sockets.first_refusal}",
            hint=Hint(("doctor", "websocket")),
        )
    if problems := exceeded(report, limits):
        raise ChecksFailed(" ".join(problems))
    if report.missing:
        raise PartlyDone(
            f"{missing_workers(report)}. The report has the others.", hint=Hint(("logs", "tail"))
        )
    if sockets.opened < sockets.attempted:
        raise PartlyDone(
            f"{sockets.attempted - sockets.opened:,} of {sockets.attempted:,} sockets could not be opened: "
            f"{sockets.first_refusal}",
            hint="Open them more slowly: --connect-rate.",
        )
