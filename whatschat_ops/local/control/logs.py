"""CloudWatch Logs in ministack: AWS's filter patterns, pages and throttle, and the metrics that log events make."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from whatschat_ops.local.control.telemetry import Telemetry
from whatschat_ops.local.control.wire import Handler, Response, operation
from whatschat_ops.local.gateway.throttle import TokenBucket
from whatschat_ops.local.interfaces import Throttle
from whatschat_ops.local.monitoring import insights, log_batch, log_metrics, log_search
from whatschat_ops.local.monitoring.filter_pattern import compile_pattern
from whatschat_ops.local.monitoring.log_search import PageLimits, Search
from whatschat_ops.local.monitoring.pattern_condition import InvalidPattern
from whatschat_ops.quotas import MAX_LOG_PAGE_EVENTS, MAX_SUBSCRIPTION_FILTERS, log_read_rate

_log = logging.getLogger(__name__)

Request = Mapping[str, Any]
MayInvoke = Callable[[str, str, str], bool]
"""(service principal, function ARN, source ARN) -> whether the function's policy lets the service invoke it."""


class Logs:
    """What replaces ministack's functions of the same operations."""

    def __init__(
        self,
        cloudwatch_logs: Any,
        telemetry: Telemetry,
        may_invoke: MayInvoke,
        limits: PageLimits | None = None,
    ) -> None:
        self._cloudwatch_logs = cloudwatch_logs
        self._telemetry = telemetry
        self._may_invoke = may_invoke
        self._limits = limits or PageLimits()

    def install_search(self) -> None:
        """FilterLogEvents; and patterns that no operation accepts."""
        self._cloudwatch_logs._filter_log_events = self._refusing_patterns(
            self._filter_log_events, "filterPattern"
        )
        live_tail = self._cloudwatch_logs._start_live_tail
        self._cloudwatch_logs._start_live_tail = self._refusing_patterns(live_tail, "logEventFilterPattern")
        self._cloudwatch_logs._subscription_pattern_matches = lambda pattern, message: (
            compile_pattern(pattern or "")(message or "") is not None
        )

    def install_filters(self) -> None:
        """Metric filters and the embedded metric format make metrics; subscription filters deliver, or are refused."""
        deliver, put_subscription = (
            self._cloudwatch_logs._fanout_to_subscription_filters,
            self._cloudwatch_logs._put_subscription_filter,
        )
        put_metric = self._cloudwatch_logs._put_metric_filter

        def fan_out(group: str, stream: str, events: list[dict[str, Any]]) -> None:
            self._count_incoming(group, events)
            try:
                self._record_metrics(group, events)
            except Exception:  # noqa: BLE001  logged; the caller is writing a function's log
                _log.exception("Log events of %s made no metrics.", group)
            deliver(group, stream, events)

        def put_subscription_filter(data: Request) -> Response:
            return self._subscription_refusal(data) or put_subscription(data)

        def put_metric_filter(data: Request) -> Response:
            reason = log_metrics.transformation_error(data.get("metricTransformations") or [])
            for name in ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions"):
                if data.get(name):
                    reason = (
                        f"{name} is refused: the embedded AWS does not transform logs or read system fields."
                    )
            return self._invalid(reason) if reason else put_metric(data)

        self._cloudwatch_logs._fanout_to_subscription_filters = fan_out
        self._cloudwatch_logs._put_subscription_filter = self._refusing_patterns(
            put_subscription_filter, "filterPattern"
        )
        self._cloudwatch_logs._put_metric_filter = self._refusing_patterns(put_metric_filter, "filterPattern")

    def install_batches(self, clock: Callable[[], float]) -> None:
        """PutLogEvents: batches that AWS refuses, and events that it does not store. `clock` gives epoch seconds."""
        put = self._cloudwatch_logs._put_log_events

        def put_log_events(data: Request) -> Response:
            events = data.get("logEvents") or []
            if reason := log_batch.batch_error(events):
                return self._invalid(reason)
            kept, rejected = log_batch.stored(events, clock())
            status, headers, body = put({**data, "logEvents": kept})
            if status != 200 or not rejected:
                return status, headers, body
            return self._json({**json.loads(body), "rejectedLogEventsInfo": rejected})

        self._cloudwatch_logs._put_log_events = put_log_events

    def install_queries(self) -> None:
        """Logs Insights: what ministack would ignore is refused."""
        start = self._cloudwatch_logs._start_query

        def start_query(data: Request) -> Response:
            reason = insights.refusal(str(data.get("queryString") or ""), data.get("queryLanguage"))
            return self._error("MalformedQueryException", reason) if reason else start(data)

        self._cloudwatch_logs._start_query = start_query

    def with_test_metric_filter(self, handler: Handler) -> Handler:
        """TestMetricFilter, which ministack does not have."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
            if operation(path, headers, body) != "TestMetricFilter":
                return await handler(method, path, headers, body, query_params)
            return self._refusing_patterns(self._test_metric_filter, "filterPattern")(
                json.loads(body or b"{}")
            )

        return handle

    # --- FilterLogEvents ------------------------------------------------------------------------------------------

    def _filter_log_events(self, data: Request) -> Response:
        group = self._cloudwatch_logs._log_groups.get(self._cloudwatch_logs._resolve_log_group_name(data))
        if group is None:
            return self._error("ResourceNotFoundException", "The specified log group does not exist.")
        names, prefix = data.get("logStreamNames"), data.get("logStreamNamePrefix")
        if names and prefix:
            return self._invalid("logStreamNames and logStreamNamePrefix are mutually exclusive")
        if not set(names or ()) <= set(group["streams"]):
            return self._error("ResourceNotFoundException", "The specified log stream does not exist.")
        try:
            wanted = _search(data)
        except ValueError as error:
            return self._invalid(str(error))
        with self._cloudwatch_logs._log_events_lock:
            streams = {
                name: stream["events"]
                for name, stream in group["streams"].items()
                if (name in names if names else name.startswith(prefix or ""))
            }
        return self._json(_page(log_search.search(streams, wanted, self._limits)))

    # --- what log events cause ------------------------------------------------------------------------------------

    def _count_incoming(self, group: str, events: list[dict[str, Any]]) -> None:
        """The metrics of AWS/Logs of a group (CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics")."""
        size_bytes = sum(len(str(event.get("message") or "").encode()) for event in events)
        for name, value, unit in (
            ("IncomingBytes", size_bytes, "Bytes"),
            ("IncomingLogEvents", len(events), "None"),
        ):
            self._telemetry.add_point("AWS/Logs", name, value, unit, {"LogGroupName": group})

    def _record_metrics(self, group: str, events: list[dict[str, Any]]) -> None:
        filters = [
            found
            for found in self._cloudwatch_logs._metric_filters.values()
            if found["logGroupName"] == group
        ]
        timed = [(event["timestamp"], event.get("message") or "") for event in events if "timestamp" in event]
        found = [metric for _, message in timed for metric in log_metrics.embedded_metrics(message)]
        for metric_filter in filters:
            for transformation in metric_filter["metricTransformations"]:
                found += log_metrics.filter_metrics(transformation, metric_filter["filterPattern"], timed)
        for metric in found:
            self._telemetry.add_log_metric(metric)

    def _test_metric_filter(self, data: Request) -> Response:
        matcher = compile_pattern(data.get("filterPattern") or "")
        messages = enumerate(data.get("logEventMessages") or [], start=1)
        matches = [(number, message, matcher(message)) for number, message in messages]
        return self._json(
            {
                "matches": [
                    {"eventNumber": number, "eventMessage": message, "extractedValues": dict(match)}
                    for number, message, match in matches
                    if match is not None
                ]
            }
        )

    def _subscription_refusal(self, data: Request) -> Response | None:
        name, group = data.get("filterName"), self._cloudwatch_logs._log_groups.get(data.get("logGroupName"))
        arn = str(data.get("destinationArn") or "")
        if group is None:
            return None
        if ":function:" not in arn:
            return self._invalid(
                f"The destination {arn} is refused: the embedded AWS does not deliver log events to anything but Lambda functions."
            )
        if not self._may_invoke("logs.amazonaws.com", arn, group["arn"]):
            return self._invalid(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function."
            )
        if len({*group["subscriptionFilters"], name}) > MAX_SUBSCRIPTION_FILTERS:
            return self._error("LimitExceededException", "Resource limit exceeded.")
        return None

    # --- responses ------------------------------------------------------------------------------------------------

    def _refusing_patterns(
        self, answer: Callable[[Request], Response], member: str
    ) -> Callable[[Request], Response]:
        def checked(data: Request) -> Response:
            try:
                compile_pattern(str(data.get(member) or ""))
            except InvalidPattern as error:
                return self._invalid(str(error))
            return answer(data)

        return checked

    def _json(self, document: Mapping[str, Any]) -> Response:
        response: Response = self._cloudwatch_logs.json_response(document)
        return response

    def _invalid(self, message: str) -> Response:
        return self._error("InvalidParameterException", message)

    def _error(self, code: str, message: str) -> Response:
        response: Response = self._cloudwatch_logs.error_response_json(code, message, 400)
        return response


class LogRates:
    """The Region's throttle of the operations that read log events."""

    def __init__(self, cloudwatch_logs: Any, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._cloudwatch_logs = cloudwatch_logs
        self._clock = clock
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def throttled(self, handler: Handler) -> Handler:
        """ThrottlingException for a call over the rate."""

        async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
            if self._admits(operation(path, headers, body) or ""):
                return await handler(method, path, headers, body, query_params)
            refused: Response = self._cloudwatch_logs.error_response_json(
                "ThrottlingException", "Rate exceeded", 400
            )
            return refused

        return handle

    def _admits(self, name: str) -> bool:
        region, now = self._cloudwatch_logs.get_region(), self._clock()
        rate = log_read_rate(region, name)
        if rate is None:
            return True
        bucket = self._buckets.get((region, name))
        if bucket is None:
            bucket = self._buckets[region, name] = TokenBucket(Throttle(rate, rate), now)
        return bucket.take(now)


def _search(data: Request) -> Search:
    token = data.get("nextToken")
    try:
        after = log_search.decode(token) if token else None
    except (ValueError, TypeError):
        raise ValueError("The specified nextToken is invalid.") from None
    return Search(
        compile_pattern(data.get("filterPattern") or ""),
        data.get("startTime"),
        data.get("endTime"),
        min(int(data.get("limit") or MAX_LOG_PAGE_EVENTS), MAX_LOG_PAGE_EVENTS),
        data.get("startFromHead") is False,
        after,
    )


def _page(page: log_search.Page) -> dict[str, Any]:
    events = [{**event, "logStreamName": stream} for stream, event in page.events]
    token = {"nextToken": log_search.encode(page.next)} if page.next else {}
    return {"events": events, "searchedLogStreams": [], **token}
