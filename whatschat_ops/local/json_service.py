"""A service of our own with AWS's JSON protocol: the operation in `X-Amz-Target`, parameters and output as JSON.

Operations, shapes and error codes are those of botocore's service model. An operation of the model that has no function
here is refused in words.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from whatschat_ops.local.control.wire import signed_region
from whatschat_ops.local.interfaces import HttpRequest, HttpResponse, RequestAuthorizer


class Fault(Exception):
    """An error response: AWS's code and a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


Operation = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Region and validated parameters -> output. Raises Fault."""


@dataclass(frozen=True)
class JsonService:
    """One service. `refusal_code` is the error of its model for what it does not do."""

    model_name: str
    title: str
    signing_name: str
    refusal_code: str
    operations: Mapping[str, Operation]
    authorizer: RequestAuthorizer

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Handle one request. Every error is a response."""
        try:
            return _response(200, self._output(request))
        except Fault as fault:
            return _response(fault.status, {"__type": fault.code, "message": fault.message})

    def _output(self, request: HttpRequest) -> dict[str, Any]:
        name = (request.header("x-amz-target") or "").rpartition(".")[2]
        if name not in self._model.operation_names:
            raise Fault("UnknownOperationException", f"{self.title} has no operation {name!r}.")
        denial = self.authorizer.authorize(request, self.signing_name, f"{self.signing_name}:{name}", "*")
        if denial is not None:
            raise Fault(denial.code, denial.message, denial.status)
        operation = self.operations.get(name)
        if operation is None:
            raise Fault(self.refusal_code, f"{name}: the embedded AWS does not have this operation.")
        return operation(signed_region(request), self._parameters(name, request.body))

    def _parameters(self, name: str, body: bytes) -> dict[str, Any]:
        from botocore.validate import ParamValidator

        try:
            document = json.loads(body or b"{}")
        except (ValueError, RecursionError) as error:
            raise Fault("SerializationException", "The request body is not valid JSON.") from error
        shape = self._model.operation_model(name).input_shape
        if not isinstance(document, dict):
            raise Fault("SerializationException", "The request body is not a JSON object.")
        unknown = sorted(document.keys() - shape.members.keys())
        report = ParamValidator().validate(document, shape)
        if report.has_errors() or unknown:
            raise Fault("ValidationException", report.generate_report() or f"Unknown: {', '.join(unknown)}")
        return document

    @cached_property
    def _model(self) -> Any:
        from botocore.loaders import Loader
        from botocore.model import ServiceModel

        return ServiceModel(Loader().load_service_model(self.model_name, "service-2"), self.model_name)


def _response(status: int, document: Mapping[str, Any]) -> HttpResponse:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": str(uuid.uuid4())}
    if status >= 400:
        headers["x-amzn-errortype"] = document["__type"]
    return HttpResponse(status, json.dumps(document).encode(), headers)
