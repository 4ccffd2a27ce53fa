"""The objects of one run in S3: their keys and contents. Pure; used by the command and by its workers.

    runs/RUN/run.json                  what the run is, and how to send (RunSpec)
    runs/RUN/message                   the bytes to send
    runs/RUN/control                   stop, and the rate of all workers together (control.Control)
    runs/RUN/lists/1.json              the shards of the first execution: what workers are invoked with
    runs/RUN/given/00000001.gz         the users or the rows of a shard that is no segment of the table
    runs/RUN/parts/00000001/000001.gz  what came of a shard, written while it is sent (parts.Part)
    runs/RUN/done/00000001             what came of it in all, when it is finished (parts.Totals)
    runs/RUN/counted/00000001.gz       the sums of a shard that is counted or sampled, and where its items are (counting.py)
    runs/RUN/handed/00000001/000001.gz the same of as much as one worker had the time for
    runs/RUN/items/00000001/A/1.gz     users and their connections, or rows, as the attempt A found them

Nothing but `control` is ever changed: reading the rest says what was done, at any moment and after any failure.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from whatschat_ops.worker.actions import ACTIONS, Action
from whatschat_ops.worker.kinds import BROADCAST
from whatschat_ops.worker.parts import compressed

FORMAT: Final = 2
FORMAT_OF_KINDS: Final = 3
"""Of runs that are no broadcast: the worker of an earlier version, which would post an empty message, refuses it."""
SEGMENT: Final = "segment"
USERS: Final = "users"
ROWS: Final = "rows"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one run's objects."""

    run: str

    @property
    def root(self) -> str:
        """What all of them begin with."""
        return f"runs/{self.run}/"

    @property
    def spec(self) -> str:
        """What the run is."""
        return f"{self.root}run.json"

    @property
    def control(self) -> str:
        """What the command tells workers that are at work (`control.Control`)."""
        return f"{self.root}control"

    @property
    def message(self) -> str:
        """What to send."""
        return f"{self.root}message"

    @property
    def parts(self) -> str:
        """What the keys of all parts begin with."""
        return f"{self.root}parts/"

    @property
    def all_done(self) -> str:
        """What the keys of the totals of finished shards begin with."""
        return f"{self.root}done/"

    @property
    def lists(self) -> str:
        """What the keys of all lists begin with."""
        return f"{self.root}lists/"

    def shard_list(self, execution: int) -> str:
        """The shards of one execution, counted from 1."""
        return f"{self.lists}{execution}.json"

    def given(self, shard: int) -> str:
        """The users or rows of a shard."""
        return f"{self.root}given/{shard:08}.gz"

    def done(self, shard: int) -> str:
        """The totals of a shard that is finished."""
        return f"{self.all_done}{shard:08}"

    def done_of_key(self, key: str) -> int:
        """The shard whose totals have this key."""
        return int(key.removeprefix(self.all_done))

    def counted(self, shard: int) -> str:
        """The sums of a shard that was counted or sampled."""
        return f"{self.root}counted/{shard:08}.gz"

    @property
    def all_handed(self) -> str:
        """What the keys of the sums begin with that workers hand over to the next one."""
        return f"{self.root}handed/"

    def handed_of(self, shard: int) -> str:
        """What those of a shard begin with."""
        return f"{self.all_handed}{shard:08}/"

    def handed(self, shard: int, number: int) -> str:
        """The sums that the worker with this number, counted from 1, hands over."""
        return f"{self.handed_of(shard)}{number:06}.gz"

    def counted_items(self, shard: int, attempt: str, number: int) -> str:
        """Some of its users or rows, as an attempt found them."""
        return f"{self.root}items/{shard:08}/{attempt}/{number}.gz"

    def parts_of(self, shard: int) -> str:
        """What the keys of a shard's parts begin with."""
        return f"{self.parts}{shard:08}/"

    def part(self, shard: int, number: int) -> str:
        """One part of a shard, counted from 1."""
        return f"{self.parts_of(shard)}{number:06}.gz"

    def part_of_key(self, key: str) -> tuple[int, int]:
        """Shard and number of the part with this key."""
        shard, _, number = key.removeprefix(self.parts).removesuffix(".gz").partition("/")
        return int(shard), int(number)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is, and the limits of `sender.model.SendPolicy` without the rate, which is in the control object.

    `record` is the run as its journal has it (`journal.record.RunRecord`, without the message). `prune_rows`: rows that are deleted with
    one request.
    """

    record: Mapping[str, str]
    tcp_connections: int
    max_attempts: int
    deadline_s: float
    request_timeout_s: float
    prune_rows: int

    @property
    def kind(self) -> str:
        """What is done to the connections (`actions.ACTIONS`)."""
        return self.record.get("kind", BROADCAST)

    @property
    def action(self) -> Action:
        """The same."""
        return ACTIONS[self.kind]

    @property
    def includes_expired(self) -> bool:
        """Whether rows that have expired are meant, too."""
        return self.kind in ACTIONS and self.action.of_table

    @property
    def selection(self) -> Mapping[str, Any]:
        """Which connections are selected, as JSON (`audience.selection.Selection`)."""
        found: Mapping[str, Any] = json.loads(self.record["selection"])
        return found

    def to_bytes(self) -> bytes:
        """As JSON."""
        written = FORMAT if self.kind == BROADCAST else FORMAT_OF_KINDS
        return json.dumps({**asdict(self), "format": written}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> RunSpec:
        """From JSON. Raises ValueError when another version wrote it."""
        found = json.loads(content)
        if (written := found.pop("format", None)) not in (FORMAT, FORMAT_OF_KINDS):
            raise ValueError(f"the run has format {written}; this version reads {FORMAT_OF_KINDS}")
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Shard:
    """One item of the Distributed Map: what a worker is invoked with.

    `kind`: segment number `segment` of `segments` of the table's scan; or the users or rows in `Keys.given`. `retries`: the rows failed
    in the shards before the one with this number, 0: they did not; of them `in_doubt` may have got the message.
    """

    run: str
    shard: int
    kind: str
    segment: int = 0
    segments: int = 0
    retries: int = 0
    in_doubt: int = 0

    def to_item(self) -> dict[str, Any]:
        """As the list of shards has it."""
        return {name: value for name, value in asdict(self).items() if value or name == "segment"}

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> Shard:
        """From a worker's event, which may have more in it."""
        return cls(**{name: event[name] for name in cls.__slots__ if name in event})


def list_bytes(shards: Sequence[Shard]) -> bytes:
    """The list of shards as the Distributed Map reads it."""
    return json.dumps([shard.to_item() for shard in shards], separators=(",", ":")).encode()


def shards_of(content: bytes) -> list[Shard]:
    """The list of shards, read back."""
    return [Shard.of_event(item) for item in json.loads(content)]


def given_bytes(given: Sequence[Any]) -> bytes:
    """The users or the rows of a shard as an object."""
    return compressed(json.dumps(given, separators=(",", ":"), ensure_ascii=False).encode())


def given_in(content: bytes) -> list[Any]:
    """The users or the rows of a shard, read back; a row as the list of its fields."""
    found: list[Any] = json.loads(gzip.decompress(content))
    return found
