"""A broadcast prunes through this stack's own API only: another one says of every connection of ours that it is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.broadcast.broadcast_fakes import (  # noqa: F401 - let_go is a fixture
    PagedRows,
    RecordingEngine,
    RecordingPruner,
    let_go,
    new_journal,
)
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.broadcast import broadcasting
from whatschat_ops.broadcast.audience.targets import Source
from whatschat_ops.broadcast.broadcasting import Broadcasting
from whatschat_ops.broadcast.engine import Engine
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.config import Settings
from whatschat_ops.sender.model import SendPolicy
from whatschat_ops.stack.outputs import StackOutputs

ALL = tuple(f"c{index}" for index in range(10))
OTHER = "https://other.execute-api.us-east-1.amazonaws.com/production"
POLICY = SendPolicy(rate_per_s=1, burst=1)


class Broadcasts(Broadcasting):
    """Broadcasts to ten rows, of whose connections these are gone."""

    gone: tuple[str, ...] = ()

    def _source(self, journal: Journal, say: Callable[[str], None]) -> Source:
        return PagedRows(10)

    def _engine(self, journal: Journal, policy: SendPolicy, say: Callable[[str], None]) -> Engine:
        return RecordingEngine(gone=self.gone)


@pytest.mark.parametrize(
    ("own", "gone", "deleted", "says"),
    [
        (True, ALL, ALL, False),
        (True, ("c1",), ("c1",), False),
        (False, ("c1",), ("c1",), False),  # what was delivered went through the stack's API
        (False, ALL, (), True),
    ],
)
def test_rows_stay_when_all_connections_are_gone_for_an_api_that_may_be_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: bool,
    gone: tuple[str, ...],
    deleted: tuple[str, ...],
    says: bool,
) -> None:
    pruner, tables, said = RecordingPruner(), list[str](), list[str]()

    def row_pruner(_aws: Aws, table: str) -> RecordingPruner:
        tables.append(table)
        return pruner

    monkeypatch.setattr(broadcasting, "endpoint_is_own", lambda *_: own)
    monkeypatch.setattr(broadcasting, "RowPruner", row_pruner)
    stack = StackOutputs.__new__(StackOutputs)
    broadcasts = Broadcasts(tmp_path, Settings(), Aws(AwsTarget("us-east-1")), stack)
    monkeypatch.setattr(Broadcasts, "gone", gone)
    monkeypatch.setattr(StackOutputs, "callback_url", OTHER)
    summary = broadcasts.work_on(new_journal(tmp_path, complete=False), POLICY, say=said.append)
    assert sorted(pruner.deleted) == sorted(deleted)
    assert summary.not_pruned == len(gone) - len(deleted)
    assert tables == ["websocket-connections"]
    assert (
        said
        == [
            f"The rows of gone connections stay: nothing was delivered through {OTHER}, so it may not be this stack's API."
        ]
        * says
    )
