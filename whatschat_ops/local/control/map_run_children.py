"""The children of a Map Run: as many at once as its limits say, until all have ended, too many failed, or it was stopped."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Final

LOOK_S: Final = 0.1
"""How often a Map Run looks whether its execution was stopped or its limits were changed."""
UNLIMITED_AT_ONCE: Final = 64
"""Children at once without MaxConcurrency; AWS: 10,000."""
_child: ContextVar[dict[str, Any] | None] = ContextVar("whatschat_child", default=None)


class ChildAborted(Exception):
    """The child was aborted: it takes no further step. Not one of the errors that a state may retry or catch."""


def require_not_aborted() -> None:
    """Raise ChildAborted in the thread of a child that was aborted."""
    if (child := _child.get()) is not None and child["status"] != "RUNNING":
        raise ChildAborted


@dataclass(slots=True)
class Children:
    """The children of one attempt at a Map Run, original or redriven. `record` is the Map Run, `waiting` has the items to begin."""

    record: dict[str, Any]
    execution: dict[str, Any]
    children: dict[int, dict[str, Any]]
    """Newest child of each item that was begun."""
    waiting: deque[int]
    run_child: Callable[[dict[str, Any], int], Any]
    """Runs one child to its end and gives its output; raises."""
    new_child: Callable[[int], dict[str, Any]]
    now: Callable[[], str]
    changed: threading.Condition = field(default_factory=threading.Condition)

    def until_ended(self) -> None:
        """Run children until all have ended, too many failed, or the execution was stopped."""
        with self.changed:
            while self._goes_on():
                while self.waiting and self._running() < (self.record["maxConcurrency"] or UNLIMITED_AT_ONCE):
                    self._begin(self.waiting.popleft())
                self._count()
                if not self.waiting and not self._running():
                    return
                self.changed.wait(LOOK_S)
            for child in self.children.values():
                if child["status"] == "RUNNING":
                    child.update(status="ABORTED", stopDate=self.now())
            self._count(aborted=len(self.waiting))

    def _goes_on(self) -> bool:
        return self.execution["status"] == "RUNNING" and not exceeded(self.record, self._of("FAILED"))

    def _of(self, *statuses: str) -> int:
        return sum(child["status"] in statuses for child in self.children.values())

    def _running(self) -> int:
        return self._of("RUNNING")

    def _begin(self, index: int) -> None:
        child = self.children[index] = self.new_child(index)
        threading.Thread(target=copy_context().run, args=(self._run, child, index), daemon=True).start()

    def _run(self, child: dict[str, Any], index: int) -> None:
        _child.set(child)
        try:
            ended = {"status": "SUCCEEDED", "output": json.dumps(self.run_child(child, index))}
        except Exception as error:  # noqa: BLE001  whatever it is, the child failed
            ended = {
                "status": "FAILED",
                "error": getattr(error, "error", "States.TaskFailed"),
                "cause": getattr(error, "cause", str(error)),
            }
        with self.changed:
            if child["status"] == "RUNNING":  # else it was aborted in the meantime
                child.update(ended, stopDate=self.now())
            self.changed.notify_all()

    def _count(self, aborted: int = 0) -> None:
        counts = {
            "pending": 0 if aborted else len(self.waiting),
            "running": self._running(),
            "succeeded": self._of("SUCCEEDED"),
            "failed": self._of("FAILED"),
            "aborted": self._of("ABORTED") + aborted,
        }
        for name in ("itemCounts", "executionCounts"):
            self.record[name] = {**self.record[name], **counts}


def exceeded(record: Mapping[str, Any], failed: int) -> bool:
    """Whether more items of a Map Run failed than it tolerates. Without a threshold, one is too many."""
    limits = record["_limits"]
    if not failed or not limits:
        return bool(failed)
    too_many = "toleratedFailureCount" in limits and failed > record["toleratedFailureCount"]
    share = record["toleratedFailurePercentage"] * record["itemCounts"]["total"]
    return too_many or ("toleratedFailurePercentage" in limits and failed * 100 > share)
