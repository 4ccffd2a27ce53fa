"""The rows of the table of corrections for CloudWatch Logs."""

from __future__ import annotations

import time
from typing import Final

from whatschat_ops.local.control.correction import Correction, Parts, wrap_handler
from whatschat_ops.local.control.logs import LogRates, Logs
from whatschat_ops.local.control.modules import Modules


def _logs(modules: Modules, parts: Parts) -> Logs:
    return Logs(modules.cloudwatch_logs, parts.telemetry, parts.may_invoke)


def _throttle_reads(modules: Modules, _: Parts) -> None:
    wrap_handler(modules, "logs", LogRates(modules.cloudwatch_logs, time.monotonic).throttled)


LOGS: Final = (
    Correction(
        what="FilterLogEvents: a JSON pattern matches every event, terms match in any case, `?` and `%…%` are not recognised, `limit` cuts off without a nextToken; other patterns match their words in any order",
        why="AWS's patterns, in Live Tail and subscription filters too; pages end at 10,000 events, 1 MB or 20,000 events searched, with a nextToken",
        source="CloudWatch Logs User Guide, Filter pattern syntax; API Reference, FilterLogEvents",
        replaces=(
            "cloudwatch_logs._filter_log_events",
            "cloudwatch_logs._start_live_tail",
            "cloudwatch_logs._subscription_pattern_matches",
        ),
        apply=lambda modules, parts: _logs(modules, parts).install_search(),
    ),
    Correction(
        what="metric filters, the embedded metric format and incoming events make no metrics; subscription filters need no permission and are accepted for destinations that get nothing",
        why="they make metrics; the function's policy is checked, other destinations are refused",
        source="CloudWatch Logs User Guide, Creating metrics from log events using filters, Monitoring with CloudWatch metrics; CloudWatch User Guide, Specification: Embedded metric format",
        replaces=(
            "cloudwatch_logs._fanout_to_subscription_filters",
            "cloudwatch_logs._put_metric_filter",
            "cloudwatch_logs._put_subscription_filter",
        ),
        apply=lambda modules, parts: _logs(modules, parts).install_filters(),
    ),
    Correction(
        what="PutLogEvents stores events in any order, of any age and size",
        why="a batch that is not in order, over 1 MB or over 24 hours is refused; events that are too old or too new are reported and not stored",
        source="CloudWatch Logs API Reference, PutLogEvents",
        replaces=("cloudwatch_logs._put_log_events",),
        apply=lambda modules, parts: _logs(modules, parts).install_batches(parts.clock),
    ),
    Correction(
        what="Logs Insights ignores `stats`, `parse`, `dedup`, `display` and every condition on a field that is not its own",
        why="refused with MalformedQueryException",
        source="our decision: a wrong result is worse than none",
        replaces=("cloudwatch_logs._start_query",),
        apply=lambda modules, parts: _logs(modules, parts).install_queries(),
    ),
    Correction(
        what="has no TestMetricFilter",
        why="tests a pattern on messages",
        source="CloudWatch Logs API Reference, TestMetricFilter",
        replaces=("app.SERVICE_HANDLERS[logs]",),
        apply=lambda modules, parts: wrap_handler(
            modules, "logs", _logs(modules, parts).with_test_metric_filter
        ),
    ),
    Correction(
        what="never throttles",
        why="FilterLogEvents, GetLogEvents and DescribeLogStreams answer ThrottlingException over the Region's rate",
        source="CloudWatch Logs quotas",
        replaces=("app.SERVICE_HANDLERS[logs]",),
        apply=_throttle_reads,
    ),
)
