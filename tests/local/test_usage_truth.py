"""Measured usage is what was done: the short version of `python -m tests.usage_truth`, which says more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.conftest import EmbeddedAws
from tests.usage_truth.damages import all_of
from tests.usage_truth.doing import do, stack
from tests.usage_truth.proof import World, billed, rows, world

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def traffic(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("truth")
    with stack(embedded_aws, folder) as cli:
        yield world(embedded_aws, cli, do(embedded_aws, cli, sockets=2, seconds=1), folder)


@pytest.fixture(autouse=True)
def in_environment(
    clean_environment: None, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)


def test_every_source_measures_what_was_done(traffic: World) -> None:
    found = list(rows(traffic))
    assert len(found) == 25
    assert [row for row in found if not row.is_equal] == []


def test_bill_of_the_same_usage_has_no_gap(traffic: World) -> None:
    found = list(billed(traffic))
    assert {row.usage_type for row in found} >= {"USE1-ApiGatewayMessage", "USE1-ApiGatewayMinute", "USE1-attendee-minutes"}  # fmt: skip
    assert [row for row in found if not row.is_equal] == []


def test_every_damage_is_counted(traffic: World) -> None:
    found = list(all_of(traffic))
    assert [each.source for each in found] == [
        source for source in ("logs", "calls", "bill", "cloudwatch", "journals", "ledger") for _ in range(5)
    ]
    assert [each for each in found if not each.is_equal] == []
