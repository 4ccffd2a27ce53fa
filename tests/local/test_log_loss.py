"""A small run of the loss test of `logs tail` (`python -m tests.log_loss`)."""

from __future__ import annotations

import pytest

from tests.local.conftest import EmbeddedAws
from tests.log_loss.judge import judge
from tests.log_loss.scenario import Load, run
from whatschat_ops.local.service import LocalService

pytestmark = pytest.mark.local


def test_small_load_is_shown_exactly_once_with_its_late_events_marked(embedded_aws: EmbeddedAws) -> None:
    running = LocalService(
        embedded_aws.endpoint_url,
        embedded_aws.access_key_id,
        embedded_aws.secret_access_key,
        embedded_aws.pid,
        embedded_aws.port,
        started=False,
    )
    evidence = run(running, Load(events=5_000, rate_per_s=5_000, streams=10), embedded_aws.client("logs"))
    assert [finding for finding in judge(evidence) if not finding.kept] == []
    assert evidence.code == 0
