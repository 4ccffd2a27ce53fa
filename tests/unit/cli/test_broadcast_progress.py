"""What is shown while a broadcast runs, and of past ones."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import replace

import pytest
from rich.console import Console

from whatschat_ops.broadcast.journal.summary import Counts, Percentiles
from whatschat_ops.broadcast.run import Progress
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.ws.broadcast_progress import BroadcastProgress, RecentRate, render, time_words, view
from whatschat_ops.sender.model import Snapshot

COUNTS = Counts(
    listed=5_000,
    delivered=1_100,
    gone=120,
    failed=3,
    pruned=0,
    rewritten=0,
    prune_failed=0,
    in_doubt=0,
    attempts=1_300,
)
SNAPSHOT = Snapshot(
    delivered=1_100,
    gone=120,
    failed=3,
    in_flight=64,
    waiting_for_retry=5,
    attempts=1_300,
    account_throttled=0,
    client_buffer_full=0,
    server_errors=0,
    transport_errors=0,
    rate_limit_per_s=10_000,
)
RUNNING = Progress(
    COUNTS, list_complete=True, snapshot=SNAPSHOT, active_s=2.0, latencies=Percentiles(0.012, 0.04, 0.1)
)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def on_a_terminal(progress: Progress, rate_per_s: float) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(render(view(progress, rate_per_s)))
    return capture.get()


def in_a_pipe(*states: tuple[float, Progress], quiet: bool = False) -> list[str]:
    stderr, clock = io.StringIO(), Clock()
    progress = BroadcastProgress(Output(quiet=quiet, stdout=io.StringIO(), stderr=stderr), "resume it", clock)
    with progress.shown():
        for now_s, state in states:
            clock.now_s = now_s
            progress.on_progress(state)
    return stderr.getvalue().splitlines()


def test_a_terminal_shows_counts_rate_time_left_and_latencies() -> None:
    shown = on_a_terminal(RUNNING, 1_000.0)

    for words in (
        "1,223 of 5,000  1,000/s, 4 s left",
        "1,100 delivered",
        "120 gone",
        "3 failed",
        "64 in flight + 5 waiting",
        "at most 10,000/s",
        "12 / 40 / 100 ms",
    ):
        assert words in shown
    assert "throttles" not in shown


def test_while_the_table_is_read_no_time_left_is_shown() -> None:
    shown = on_a_terminal(replace(RUNNING, list_complete=False), 1_000.0)

    assert "1,223 of 5,000 so far  1,000/s" in shown
    assert "left" not in shown


def test_throttling_of_the_account_and_full_buffers_are_shown_apart() -> None:
    state = replace(RUNNING, snapshot=replace(SNAPSHOT, account_throttled=1_204, rate_limit_per_s=7_500))
    assert "The account is throttled (429, 1,204 times): now at most 7,500/s." in on_a_terminal(state, 1.0)

    state = replace(RUNNING, snapshot=replace(SNAPSHOT, client_buffer_full=7))
    assert "were full (429, 7 times)" in on_a_terminal(state, 1.0)


def test_a_pipe_gets_a_line_every_few_seconds_and_each_trouble_once() -> None:
    troubled = replace(RUNNING, snapshot=replace(SNAPSHOT, account_throttled=9))
    later = replace(troubled, counts=replace(COUNTS, delivered=4_000))

    lines = in_a_pipe((1.0, RUNNING), (4.0, RUNNING), (5.5, troubled), (6.0, troubled), (11.0, later))

    assert lines == [
        "1,223 of 5,000: 1,100 delivered, 120 gone, 3 failed; 0/s",
        "The account is throttled (429, 9 times): now at most 10,000/s.",
        "4,123 of 5,000: 4,000 delivered, 120 gone, 3 failed; 580/s, 2 s left",
    ]


def test_what_the_engine_adds_is_shown_on_a_terminal_and_in_a_pipe() -> None:
    shards = "12 of 40 shards done, 10 running, 0 failed"
    state = replace(RUNNING, detail=shards)

    assert shards in on_a_terminal(state, 1.0)
    assert in_a_pipe((5.5, state)) == [f"1,223 of 5,000: 1,100 delivered, 120 gone, 3 failed; 0/s; {shards}"]


def test_quiet_shows_nothing() -> None:
    assert in_a_pipe((6.0, RUNNING), (12.0, RUNNING), quiet=True) == []


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = RecentRate()

    assert rate.at(0.0, 1_000) == 0.0
    assert rate.at(1.0, 2_000) == 1_000.0
    for second in range(2, 20):
        assert rate.at(float(second), 2_000 + 500 * second) > 0
    assert rate.at(20.0, 2_000 + 500 * 20) == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60, "1:00 min"),
        (245, "4:05 min"),
        (3_599.9, "1:00:00 h"),
        (36_061, "10:01:01 h"),
    ],
)
def test_a_time_is_shown_in_its_unit(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_asks_the_run_to_stop_and_leaves_the_signal_as_it_was(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stderr = io.StringIO()
    progress = BroadcastProgress(Output(stdout=io.StringIO(), stderr=stderr), "resume it")

    with progress.shown() as stop:
        stopped = [stop.is_set()]
        os.kill(os.getpid(), number)
        stopped.append(stop.is_set())

    assert stopped == [False, True]
    assert signal.getsignal(number) is before
    assert "Press Ctrl-C again" in stderr.getvalue()
