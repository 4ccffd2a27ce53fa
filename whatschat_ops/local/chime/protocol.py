"""AWS's rest-json protocol for Chime SDK meetings, from botocore's service model.

Parses an HTTP request into an operation and its parameters, and builds the HTTP response for an output or a fault, as
boto3, the AWS CLI and the JavaScript SDK expect it. It contains no rules of the service.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import ServiceModel

from whatschat_ops.local.chime.fault import ChimeFault, bad_request
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse

SERVICE = "chime-sdk-meetings"


@dataclass(frozen=True, slots=True)
class OperationCall:
    """One call: botocore's OperationModel, and the parameters as sent (not validated yet)."""

    operation: Any
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the operation, for example `CreateMeeting`."""
        return str(self.operation.name)


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: re.Pattern[str]
    selector: str | None
    """Value of the query parameter `operation`, which distinguishes operations with the same path."""
    operation: Any


class MeetingsProtocol:
    """Parses requests and builds responses."""

    def __init__(self) -> None:
        self._model = ServiceModel(Loader().load_service_model(SERVICE, "service-2"), SERVICE)
        self._routes = [_route(self._model.operation_model(name)) for name in self._model.operation_names]

    def read(self, request: HttpRequest) -> OperationCall:
        """Parse a request. Raises ChimeFault when there is no such operation or the body is not JSON."""
        query = dict(parse_qsl(request.query_string, keep_blank_values=True))
        for route in self._routes:
            match = route.path.fullmatch(request.raw_path)
            if match and route.method == request.method and route.selector == query.get("operation"):
                labels = {name: unquote(value) for name, value in match.groupdict().items()}
                return OperationCall(
                    route.operation, _parameters(route.operation, labels, query, request.body)
                )
        raise ChimeFault(
            "UnknownOperationException",
            f"Chime SDK Meetings has no operation {request.method} {request.raw_path}",
            status=404,
        )

    def answer(self, call: OperationCall, output: Mapping[str, Any], request_id: str) -> HttpResponse:
        """A success response with the status code of the model (200 if it has none)."""
        status = int(call.operation.http.get("responseCode", 200))
        shape = call.operation.output_shape
        if shape is None or status == 204:
            return HttpResponse(status, b"", {"x-amzn-RequestId": request_id})
        return _json(status, _serialised(shape, output), {"x-amzn-RequestId": request_id})

    def refuse(self, fault: ChimeFault, request_id: str) -> HttpResponse:
        """An error response: AWS's {Code, Message, RequestId}, and the header that every SDK maps to its exception
        class.
        """
        status = fault.status or self._status(fault.code)
        body = {
            "Code": fault.code.removesuffix("Exception"),
            "Message": fault.message,
            "RequestId": request_id,
        }
        if fault.resource is not None:
            body["ResourceName"] = fault.resource
        return _json(status, body, {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": fault.code})

    def _status(self, code: str) -> int:
        return int(self._model.shape_for(code).metadata["error"]["httpStatusCode"])


def _route(operation: Any) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    labels = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
    return _Route(
        operation.http["method"], re.compile(labels), dict(parse_qsl(query)).get("operation"), operation
    )


def _parameters(
    operation: Any, labels: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    document = _document(body)
    values: dict[str, Any] = {}
    for name, shape in operation.input_shape.members.items():
        location = shape.serialization.get("location")
        key = shape.serialization.get("name", name)
        value = document.get(key) if location is None else (labels if location == "uri" else query).get(key)
        if value is not None:
            values[name] = _number(value) if location and shape.type_name == "integer" else value
    return values


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except (ValueError, RecursionError) as error:  # also UnicodeDecodeError
        raise bad_request("The request body is not valid JSON") from error
    if not isinstance(document, dict):
        raise bad_request("The request body is not a JSON object")
    return document


def _number(text: str) -> int | str:
    """A number in the query; other text stays as it is, and validation rejects it."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def _serialised(shape: Any, value: Any) -> Any:
    """`value` with exactly the members of the shape; an unknown member is a bug (KeyError)."""
    if shape.type_name == "structure":
        return {
            name: _serialised(shape.members[name], item) for name, item in value.items() if item is not None
        }
    if shape.type_name == "list":
        return [_serialised(shape.member, item) for item in value]
    return value


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> HttpResponse:
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpResponse(status, encoded, {"content-type": "application/json", **headers})
