"""CloudWatch in ministack: AWS's metrics, alarms and dashboards, in the three protocols that its clients speak."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from whatschat_ops import dashboard_body
from whatschat_ops.local.control import refused_parameters
from whatschat_ops.local.control.request_checks import Check
from whatschat_ops.local.control.wire import Response
from whatschat_ops.local.layout import DEFAULT_REGION
from whatschat_ops.local.monitoring import alarms, lambda_metrics, metric_input, metric_queries
from whatschat_ops.local.monitoring.metric_queries import Document, RequestError, Store, Time
from whatschat_ops.local.monitoring.statistics import Point
from whatschat_ops.quotas import MAX_METRIC_AGE_S, MAX_METRIC_AHEAD_S, MAX_METRIC_VALUES

Operation = Callable[[Document], Mapping[str, Any]]
Protocol = tuple[Any, Any, bool, bool]
"""How ministack hands over a request: query parameters, document, whether it is CBOR, whether it is JSON."""


class CloudWatch:
    """What replaces ministack's functions of the same operations."""

    def __init__(self, cloudwatch: Any, clock: Callable[[], float], scope: Callable[[str, str], Any]) -> None:
        """`clock` gives epoch seconds; `scope(account, region)` is a context manager."""
        self._cloudwatch = cloudwatch
        self._clock = clock
        self._scope = scope

    def install_metrics(self) -> None:
        """Statistics, pages and dimensions as on AWS; what is not computed is refused."""
        self._cloudwatch._get_metric_data = self._operation(
            "GetMetricData", lambda request: metric_queries.metric_data(request, self._points)
        )
        self._cloudwatch._get_metric_statistics = self._operation(
            "GetMetricStatistics", lambda request: metric_queries.metric_statistics(request, self._points)
        )
        self._cloudwatch._list_metrics = self._operation(
            "ListMetrics",
            lambda request: metric_queries.listed_metrics(
                request, lambda_metrics.with_lambda_sums(self._cloudwatch._metrics.items()), self._clock()
            ),
        )
        self._cloudwatch._put_metric_data = self._checked(
            self._cloudwatch._put_metric_data, self._require_data
        )

    def install_alarms(self) -> None:
        """Alarms are evaluated as AWS documents it; those on expressions are refused."""
        put_by_template = self._cloudwatch.cloudformation_put_metric_alarm

        def cloudformation_put_metric_alarm(alarm: dict[str, Any]) -> None:
            alarms.require_evaluated(alarm)
            put_by_template(alarm)

        self._cloudwatch.cloudformation_put_metric_alarm = cloudformation_put_metric_alarm
        self._cloudwatch._put_metric_alarm = self._checked(self._cloudwatch._put_metric_alarm, _require_alarm)
        self._cloudwatch._evaluate_alarm = self._evaluate

    def install_dashboards(self) -> None:
        """Bodies are validated; a dashboard is the same in every Region."""
        put, put_by_template = self._cloudwatch._put_dashboard, self._cloudwatch.cloudformation_put_dashboard

        def put_dashboard(*protocol: Any) -> Response:
            try:
                dashboard_body.require_valid(str(_request(protocol).get("DashboardBody") or ""))
            except dashboard_body.InvalidDashboardError as error:
                return self._invalid_dashboard(error, protocol)
            response: Response = put(*protocol)
            return response

        def cloudformation_put_dashboard(name: str, body: str) -> Any:
            dashboard_body.require_valid(body)
            return put_by_template(name, body)

        self._cloudwatch.cloudformation_put_dashboard = cloudformation_put_dashboard
        self._cloudwatch._put_dashboard = self._global(put_dashboard)
        for name in ("_get_dashboard", "_delete_dashboards", "_list_dashboards"):
            setattr(self._cloudwatch, name, self._global(getattr(self._cloudwatch, name)))

    def install_refusals(self) -> None:
        """Parameters that nothing reads are refused."""
        for name, check in refused_parameters.checks("cloudwatch").items():
            function = "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            original = getattr(self._cloudwatch, function)
            setattr(self._cloudwatch, function, self._checked(original, _requirement(check)))

    def evaluate_alarms(self) -> None:
        """Evaluate every metric alarm of every account and Region. The metrics of functions are looked up once for all."""
        found = self._cloudwatch._alarms.all_items()
        of_functions: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
        for (account, region, metric), points in self._cloudwatch._metrics.all_items() if found else ():
            if metric[0] == lambda_metrics.LAMBDA:
                of_functions[account, region].append((metric, points))
        for (account, region, _name), alarm in found:
            with self._scope(account, region):
                self._evaluate(alarm, of_functions[account, region])

    # --- metrics --------------------------------------------------------------------------------------------------

    def _points(
        self, namespace: str, name: str, dimensions: Mapping[str, str], of_functions: Store | None = None
    ) -> Iterable[Point]:
        metrics = self._cloudwatch._metrics
        if namespace == lambda_metrics.LAMBDA:
            store = metrics.items() if of_functions is None else of_functions
            return lambda_metrics.lambda_points(name, dimensions, store)
        return tuple(metrics.get((namespace, name, self._cloudwatch._dims_key(dimensions))) or ())

    def _require_data(self, request: Document) -> None:
        if str(request.get("Namespace") or "").startswith("AWS/"):
            text = "The value AWS/ for parameter Namespace is invalid."
            raise RequestError("InvalidParameterValue", text)
        for number, datum in enumerate(request.get("MetricData") or [], start=1):
            at = f"MetricData.member.{number}"
            values, counts = datum.get("Values"), datum.get("Counts")
            if sum(datum.get(name) is not None for name in ("Value", "Values", "StatisticValues")) != 1:
                raise RequestError(
                    "InvalidParameterCombination", f"{at} must have one of Value, Values and StatisticValues."
                )
            if values and (
                len(values) > MAX_METRIC_VALUES or (counts is not None and len(counts) != len(values))
            ):
                raise RequestError(
                    "InvalidParameterValue",
                    f"{at} must have at most {MAX_METRIC_VALUES} Values, and as many Counts or none.",
                )
            if not all(math.isfinite(float(value)) for value in (*(values or ()), datum.get("Value") or 0)):
                raise RequestError("InvalidParameterValue", f"The values of {at} must be finite.")
            metric_input.require_datum(datum, at)
            try:
                time_s = metric_queries.epoch_s(datum.get("Timestamp") or self._clock())
            except (ValueError, TypeError, OverflowError):
                raise RequestError("InvalidParameterValue", f"{at}.Timestamp must be a time.") from None
            if not -MAX_METRIC_AGE_S <= time_s - self._clock() <= MAX_METRIC_AHEAD_S:
                raise RequestError(
                    "InvalidParameterValue",
                    f"The value for parameter {at}.Timestamp must be within the past two weeks or the next two hours.",
                )

    # --- alarms ---------------------------------------------------------------------------------------------------

    def _evaluate(self, alarm: dict[str, Any], of_functions: Store | None = None) -> None:
        try:
            alarms.require_evaluated(alarm)
        except ValueError:  # of a state that another version saved
            return
        points = self._points(
            str(alarm["Namespace"]),
            str(alarm["MetricName"]),
            metric_queries.dimensions_of(alarm),
            of_functions,
        )
        found = alarms.verdict(alarm, points, self._clock())
        if found is None or found.state == alarm["StateValue"]:
            return
        before, alarm["StateValue"], alarm["StateReason"] = alarm["StateValue"], found.state, found.reason
        alarm["StateUpdatedTimestamp"] = int(self._clock())
        self._cloudwatch._record_history(alarm["AlarmName"], before, found.state, found.reason)
        self._cloudwatch._dispatch_alarm_actions(alarm, before, found.state, found.reason)
        self._cloudwatch._evaluate_parent_alarms(alarm)

    # --- dashboards -----------------------------------------------------------------------------------------------

    def _global(self, operation: Callable[..., Response]) -> Callable[..., Response]:
        def handle(*protocol: Any) -> Response:
            with self._scope(self._cloudwatch.get_account_id(), DEFAULT_REGION):
                return operation(*protocol)

        return handle

    def _invalid_dashboard(self, error: dashboard_body.InvalidDashboardError, protocol: Any) -> Response:
        if error.path is None:
            return self._error("InvalidParameterInput", error.message, protocol)
        shown = f'[{{"dataPath": "{error.path}", "message": "{error.message}"}}]'
        message = f"The dashboard body is invalid, there are 1 validation errors: {shown}"
        return self._error("InvalidParameterInput", message, protocol)

    # --- protocols ------------------------------------------------------------------------------------------------

    def _operation(self, name: str, operation: Operation) -> Callable[..., Response]:
        def handle(*protocol: Any) -> Response:
            try:
                return self._response(name, operation(_request(protocol)), protocol)
            except RequestError as error:
                return self._error(error.code, error.message, protocol)

        return handle

    def _checked(
        self, original: Callable[..., Response], require: Callable[[Document], None]
    ) -> Callable[..., Response]:
        def handle(*protocol: Any) -> Response:
            try:
                require(_request(protocol))
            except RequestError as error:
                return self._error(error.code, error.message, protocol)
            return original(*protocol)

        return handle

    def _response(self, name: str, document: Mapping[str, Any], protocol: Any) -> Response:
        _, _, is_cbor, is_json = _padded(protocol)
        response: Response
        if is_cbor:
            response = self._cloudwatch._cbor_ok(_with_times(document, self._cloudwatch._cbor_timestamp))
        elif is_json:
            response = self._cloudwatch._json_ok(_with_times(document, float))
        else:
            times = _with_times(document, self._cloudwatch._ts_iso)
            response = self._cloudwatch._xml(
                200, f"{name}Response", f"<{name}Result>{_xml(times)}</{name}Result>"
            )
        return response

    def _error(self, code: str, message: str, protocol: Any) -> Response:
        _, _, is_cbor, is_json = _padded(protocol)
        response: Response = self._cloudwatch._error(code, message, 400, use_json=is_json, use_cbor=is_cbor)
        return response


def _requirement(check: Check) -> Callable[[Document], None]:
    def require(request: Document) -> None:
        if refusal := check(request):
            raise RequestError(*refusal)

    return require


def _require_alarm(request: Document) -> None:
    try:
        alarms.require_evaluated(request)
    except ValueError as error:
        raise RequestError("ValidationError", str(error)) from None


def _padded(protocol: Any) -> Protocol:
    params, document, is_cbor, *is_json = protocol
    return params, document, is_cbor, bool(is_json and is_json[0])


def _request(protocol: Any) -> Document:
    params, document, is_cbor, is_json = _padded(protocol)
    return document if is_cbor or is_json else query_document(params)


def query_document(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the query protocol as a document: `Dimensions.member.1.Name` is a list of structures.

    >>> query_document({"A.member.1.B": ["x"], "C": ["y"]})
    {'A': [{'B': 'x'}], 'C': 'y'}
    """
    document: dict[str, Any] = {}
    for key in sorted(
        params, key=lambda name: [int(part) if part.isdigit() else 0 for part in name.split(".")]
    ):
        value = params[key][0] if isinstance(params[key], list) else params[key]
        node: Any = document
        parts = re.sub(r"\.member\.(\d+)", r".\1", key).split(".")
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            child: Any = value if following is None else [] if following.isdigit() else {}
            if isinstance(node, list):
                if int(part) > len(node):
                    node.append(child)
                node = node[-1]
            else:
                node = node.setdefault(part, child)
    return document


def _with_times(value: Any, encode: Callable[[float], Any]) -> Any:
    if isinstance(value, Time):
        return encode(float(value))
    if isinstance(value, Mapping):
        return {name: _with_times(child, encode) for name, child in value.items()}
    return [_with_times(child, encode) for child in value] if isinstance(value, list) else value


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(
            f"<{name}>{_xml_map(child) if name == 'ExtendedStatistics' else _xml(child)}</{name}>"
            for name, child in value.items()
        )
    if isinstance(value, list):
        return "".join(f"<member>{_xml(child)}</member>" for child in value)
    return escape(str(value))


def _xml_map(value: Mapping[str, Any]) -> str:
    return "".join(
        f"<entry><key>{escape(key)}</key><value>{_xml(child)}</value></entry>" for key, child in value.items()
    )
