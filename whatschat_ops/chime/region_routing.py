"""Routes calls about a meeting to the control Region that created it, the only one that knows the meeting.

Chime may not find a meeting in the moments after its creation; such calls are retried here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from whatschat_ops.aws.translated import TranslatedClient
from whatschat_ops.chime.ledger import Ledger
from whatschat_ops.chime.models import MeetingRecord
from whatschat_ops.errors import NotFound, UsageError

SETTLING = timedelta(seconds=30)
"""Chime may not find a meeting younger than this (aws/aws-sdk-js#3328)."""

RETRY_DELAYS_S = (0.2, 0.5, 1.0)


class RegionRouter:
    """Calls about existing meetings. A meeting that is not in the ledger is looked up in the Region of `client`."""

    def __init__(
        self,
        client: Any,
        ledger: Ledger,
        client_in: Callable[[str], Any] | None,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._client_in = client_in
        self._default_region: str = client.meta.region_name
        self._clock = clock
        self._sleep = sleep

    def client(self, region: str) -> Any:
        """A client of Chime SDK meetings in a control Region, whose every failure is an `AwsError`."""
        if region == self._default_region:
            return TranslatedClient(self._client)
        if self._client_in is None:
            raise UsageError(
                f"The meeting was created in {region}, and this service has a client of {self._default_region} only.",
                hint="Give ChimeService client_in, a function that returns a boto3 client for a Region.",
            )
        return TranslatedClient(self._client_in(region))

    def is_settling(self, record: MeetingRecord) -> bool:
        """Whether "not found" may still mean "not yet"."""
        return not record.status.over and self._clock() - record.created_at < SETTLING

    def call(self, meeting_id: str, operation: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
        """The meeting's control Region and the answer of `operation` (as boto3 names it) there."""
        record = self._ledger.get(meeting_id)
        region = record.control_region if record else self._default_region
        send = getattr(self.client(region), operation)
        for delay_s in RETRY_DELAYS_S if record is not None and self.is_settling(record) else ():
            try:
                return region, send(MeetingId=meeting_id, **parameters)
            except NotFound:
                self._sleep(delay_s)
        try:
            return region, send(MeetingId=meeting_id, **parameters)
        except NotFound as error:
            where = "it has ended, or was created in another control Region"
            raise NotFound.of(error, f"{error.message} in {region}: {where}.") from error
