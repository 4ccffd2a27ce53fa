"""Work along a dependency graph, several at once. Knows nothing of resources.

`graphlib` says what is ready, a thread pool does it; of what is ready, that comes first which the longest chain waits for. What
depends on a failure is skipped; the rest goes on. Once `stop` is set nothing new is started, what runs is finished, and
the outcome says what was not started.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import Generic, TypeVar

from msgspec import Struct, field

T = TypeVar("T")


class Walk(Struct, Generic[T]):
    """How it went: results and errors by node, what was skipped (and which node's failure caused it), what never started."""

    results: dict[str, T] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    not_started: tuple[str, ...] = ()


def walk(
    dependencies: Mapping[str, Collection[str]],
    work: Callable[[str], T],
    *,
    concurrency: int,
    stop: threading.Event | None = None,
) -> Walk[T]:
    """Run `work(node)` for every node after all of its dependencies, at most `concurrency` at once.

    Exceptions of `work` are collected. Every dependency must be a node. Raises graphlib.CycleError.
    """
    sorter = TopologicalSorter(dependencies)
    sorter.prepare()
    chains = chains_behind(dependencies)
    outcome: Walk[T] = Walk()
    running: dict[Future[T], str] = {}
    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="provision") as pool:
        waiting: list[str] = []
        while True:
            waiting.extend(_ready(sorter, dependencies, outcome))
            waiting.sort(
                key=lambda node: -chains[node]
            )  # equals stay in the order in which they became ready
            # What is handed to the pool cannot be held back any more: never more than can run.
            while waiting and len(running) < concurrency and not (stop and stop.is_set()):
                node = waiting.pop(0)
                running[pool.submit(work, node)] = node
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                node = running.pop(future)
                _settle(node, future, outcome)
                sorter.done(node)
    settled = outcome.results.keys() | outcome.errors.keys() | outcome.skipped.keys()
    outcome.not_started = tuple(node for node in dependencies if node not in settled)
    return outcome


def chains_behind(dependencies: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Node -> the length of the longest chain of nodes that wait for it, directly or not.

    >>> chains_behind({"role": (), "table": (), "function": ("role",), "stage": ("function", "table")})
    {'stage': 0, 'function': 1, 'table': 1, 'role': 2}
    """
    last_first = reversed(tuple(TopologicalSorter(dependencies).static_order()))
    lengths = dict.fromkeys(last_first, 0)
    for node, length in lengths.items():
        for dependency in dependencies[node]:
            lengths[dependency] = max(lengths[dependency], length + 1)
    return lengths


def _ready(
    sorter: TopologicalSorter[str], dependencies: Mapping[str, Collection[str]], outcome: Walk[T]
) -> list[str]:
    """Nodes that may start now; those behind a failure are marked as skipped on the way."""
    startable: list[str] = []
    while nodes := sorter.get_ready():
        for node in nodes:
            causes = [d for d in dependencies[node] if d in outcome.errors or d in outcome.skipped]
            if causes:
                outcome.skipped[node] = outcome.skipped.get(causes[0], causes[0])
                sorter.done(node)
            else:
                startable.append(node)
    return startable


def _settle(node: str, future: Future[T], outcome: Walk[T]) -> None:
    error = future.exception()
    if error is None:
        outcome.results[node] = future.result()
    elif isinstance(error, Exception):
        outcome.errors[node] = error
    else:
        raise error
