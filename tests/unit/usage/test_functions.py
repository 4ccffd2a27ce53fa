"""Requests and GB-seconds of functions whose versions differ."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from whatschat_ops.metrics.reading import Metric
from whatschat_ops.usage.functions import METRICS, Part, metrics_of, used
from whatschat_ops.usage.measured import Bounded


def version(number: str, memory_mb: int = 256, architecture: str | None = "arm64") -> dict[str, Any]:
    architectures = {} if architecture is None else {"Architectures": [architecture]}
    return {"Version": number, "MemorySize": memory_mb, **architectures}


def sums(parts: list[Part], amounts: Mapping[str | None, tuple[int, int]]) -> dict[Metric, Decimal | None]:
    return {
        part.named(name): Decimal(amount)
        for part in parts
        if part.qualifier in amounts
        for name, amount in zip(METRICS, amounts[part.qualifier], strict=True)
    }


def test_versions_that_run_with_the_same_are_asked_for_at_once() -> None:
    parts = metrics_of("f", [version("$LATEST"), version("1"), version("2")])
    assert [part.qualifier for part in parts] == [None]
    found = used(parts, sums(parts, {None: (1_000, 8_000)}))
    assert found.quantities == {
        "lambda_requests": Bounded.exactly(1_000),
        "lambda_duration_arm64": Bounded(Decimal(2), Decimal("2.25")),  # 1 ms more for each of 1,000
    }
    assert found.remarks == ()


def test_a_function_without_data_points_used_nothing_that_is_known() -> None:
    parts = metrics_of("f", [version("$LATEST")])
    assert used(parts, {}).quantities == {}


def test_processors_are_apart_and_x86_is_what_says_nothing() -> None:
    parts = metrics_of("f", [version("$LATEST", 1_024, None)])
    found = used(parts, sums(parts, {None: (0, 0)}))
    assert found.quantities == {"lambda_requests": Bounded.exactly(0)}
    assert "lambda_duration_x86_64" in used(parts, sums(parts, {None: (1, 1)})).quantities


def test_versions_with_different_memory_are_told_apart_by_what_was_called() -> None:
    parts = metrics_of("f", [version("$LATEST", 1_024), version("1", 128), version("2", 512)])
    assert [part.qualifier for part in parts] == [None, "live", "1", "2"]
    amounts = {None: (30, 30_000), "live": (10, 10_000), "2": (10, 10_000)}
    found = used(parts, sums(parts, amounts))
    # live: 10 s at 128 to 512 MB; version 2: 10 s at 512 MB; the rest, without a qualifier, may be any of them.
    assert found.quantities["lambda_duration_arm64"] == Bounded(
        Decimal("1.25") + 5 + Decimal("1.25"), Decimal("5.005") + Decimal("5.005") + Decimal("10.01")
    )
    assert "do not tell apart" in found.remarks[0]


def test_parts_that_are_more_than_the_whole_leave_no_negative_rest() -> None:
    parts = metrics_of("f", [version("$LATEST", 128), version("1", 256)])
    found = used(parts, sums(parts, {None: (1, 500), "1": (2, 1_000)}))
    assert found.quantities["lambda_duration_arm64"].low == Decimal("0.25")
