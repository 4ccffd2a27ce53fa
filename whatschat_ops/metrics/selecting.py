"""Which metrics of CloudWatch a stack's figures are made of. Pure.

The dimensions of an API, a function and a table are known. What there is of routes, of a table's operations and of Chime is
found in ListMetrics: AWS's page says {ApiId, Method, Resource, Stage} of a route, accounts show {ApiId, Stage, Route}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from whatschat_ops.metrics import catalog
from whatschat_ops.metrics.catalog import Shown
from whatschat_ops.metrics.reading import Metric, Query
from whatschat_ops.quotas import API_ROUTES


@dataclass(frozen=True, slots=True)
class Wanted:
    """One figure: the queries that it is the sum of, one for most. Without any it is missing."""

    shown: Shown
    of: str | None
    queries: tuple[Query, ...]


def of_api(api_id: str, stage: str) -> list[Wanted]:
    """The figures of one stage of the API."""
    return list(_known(catalog.GATEWAY, catalog.API, None, {"ApiId": api_id, "Stage": stage}))


def of_routes(api_id: str, stage: str, listed: Iterable[Metric]) -> list[Wanted]:
    """The figures of the routes that have detailed metrics, of as many as an API can have."""
    by_route: dict[str, list[Metric]] = {}
    for metric in listed:
        if (route := _route(dict(metric.dimensions), api_id, stage)) is not None:
            by_route.setdefault(route, []).append(metric)
    return [
        wanted
        for route in sorted(by_route)[:API_ROUTES]
        for wanted in _found(catalog.ROUTE, route, by_route[route])
        if wanted.queries
    ]


def _route(dimensions: dict[str, str], api_id: str, stage: str) -> str | None:
    """The route that a metric is about, if it is about a route of this stage and nothing narrower."""
    if (dimensions.pop("ApiId", None), dimensions.pop("Stage", None)) != (api_id, stage):
        return None
    if dimensions.keys() == {"Route"}:
        return dimensions["Route"]
    return dimensions["Resource"] if dimensions.keys() == {"Method", "Resource"} else None


def of_function(function: str) -> list[Wanted]:
    """The figures of a function: of all its versions and aliases, the API's `live` among them."""
    return list(_known(catalog.LAMBDA, catalog.FUNCTION, function, {"FunctionName": function}))


def of_account() -> list[Wanted]:
    """The concurrent executions of all functions of the account in the Region."""
    return list(_known(catalog.LAMBDA, [catalog.CONCURRENCY], None, {}))


def of_table(table: str, listed: Sequence[Metric]) -> list[Wanted]:
    """The figures of a table. `listed` are its metrics: those of its operations are added up, those of indexes are not."""
    of_operations = [
        metric
        for metric in listed
        if dict(metric.dimensions).keys() == {"TableName", "Operation"}
        and ("TableName", table) in metric.dimensions
    ]
    requests = _found(catalog.TABLE_OPERATIONS, table, of_operations)
    return [*requests, *_known(catalog.DYNAMODB, catalog.TABLE, table, {"TableName": table})]


def of_chime(calls: Sequence[Metric], meetings: Sequence[Metric]) -> list[Wanted]:
    """The calls of Chime SDK in AWS/Usage, and whatever counts AWS/ChimeSDK has, each name with its fewest dimensions."""
    of_api = [metric for metric in calls if ("Type", "API") in metric.dimensions]
    found = list(_found(catalog.CALLS, None, of_api))
    for name in sorted({metric.name for metric in meetings}):
        named = [metric for metric in meetings if metric.name == name]
        fewest = min(len(metric.dimensions) for metric in named)
        broad = [metric for metric in named if len(metric.dimensions) == fewest]
        found += _found([Shown(name, name)], None, broad)
    return found


def _known(
    namespace: str, shown: Iterable[Shown], of: str | None, dimensions: dict[str, str]
) -> Iterator[Wanted]:
    for each in shown:
        yield Wanted(each, of, (Query(Metric.of(namespace, each.metric, dimensions), each.statistic),))


def _found(shown: Iterable[Shown], of: str | None, metrics: Sequence[Metric]) -> Iterator[Wanted]:
    for each in shown:
        named = (metric for metric in metrics if metric.name == each.metric)
        yield Wanted(each, of, tuple(Query(metric, each.statistic) for metric in named))
