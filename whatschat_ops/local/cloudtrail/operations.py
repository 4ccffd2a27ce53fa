"""Names and parameters of calls whose protocol does not name the operation: REST, by botocore's service models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from whatschat_ops.local.interfaces import HttpRequest

_MODELS: Final = {
    "apigateway": ("apigatewayv2", "apigateway"),
    "chime": ("chime-sdk-meetings",),
    "lambda": ("lambda",),
    "s3": ("s3",),
}
_DATED: Final = re.compile(r"/(2015-03-31|2017-03-31|2017-10-31)/")
_SECOND_VERSIONS: Final = frozenset({
    "AddPermission", "GetFunction", "GetFunctionConfiguration", "GetPolicy", "RemovePermission", "TagResource",
    "UntagResource", "UpdateFunctionCode", "UpdateFunctionConfiguration",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: re.Pattern[str]
    query: Mapping[str, str]
    """What the query must have: `policy` in `/{Bucket}?policy`."""
    name: str


def rest_operation(service: str, request: HttpRequest) -> tuple[str, dict[str, str]] | None:
    """The event name of a REST call and the parameters in its path; None if the model has no such operation."""
    query = dict(parse_qsl(request.query_string, keep_blank_values=True))
    for route in _routes(service):
        found = route.path.fullmatch(request.raw_path.rstrip("/") or "/")
        if found and route.method == request.method and route.query.items() <= query.items():
            labels = {name: unquote(value) for name, value in found.groupdict().items()}
            return (_event_name(service, route.name, request.raw_path), labels)
    return None


def _event_name(service: str, name: str, path: str) -> str:
    """Lambda's events carry the version of the API (Lambda developer guide, logging-using-cloudtrail)."""
    dated = _DATED.match(path) if service == "lambda" else None
    if dated is None:
        return name
    return f"{name}{dated[1].replace('-', '')}{'v2' if name in _SECOND_VERSIONS else ''}"


@cache
def _routes(service: str) -> list[_Route]:
    """Those with the most in their queries first: `/{Bucket}?policy` before `/{Bucket}`."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    found = []
    for model_name in _MODELS[service]:
        model = ServiceModel(Loader().load_service_model(model_name, "service-2"), model_name)
        found += [_route(model.operation_model(name)) for name in model.operation_names]
    return sorted(found, key=lambda route: len(route.query), reverse=True)


def _route(operation: Any) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    labels = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path.rstrip("/") or "/"))
    labels = re.sub(r"\\{(\w+)\\\+\\}", r"(?P<\1>.+)", labels)
    required = dict(parse_qsl(query, keep_blank_values=True))
    return _Route(operation.http["method"], re.compile(labels), required, operation.name)
