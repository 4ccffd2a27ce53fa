"""The rows of the table of corrections for what deployment tools need, and for services that ministack does not have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from whatschat_ops.local.control import cloudformation_template
from whatschat_ops.local.control.correction import Correction, Parts, wrap_handler
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.wire import Handler, Response, signed_service

_ENCRYPTION: Final = "x-amz-server-side-encryption"
_KEY: Final = f"{_ENCRYPTION}-aws-kms-key-id"
AWS_MANAGED_KEY: Final = "alias/aws/s3"


class _Handlers(dict[str, Handler]):
    """ministack's handlers, with one that refuses for every other service."""

    def get(self, service: str, _: object = None) -> Handler:
        return super().get(service, _refuse)


async def _refuse(_method: str, _path: str, headers: Mapping[str, str], *_: Any) -> Response:
    service = signed_service(headers.get("authorization", ""), "") or "This service"
    message = f"{service}: the embedded AWS does not have this service"
    if "x-www-form-urlencoded" in headers.get("content-type", ""):
        text = f"<ErrorResponse><Error><Code>UnknownOperationException</Code><Message>{message}</Message></Error></ErrorResponse>"
        return 400, {"Content-Type": "text/xml"}, text.encode()
    error = {"__type": "UnknownOperationException", "message": message}
    return 400, {"Content-Type": "application/json"}, json.dumps(error).encode()


def _refuse_other_services(modules: Modules, _: Parts) -> None:
    modules.app.SERVICE_HANDLERS = _Handlers(modules.app.SERVICE_HANDLERS)
    modules.router._is_aws_service_name = _is_a_service


_UNKNOWN: Final = re.compile(r"Unknown action: (\w+)|Function not found: (/.*)")
"""What ministack says to an operation, or a path of Lambda, that it does not have."""


def _name_unknown_operations(modules: Modules, _: Parts) -> None:
    unknown = "UnknownOperationException"
    modules.cloudwatch._error = _naming(modules.cloudwatch._error, "InvalidAction")  # the query protocol's
    modules.cloudwatch_logs.error_response_json = _naming(
        modules.cloudwatch_logs.error_response_json, unknown
    )
    modules.lambda_svc.error_response_json = _naming(modules.lambda_svc.error_response_json, unknown)


def _naming(error: Callable[..., Response], unknown: str) -> Callable[..., Response]:
    def named(code: str, message: str, *rest: Any, **options: Any) -> Response:
        if found := _UNKNOWN.fullmatch(message):
            code = unknown
            message = f"{found[1] or found[2]}: the embedded AWS does not have this operation."
        return error(code, message, *rest, **options)

    return named


def _is_a_service(_: str) -> bool:
    """Whatever a request is signed for. ministack reads all of botocore's models here, 5 s of processor time."""
    return True


def with_managed_key(handler: Handler) -> Handler:
    """S3's handler, with the AWS managed key for an object to be encrypted by KMS that names no key."""

    async def handle(method: str, path: str, headers: Any, *rest: Any) -> Response:
        if headers.get(_ENCRYPTION) == "aws:kms" and not headers.get(_KEY):
            headers = {**headers, _KEY: AWS_MANAGED_KEY}
        return await handler(method, path, headers, *rest)

    return handle


SERVICES: Final = (
    Correction(
        what="answers `Unknown action`, or `Function not found` with a path, for an operation that it does not have",
        why="UnknownOperationException, of CloudWatch InvalidAction, with a message that names the operation",
        source="our decision: no tool takes it for an answer of AWS; Common errors of the API references",
        replaces=(
            "cloudwatch._error",
            "cloudwatch_logs.error_response_json",
            "lambda_svc.error_response_json",
        ),
        apply=_name_unknown_operations,
    ),
    Correction(
        what="answers for a service that it does not have, after reading every service model, with 400 and no error",
        why="UnknownOperationException, with a message that names the service, at once",
        source="our decision: no tool takes it for an answer of AWS",
        replaces=("app.SERVICE_HANDLERS", "router._is_aws_service_name"),
        apply=_refuse_other_services,
    ),
    Correction(
        what="refuses an object with `aws:kms` that names no key",
        why="encrypted with the AWS managed key `aws/s3`; `cdk deploy` uploads its assets like that",
        source="S3 User Guide, UsingKMSEncryption.html",
        replaces=("app.SERVICE_HANDLERS[s3]",),
        apply=lambda modules, _: wrap_handler(modules, "s3", with_managed_key),
    ),
    Correction(
        what="CloudFormation compares the value of a parameter with `True` and `False` where a template has booleans",
        why="with `true` and `false`",
        source="CloudFormation User Guide, parameters-section-structure.html: values are strings",
        replaces=("app.SERVICE_HANDLERS[cloudformation]",),
        apply=lambda modules, _: wrap_handler(modules, "cloudformation", cloudformation_template.completed),
    ),
)
