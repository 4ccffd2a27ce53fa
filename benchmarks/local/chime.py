"""The cost of one change for the embedded Chime service at its quotas: 250 meetings with 250 attendees each.

    python benchmarks/local/chime.py [changes]

The changes are CreateAttendee and DeleteAttendee, alternately. "whole file" is how it was saved before: all meetings
as one JSON file. Processor time is that of this process; the longest change is how long sockets and functions of the
service wait.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whatschat_ops.local.chime.operations import MeetingOperations
from whatschat_ops.local.chime.state import MeetingStore
from whatschat_ops.quotas import CHIME_ATTENDEES, CHIME_BATCH_ATTENDEES, CHIME_MEETINGS

REGION = "us-east-1"
WHOLE_FILE_CHANGES = 6
"""A change takes seconds there."""


class WholeFile:
    """How the store saved before it had a database."""

    def __init__(self, path: Path, store: MeetingStore) -> None:
        self._path = path
        self._meetings = store.active(1.0)

    def save(self) -> None:
        """Write everything."""
        document = {"format": 1, "meetings": [asdict(meeting) for meeting in self._meetings.values()]}
        new = self._path.with_name(f"{self._path.name}.new")
        new.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        new.replace(self._path)


def fill(operations: MeetingOperations, save: Callable[[], None]) -> str:
    """Create everything that the quotas allow except one attendee. Returns the meeting that is not full."""
    meeting_id = ""
    for number in range(CHIME_MEETINGS):
        given = {"ClientRequestToken": f"t{number}", "MediaRegion": REGION, "ExternalMeetingId": f"m{number}"}
        meeting_id = operations.call("CreateMeeting", REGION, given)["Meeting"]["MeetingId"]
        users = [{"ExternalUserId": f"user-{index}"} for index in range(CHIME_ATTENDEES)]
        if number == CHIME_MEETINGS - 1:
            users.pop()
        for start in range(0, len(users), CHIME_BATCH_ATTENDEES):
            batch = {"MeetingId": meeting_id, "Attendees": users[start : start + CHIME_BATCH_ATTENDEES]}
            operations.call("BatchCreateAttendee", REGION, batch)
        save()
    return meeting_id


def change(operations: MeetingOperations, meeting_id: str, save: Callable[[], None], changes: int) -> None:
    """Make the changes and print their cost."""
    took_ms: list[float] = []
    attendee: Any = None
    began = time.process_time()
    for _ in range(changes):
        started = time.perf_counter()
        if attendee is None:
            given = {"MeetingId": meeting_id, "ExternalUserId": "one-more"}
            attendee = operations.call("CreateAttendee", REGION, given)["Attendee"]
        else:
            gone = {"MeetingId": meeting_id, "AttendeeId": attendee["AttendeeId"]}
            operations.call("DeleteAttendee", REGION, gone)
            attendee = None
        save()
        took_ms.append((time.perf_counter() - started) * 1000)
    processor_ms = (time.process_time() - began) * 1000 / changes
    print(f"{processor_ms:12.3f} {statistics.median(took_ms):12.3f} {max(took_ms):12.3f} {changes:9}")


def main() -> None:
    """Measure both."""
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as directory:
        store = MeetingStore(Path(directory) / "chime.sqlite3")
        # The clock does not move: nothing ends during the measurement.
        operations = MeetingOperations(store, "000000000000", lambda: 1.0)
        meeting_id = fill(operations, store.save)
        print(f"{'':12}{'processor ms':>12} {'median ms':>12} {'longest ms':>12} {'changes':>9}")
        print(f"{'whole file':12}", end="")
        whole = WholeFile(Path(directory) / "chime.json", store)
        change(operations, meeting_id, whole.save, WHOLE_FILE_CHANGES)
        print(f"{'database':12}", end="")
        change(operations, meeting_id, store.save, changes)
        store.close()


if __name__ == "__main__":
    main()
