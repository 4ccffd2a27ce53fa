"""An `Aws` that sends each read once, writes nothing, and can be recorded and replayed.

Everything that is given it (a plan, a check of permissions, a listing) shares the answers. A recorded call is JSON-ready:

    {"service": "dynamodb", "region": "us-east-1", "operation": "DescribeTable", "parameters": {...}, "answer": {...}}

or, with a failure, `"error": {"kind": "NotFound", "message": ..., "aws_code": ...}` in place of `answer`. A replayed `Aws`
answers from such calls alone and raises NotRecorded for any other: no client of it reaches a network.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from whatschat_ops import errors
from whatschat_ops.aws import Aws
from whatschat_ops.aws.answers import answer_of
from whatschat_ops.errors import AwsError, Missing, OpsError, Unavailable
from whatschat_ops.stack.shared_reads import SharedReads

READING: Final = ("BatchGet", "Describe", "Filter", "Get", "List", "Lookup", "Query", "Scan", "Simulate")
"""How the operations begin that this `Aws` sends."""
_UNRECORDED: Final = ("HostId", "RequestId", "HTTPStatusCode")


class NotRecorded(Missing):
    """The recording lacks what a check needs."""


@dataclass(slots=True)
class ReadOnce(Aws):
    """See above. `replayed` are recorded calls, None to ask AWS."""

    replayed: tuple[Mapping[str, Any], ...] | None = None
    _reads: SharedReads = field(default_factory=SharedReads, repr=False)
    _made: dict[str, tuple[tuple[Any, ...], Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, aws: Aws) -> ReadOnce:
        """The same AWS, asked once for everything, and for a shorter time."""
        made = cls(aws.target, aws.ask_code, attempts=2, read_timeout_s=10)
        made._session = aws.botocore_session()
        return made

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What was asked so far and answered, as recorded calls."""
        return [_recorded(asked, outcome) for asked, outcome in list(self._made.values())]

    def _make_client(self, service: str, region: str, endpoint_url: str | None) -> Any:
        client = Aws._make_client(
            self, service, region, endpoint_url
        )  # a class with slots has no bare super()
        send = client._make_api_call
        client._make_api_call = lambda operation, parameters: self._once(
            (service, region, operation, parameters), lambda: send(operation, parameters)
        )
        return client

    def _once(self, asked: tuple[Any, ...], send: Callable[[], Any]) -> Any:
        operation = asked[2]
        if not operation.startswith(READING):
            raise ValueError(f"{operation} is no read: the checks change nothing")
        key = _key(*asked)

        def read() -> Any:
            try:
                answer = send() if self.replayed is None else self._replay(key, operation)
            except OpsError as error:
                self._made[key] = asked, error
                raise
            self._made[key] = asked, answer
            return answer

        return answer_of(operation, self._reads.once((key,), read))  # a copy: callers may change theirs

    def _replay(self, key: str, operation: str) -> Any:
        for call in self.replayed or ():
            asked = (call["service"], call["region"], call["operation"], decoded(call["parameters"]))
            if _key(*asked) == key:
                if "error" in call:
                    raise _error_of(call["error"], operation)
                return decoded(call["answer"])
        raise NotRecorded(f"{operation} with these parameters is not in the recording.")


def repeated(calls: Iterable[Mapping[str, Any]]) -> list[str]:
    """The calls that are there more than once."""
    keys = [_key(call["service"], call["region"], call["operation"], call["parameters"]) for call in calls]
    return sorted({key for key in keys if keys.count(key) > 1})


def _key(service: str, region: str, operation: str, parameters: Any) -> str:
    return json.dumps([service, region, operation, encoded(parameters)], sort_keys=True)


def _recorded(asked: tuple[Any, ...], outcome: Any) -> dict[str, Any]:
    call = dict(zip(("service", "region", "operation", "parameters"), map(encoded, asked), strict=True))
    if not isinstance(outcome, OpsError):
        return {**call, "answer": encoded(outcome)}
    error = {"kind": type(outcome).__name__, "message": outcome.message}
    return {**call, "error": error | {"aws_code": getattr(outcome, "aws_code", "")}}


def _error_of(error: Mapping[str, str], operation: str) -> OpsError:
    kind = getattr(errors, error["kind"], Unavailable)
    if not (isinstance(kind, type) and issubclass(kind, AwsError)):
        kind = Unavailable
    return kind(error["message"], aws_code=error["aws_code"], operation=operation)


def encoded(value: Any) -> Any:
    """A value of botocore's as JSON-ready data: times as {"$time": ISO 8601}, bytes as {"$bytes": Base64}."""
    if isinstance(value, Mapping):
        return {str(key): encoded(item) for key, item in value.items() if key not in _UNRECORDED}
    if isinstance(value, (list, tuple)):
        return [encoded(item) for item in value]
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if hasattr(value, "read"):  # a streamed body, which can be read once
        return {"$bytes": ""}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def decoded(value: Any) -> Any:
    """What `encoded` made, as it was."""
    if isinstance(value, Mapping):
        if set(value) == {"$time"}:
            return datetime.fromisoformat(value["$time"])
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: decoded(item) for key, item in value.items()}
    return [decoded(item) for item in value] if isinstance(value, list) else value
