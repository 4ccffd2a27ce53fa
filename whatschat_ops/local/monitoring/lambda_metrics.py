"""The metrics of AWS/Lambda: those of a function are the sums of those of its aliases and versions. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from whatschat_ops.local.monitoring.metric_queries import Metric, Store
from whatschat_ops.local.monitoring.statistics import Point

LAMBDA: Final = "AWS/Lambda"
CONCURRENCY: Final = "ConcurrentExecutions"


def lambda_points(name: str, dimensions: Mapping[str, str], store: Store) -> Iterator[Point]:
    """The points of a metric of AWS/Lambda: those of a function are those of its aliases too, those of no function all.

    Lambda Developer Guide, "Types of metrics for Lambda functions". A point is stored once, with all its dimensions. Concurrency
    is no sum: it is counted for a function and for all.
    """
    return (
        point
        for (namespace, found, _), points in store
        if found == name
        and namespace == LAMBDA
        and points
        and dimensions.items() <= points[0]["Dimensions"].items()
        and (name != CONCURRENCY or dimensions == points[0]["Dimensions"])
        for point in points
    )


def with_lambda_sums(store: Store) -> list[tuple[Metric, Sequence[Point]]]:
    """The store, and the metrics of AWS/Lambda that `lambda_points` adds up."""
    stored = list(store)
    sums: dict[Metric, list[Point]] = defaultdict(list)
    for (namespace, name, _), points in stored:
        own = points[0]["Dimensions"] if namespace == LAMBDA and points else {}
        for fewer in ({}, {"FunctionName": own["FunctionName"]}) if "FunctionName" in own else ():
            if fewer != own:
                key = "|".join(f"{dimension}={value}" for dimension, value in fewer.items())
                sums[namespace, name, key].append({**points[-1], "Dimensions": fewer})
    known = {metric for metric, _ in stored}
    return [*stored, *((metric, points) for metric, points in sums.items() if metric not in known)]
