"""The rows of the table of corrections for CloudWatch."""

from __future__ import annotations

from typing import Final

from whatschat_ops.local.control import dynamodb_metrics
from whatschat_ops.local.control.cloudwatch import CloudWatch
from whatschat_ops.local.control.correction import Correction, Parts
from whatschat_ops.local.control.dynamodb_metrics import OPERATIONS
from whatschat_ops.local.control.modules import Modules


def _cloudwatch(modules: Modules, parts: Parts) -> CloudWatch:
    return CloudWatch(modules.cloudwatch, parts.clock, modules.responses.request_scope)


CLOUDWATCH: Final = (
    Correction(
        what="a metric without dimensions is the sum of all of its name; tm, wm, tc, ts, pr and unknown statistics are the average; GetMetricData has no pages, no ScanBy and no result for expressions; ListMetrics has no pages and no RecentlyActive",
        why="metrics with exactly the dimensions of the request, pages, newest first; expressions and trimmed statistics are refused",
        source="CloudWatch API Reference, GetMetricData, GetMetricStatistics, ListMetrics, PutMetricData",
        replaces=(
            "cloudwatch._get_metric_data",
            "cloudwatch._get_metric_statistics",
            "cloudwatch._list_metrics",
            "cloudwatch._put_metric_data",
        ),
        apply=lambda modules, parts: _cloudwatch(modules, parts).install_metrics(),
    ),
    Correction(
        what="an alarm is evaluated when PutMetricData is called, over the points of all dimensions at once, without DatapointsToAlarm, TreatMissingData and a way back to INSUFFICIENT_DATA",
        why="by period and dimensions, as missing data are treated, every two seconds too; alarms on expressions are refused",
        source="CloudWatch User Guide, Configuring how CloudWatch alarms treat missing data",
        replaces=(
            "cloudwatch._evaluate_alarm",
            "cloudwatch._put_metric_alarm",
            "cloudwatch.cloudformation_put_metric_alarm",
        ),
        apply=lambda modules, parts: _cloudwatch(modules, parts).install_alarms(),
    ),
    Correction(
        what="PutDashboard accepts any text; a dashboard belongs to a Region",
        why="InvalidParameterInput with the path of the error; global",
        source="CloudWatch API Reference, PutDashboard; Dashboard body structure and syntax",
        replaces=(
            "cloudwatch._delete_dashboards",
            "cloudwatch._get_dashboard",
            "cloudwatch._list_dashboards",
            "cloudwatch._put_dashboard",
            "cloudwatch.cloudformation_put_dashboard",
        ),
        apply=lambda modules, parts: _cloudwatch(modules, parts).install_dashboards(),
    ),
    Correction(
        what="accepts suppressed actions, filters of DescribeAlarms, entities and other parameters that it never reads",
        why="refused by name with ValidationError",
        source="our decision: what is accepted is done; the service model of CloudWatch",
        replaces=(
            "cloudwatch._describe_alarms",
            "cloudwatch._get_metric_data",
            "cloudwatch._list_metrics",
            "cloudwatch._put_composite_alarm",
            "cloudwatch._put_metric_alarm",
            "cloudwatch._put_metric_data",
        ),
        apply=lambda modules, parts: _cloudwatch(modules, parts).install_refusals(),
    ),
    Correction(
        what="DynamoDB writes no metrics",
        why="consumed capacity, latency by operation, items that TTL deletes",
        source="DynamoDB Developer Guide, DynamoDB metrics and dimensions",
        replaces=(
            "dynamodb.json_response",
            "dynamodb._remove_item",
            *(f"dynamodb.{name}" for name in OPERATIONS),
        ),
        apply=lambda modules, parts: dynamodb_metrics.install(
            modules.dynamodb, parts.telemetry.add_point, modules.responses.request_scope
        ),
    ),
)
