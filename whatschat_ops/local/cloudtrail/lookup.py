"""LookupEvents. Everything else of CloudTrail (trails, event data stores, queries) is refused.

Rules: the CloudTrail API reference, LookupEvents, and botocore's model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from whatschat_ops.local.cloudtrail.events import entry
from whatschat_ops.local.cloudtrail.recorder import Recorder
from whatschat_ops.local.gateway.throttle import TokenBucket
from whatschat_ops.local.interfaces import RequestAuthorizer, Throttle
from whatschat_ops.local.json_service import Fault, JsonService

SIGNING_NAME: Final = "cloudtrail"
MAX_RESULTS: Final = 50
LOOKUPS: Final = Throttle(rate_limit=2, burst_limit=2)
"""Of an account in a Region."""


def service(recorder: Recorder, authorizer: RequestAuthorizer, clock: Callable[[], float]) -> JsonService:
    """The service on the recorded calls; `clock` gives seconds."""
    lookup = _Lookup(recorder, clock)
    return JsonService(
        "cloudtrail",
        "CloudTrail",
        SIGNING_NAME,
        "UnsupportedOperationException",
        {"LookupEvents": lookup.events},
        authorizer,
    )


class _Lookup:
    def __init__(self, recorder: Recorder, clock: Callable[[], float]) -> None:
        self._recorder = recorder
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def events(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        """A page of events, the newest first."""
        bucket = self._buckets.setdefault(region, TokenBucket(LOOKUPS, self._clock()))
        if not bucket.take(self._clock()):
            raise Fault("ThrottlingException", "Rate exceeded")
        size = given.get("MaxResults", MAX_RESULTS)
        if not 1 <= size <= MAX_RESULTS:
            raise Fault("InvalidMaxResultsException", f"MaxResults must be between 1 and {MAX_RESULTS}.")
        if given.get("EventCategory") == "insight":
            raise Fault(
                "InvalidEventCategoryException", "insight: the embedded AWS does not have Insights events."
            )
        found = self._after(given.get("NextToken"), self._matching(region, given))
        page = list(islice(found, size + 1))
        document: dict[str, Any] = {"Events": page[:size]}
        return {**document, "NextToken": page[size - 1]["EventId"]} if len(page) > size else document

    def _matching(self, region: str, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
        begin, end = given.get("StartTime"), given.get("EndTime")
        if isinstance(begin, str) or isinstance(end, str):  # which botocore's validation takes as a time
            raise Fault("SerializationException", "StartTime and EndTime must be numbers of epoch seconds.")
        if begin is not None and end is not None and begin > end:
            raise Fault("InvalidTimeRangeException", "StartTime must not be after EndTime.")
        attributes = given.get("LookupAttributes") or []
        if len(attributes) > 1:
            raise Fault("InvalidLookupAttributesException", "LookupAttributes must have one item only.")
        entries = (
            entry(call) for call in self._recorder.newest_first(region) if _is_within(call.time_s, begin, end)
        )
        return (found for found in entries if found and all(_has(found, each) for each in attributes))

    def _after(self, token: str | None, found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """What follows the last event of the page before."""
        if token is not None and not any(each["EventId"] == token for each in found):
            raise Fault("InvalidNextTokenException", "The token is not valid.")
        return found


def _is_within(time_s: float, begin: float | None, end: float | None) -> bool:
    return (begin is None or int(time_s) >= begin) and (end is None or int(time_s) <= end)


def _has(found: dict[str, Any], attribute: dict[str, str]) -> bool:
    key, value = attribute["AttributeKey"], attribute["AttributeValue"]
    if key in ("ResourceName", "ResourceType"):
        return any(resource.get(key) == value for resource in found["Resources"])
    return bool(found.get(key) == value)
