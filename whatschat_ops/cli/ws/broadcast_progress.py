"""The progress of a broadcast: redrawn in place on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whatschat_ops.choices import BROADCAST
from whatschat_ops.cli.terminal.interrupts import stop_on_interrupt
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.progress import ProgressView
from whatschat_ops.errors import ExitCode
from whatschat_ops.plurals import counted

if TYPE_CHECKING:
    from whatschat_ops.broadcast.journal.summary import Percentiles
    from whatschat_ops.broadcast.run import Progress

RATE_OVER_S = 5.0
_SHOW_CURSOR = "\x1b[?25h"


@dataclass(frozen=True, slots=True)
class View:
    """What is shown. `total` is None while the table is still being read, `left_s` while it cannot be estimated.

    `detail` is what the engine adds (the shards of a distributed one).
    """

    listed: int
    total: int | None
    delivered: int
    gone: int
    failed: int
    in_flight: int
    waiting: int
    rate_per_s: float
    limit_per_s: float
    left_s: float | None
    latencies: Percentiles | None
    account_throttled: int
    client_buffer_full: int
    server_errors: int
    transport_errors: int
    detail: str
    gone_rows_left: int = 0
    """Rows of gone connections that are not deleted yet."""
    word: str = "delivered"

    @property
    def only_deletes(self) -> bool:
        """Whether every connection has an outcome and only rows are left to delete."""
        return self.total is not None and self.ended >= self.total and self.gone_rows_left > 0

    @property
    def ended(self) -> int:
        """Connections whose outcome is known."""
        return self.delivered + self.gone + self.failed


class RecentRate:
    """The rate over the last `RATE_OVER_S` seconds, from timed counts."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()

    def at(self, now_s: float, ended: int) -> float:
        """Record a count; the number per second that ended in the last `RATE_OVER_S`."""
        self._counts.append((now_s, ended))
        while len(self._counts) > 2 and self._counts[1][0] <= now_s - RATE_OVER_S:
            self._counts.popleft()
        since_s, before = self._counts[0]
        return (ended - before) / (now_s - since_s) if now_s > since_s else 0.0


def view(progress: Progress, rate_per_s: float, kind: str = BROADCAST) -> View:
    """A run's state as it is shown."""
    from whatschat_ops.broadcast.kinds import KINDS

    counts, sender = progress.counts, progress.snapshot
    known = progress.list_complete and rate_per_s > 0
    return View(
        listed=counts.listed,
        total=counts.listed if progress.list_complete else None,
        delivered=counts.delivered,
        gone=counts.gone,
        failed=counts.failed,
        in_flight=sender.in_flight,
        waiting=sender.waiting_for_retry,
        rate_per_s=rate_per_s,
        limit_per_s=sender.rate_limit_per_s,
        left_s=counts.pending / rate_per_s if known else None,
        latencies=progress.latencies,
        account_throttled=sender.account_throttled,
        client_buffer_full=sender.client_buffer_full,
        server_errors=sender.server_errors,
        transport_errors=sender.transport_errors,
        detail=progress.detail,
        gone_rows_left=counts.to_prune(kind) - counts.pruned - counts.rewritten - counts.prune_failed,
        word=KINDS[kind].delivered,
    )


def outcome_words(it: View) -> str:
    """`1,200 delivered, 30 gone, 2 failed`."""
    return f"{it.delivered:,} {it.word}, {it.gone:,} gone, {it.failed:,} failed"


def of_words(it: View) -> str:
    """`1,232 of 5,000`, or `1,232 of 5,000 so far` while more are being found."""
    return f"{it.ended:,} of {it.listed:,}{'' if it.total is not None else ' so far'}"


def rate_words(it: View) -> str:
    """The rate and the time left."""
    if it.only_deletes:
        return f"deleting the rows of gone connections, {it.gone_rows_left:,} left"
    left = "" if it.left_s is None else f", {time_words(it.left_s)} left"
    return f"{it.rate_per_s:,.0f}/s{left}"


def time_words(seconds: float) -> str:
    """`8 s`, `4:05 min`, `1:10:00 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02} h" if hours else f"{minutes}:{whole % 60:02} min"


def slowdown_words(it: View) -> list[str]:
    """What slows the broadcast down, one sentence each."""
    sentences = (
        (
            it.account_throttled,
            f"The account is throttled (429, {counted(it.account_throttled, 'time')}): now at most {it.limit_per_s:,.0f}/s.",
        ),
        (
            it.client_buffer_full,
            f"Buffers of clients that read too slowly were full (429, {counted(it.client_buffer_full, 'time')}).",
        ),
        (it.server_errors, f"API Gateway answered with server errors ({counted(it.server_errors, 'time')})."),
        (it.transport_errors, f"TCP connections failed ({counted(it.transport_errors, 'time')})."),
    )
    return [sentence for count, sentence in sentences if count]


class BroadcastProgress:
    """Shows the progress of a run. `say` and `on_progress` may be called from any thread."""

    def __init__(
        self,
        out: Output,
        resume: str,
        clock_s: Callable[[], float] = time.monotonic,
        *,
        goes_on: bool = False,
        kind: str = BROADCAST,
    ) -> None:
        """`resume` is the command that resumes the run; `goes_on`: it is sent without this process, too."""
        self._kind = kind
        self._goes_on = goes_on
        self._out = out
        self._resume = resume
        self._clock_s = clock_s
        self._rate = RecentRate()
        self._view = ProgressView(out, clock=clock_s)
        self._said: set[str] = set()

    @contextmanager
    def shown(self) -> Iterator[threading.Event]:
        """While the run is in progress. Ctrl-C sets the event, which asks it to stop; a second one ends the process at once."""
        with (
            self._view.shown("Reading the table"),
            stop_on_interrupt(self._on_first_interrupt, self._end_at_once) as stop,
        ):
            yield stop

    def say(self, text: str) -> None:
        """Print a line above what is drawn."""
        self._view.say(text)

    def on_progress(self, progress: Progress) -> None:
        """Show a state."""
        it = view(progress, self._rate.at(self._clock_s(), progress.counts.ended), self._kind)
        self._view.update(lambda: self._words(it), lambda: render(it))

    def _words(self, it: View) -> str:
        """A line about the state, and one for each new kind of slowdown."""
        detail = f"; {it.detail}" if it.detail else ""
        lines = [f"{of_words(it)}: {outcome_words(it)}; {rate_words(it)}{detail}"]
        for sentence in slowdown_words(it):
            kind = sentence.partition("(")[0]
            if kind not in self._said:  # once, not in every line
                self._said.add(kind)
                lines.append(sentence)
        return "\n".join(lines)

    def _on_first_interrupt(self) -> None:
        if self._goes_on:
            self.say(
                f"Interrupted: the {self._kind} is not followed any more. Press Ctrl-C again to end at once."
            )
            return
        self.say("Interrupted: finishing the posts that are in flight. Press Ctrl-C again to stop at once.")

    def _end_at_once(self) -> None:  # the journal is made for a sudden end
        before = f"\r\n{_SHOW_CURSOR}" if self._out.stderr.isatty() else ""
        os.write(2, f"{before}Stopped. To resume: {self._resume}\n".encode())
        os._exit(ExitCode.INTERRUPTED)


def render(it: View) -> Any:
    """The display on a terminal."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = Table.grid(padding=(0, 1))
    done = 0.0 if it.total is None else 100.0 * it.ended / max(1, it.total)
    bar.add_row(
        ProgressBar(
            total=None if it.total is None else 100.0, completed=done, width=30, pulse=it.total is None
        ),
        Text(f"{of_words(it)}  {rate_words(it)}"),
    )
    waiting = f" + {it.waiting:,} waiting for a retry" if it.waiting else ""
    return Group(
        bar,
        Text.assemble(
            (f"{it.delivered:,} {it.word}", "green"),
            f"   {it.gone:,} gone   ",
            (f"{it.failed:,} failed", "red" if it.failed else ""),
            f"   {it.in_flight:,} in flight{waiting}",
        ),
        Text(f"at most {it.limit_per_s:,.0f}/s{_latency_words(it.latencies)}", style="dim"),
        *([Text(it.detail)] if it.detail else []),
        *(Text(sentence, style="yellow") for sentence in slowdown_words(it)),
    )


def _latency_words(it: Percentiles | None) -> str:
    if it is None:
        return ""
    p50, p95, p99 = (seconds * 1e3 for seconds in (it.p50_s, it.p95_s, it.p99_s))
    return f"   latency {p50:.0f} / {p95:.0f} / {p99:.0f} ms (p50 / p95 / p99)"
