"""Before a request is sent: it reads, or everything that it names belongs to this run. What creates something gets the run's tag.

A request that names nothing is refused too (settings of the account, quotas), and so is one more than was paid for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

READS: Final = re.compile(
    r"(Get|List|Describe|Filter|Test|Lookup|Query|Scan|Simulate|BatchGet|Head|Receive)[A-Z]"
)
PLACES: Final = (
    *("ApiId", "FunctionName", "TableName", "UserName", "RoleName", "RoleArn", "QueueUrl", "TopicArn", "QueueName"),
    *("logGroupName", "Bucket", "Rule", "EventBusName", "MeetingId", "UUID", "AlarmName", "AlarmNames", "StackName"),
    *("stateMachineArn", "executionArn", "ResourceArn", "ResourceARN", "resourceArn", "LayerName", "DashboardName"),
    *("ExternalMeetingId", "Namespace", "Statement", "Sources", "ConnectionId"),
)  # fmt: skip
"""Parameters that say whose a resource is. Where there is none of them, `Name` does."""
IDS: Final = {"ApiId", "MeetingId", "UUID", "executionArn", "connectionId"}
"""Ids that AWS makes up, in responses to what this run creates."""
CREATES: Final = re.compile(r"Create|PutRule|PutMetricAlarm|PutParameter")
MANAGED: Final = "arn:aws:iam::aws:policy/service-role/"
"""Policies that may be attached; never one of an administrator."""


class NotOursError(AssertionError):
    """A request was not sent: what it names was not created by this run, or there were more than declared."""


class Guard:
    """Of one run. `prefix` begins all its names; `limits` has how many requests of an operation were declared."""

    def __init__(self, prefix: str, tag: tuple[str, str], limits: Mapping[str, int]) -> None:
        self.prefix, self.sent = prefix, Counter[str]()
        self._tag, self._limits = tag, limits
        self._ids: set[str] = set()

    def watch(self, client: Any, *, tags: bool = True) -> None:
        """Check every request of a client, and tag what it creates unless it is a user's who may not."""
        client.meta.events.register_first("before-parameter-build", self._before)
        if tags:
            client.meta.events.register("before-parameter-build", self._tag_created)
        client.meta.events.register("after-call", self._after)

    def allow(self, ident: str) -> None:
        """Take an id for one of this run: of what was listed by its name."""
        self._ids.add(ident)

    def require_owned(self, what: str, *values: str) -> None:
        """Raises NotOursError unless each value has the prefix or an id of this run."""
        for value in values:
            if self.prefix not in value and not any(each in value for each in self._ids):
                raise NotOursError(f"{what} names {value!r}, which run {self.prefix} did not create")

    def check(self, operation: str, parameters: Mapping[str, Any]) -> None:
        """Raises NotOursError for a request that may not be sent."""
        self.sent[operation] += 1
        if self.sent[operation] > self._limits.get(operation, self.sent[operation]):
            raise NotOursError(f"{operation}: {self._limits[operation]} requests were declared")
        if READS.match(operation):
            return
        policy = str(parameters.get("PolicyArn", MANAGED))
        if not policy.startswith(MANAGED):
            self.require_owned(f"{operation}.PolicyArn", policy)
        named = list(_named(parameters))
        if not named:
            raise NotOursError(f"{operation} names no resource of run {self.prefix}")
        self.require_owned(operation, *named)

    def _before(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        # Clients of @connections are checked when they are made: the API is in their endpoint.
        if model.service_model.service_name != "apigatewaymanagementapi":
            self.check(model.name, params)

    def _tag_created(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if CREATES.match(model.name) and not params.get("Overwrite"):
            _add_tag(params, model.input_shape, *self._tag)

    def _after(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        if not READS.match(model.name) and "Error" not in parsed:
            self._ids |= set(_ids(parsed))


def _named(parameters: Mapping[str, Any]) -> Iterator[str]:
    if "Entries" in parameters and "QueueUrl" not in parameters:  # PutEvents
        yield from (str(each.get("Source", "")) for each in parameters["Entries"])
        return
    if "TransactItems" in parameters:
        yield from (
            str(action["TableName"]) for each in parameters["TransactItems"] for action in each.values()
        )
        return
    places = [parameters[key] for key in PLACES if key in parameters]
    for value in places or [parameters[key] for key in ("Name", "name") if key in parameters]:
        yield from map(str, value) if isinstance(value, list) else [str(value)]


def _ids(parsed: Any) -> Iterator[str]:
    if isinstance(parsed, Mapping):
        for key, value in parsed.items():
            if key in IDS and isinstance(value, str):
                yield value
            yield from _ids(value)


def _add_tag(parameters: dict[str, Any], shape: Any, key: str, value: str) -> None:
    name = next((each for each in ("Tags", "tags") if each in (shape.members if shape else {})), None)
    if name is None:
        return
    if shape.members[name].type_name == "map":
        parameters[name] = {**parameters.get(name, {}), key: value}
        return
    words = ("Key", "Value") if "Key" in shape.members[name].member.members else ("key", "value")
    parameters[name] = [*parameters.get(name, []), dict(zip(words, (key, value), strict=True))]
