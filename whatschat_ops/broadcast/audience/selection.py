"""Which connections are selected: what the options of `ws broadcast` say, as data that a journal keeps.

Without any option, every connection is. Users, a file of users and connections add up (a connection that is named twice is one);
`exclude_users` and `sample` apply to the sum.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from whatschat_ops.errors import UsageError
from whatschat_ops.files import opened, users_of
from whatschat_ops.plurals import counted

LARGEST_SAMPLE = 100_000
"""A sample of N connections is held in memory until the table has been read; a percentage is not."""


@dataclass(frozen=True, slots=True)
class UsersFile:
    """A file with one user id in a line, as it was when the run began."""

    path: str
    sha256: str
    lines: int
    """Lines that name a user; a user who is named twice is counted twice here."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Part of the connections: `count` of them, or `percent` (a decimal number). The same `seed` picks the same ones."""

    count: int | None
    percent: str | None
    seed: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which connections are selected."""

    users: tuple[str, ...] = ()
    users_file: UsersFile | None = None
    connections: tuple[str, ...] = ()
    exclude_users: tuple[str, ...] = ()
    sample: Sample | None = None

    @property
    def whole_table(self) -> bool:
        """Whether no user and no connection is named: all of them are selected, or a sample of all."""
        return not (self.users or self.users_file or self.connections)

    def to_json(self) -> str:
        """This selection as text for the journal."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> Selection:
        """The selection that `to_json` wrote."""
        values = json.loads(text)
        file, sample = values.get("users_file"), values.get("sample")
        return Selection(
            users=tuple(values.get("users", ())),
            users_file=UsersFile(**file) if file else None,
            connections=tuple(values.get("connections", ())),
            exclude_users=tuple(values.get("exclude_users", ())),
            sample=Sample(**sample) if sample else None,
        )

    def __str__(self) -> str:
        """In words, for a table or a question: "every connection", "the connections of 2 users"."""
        words = " and ".join(self._named()) or "every connection"
        if self.exclude_users:
            words += f" except those of {counted(len(self.exclude_users), 'user')}"
        if self.sample:
            size = f"{self.sample.percent}%" if self.sample.percent else f"{self.sample.count:,}"
            words = f"a sample ({size}) of {words}"
        return words

    def _named(self) -> Iterator[str]:
        if self.users:
            yield f"the connections of {counted(len(self.users), 'user')}"
        if self.users_file:
            yield f"those of {counted(self.users_file.lines, 'user')} in {self.users_file.path}"
        if self.connections:
            yield counted(len(self.connections), "named connection")


def select(
    *,
    users: Sequence[str] = (),
    users_file: UsersFile | None = None,
    connections: Sequence[str] = (),
    exclude_users: Sequence[str] = (),
    sample: Sample | None = None,
) -> Selection:
    """A selection without repetitions. Raises UsageError for an empty id."""
    for option, ids in (("--user", users), ("--connection", connections), ("--exclude-user", exclude_users)):
        if not all(name.strip() for name in ids):  # as a rule an unset shell variable
            raise UsageError(f"{option} is empty: it needs an id.")
    return Selection(
        users=tuple(dict.fromkeys(users)),
        users_file=users_file,
        connections=tuple(dict.fromkeys(connections)),
        exclude_users=tuple(dict.fromkeys(exclude_users)),
        sample=sample,
    )


def parse_sample(text: str, seed: str) -> Sample:
    """`500` or `2.5%` as a sample. Raises UsageError."""
    try:
        number = Decimal(text.strip().removesuffix("%").rstrip().replace("_", ""))
    except InvalidOperation:
        number = Decimal("NaN")
    if text.strip().endswith("%"):
        if number.is_finite() and 0 < number <= 100:
            return Sample(None, f"{number.normalize():f}", seed)
    elif number.is_finite() and number == number.to_integral_value() and 0 < number <= LARGEST_SAMPLE:
        return Sample(int(number), None, seed)
    raise UsageError(
        f"--sample {text!r} is neither a number of connections (1 to {LARGEST_SAMPLE:,}) nor a percentage (up to 100%).",
        hint="--sample 500 or --sample 2.5%",
    )


def examine_users_file(path: Path) -> UsersFile:
    """Read a users file once, line by line: it is UTF-8, names a user, and has this checksum. Raises UsageError."""
    with opened(path, flag="--users-file") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a BinaryIO has no readinto
        file.seek(0)
        lines = sum(1 for _ in users_of(file, str(path)))
    if not lines:
        raise UsageError(
            f"{path} names no user: it needs one user id on each line.",
            hint="Empty lines are skipped, and # begins a comment.",
        )
    return UsersFile(str(path.absolute()), digest, lines)


def check_unchanged(file: UsersFile) -> None:
    """Raise UsageError unless the file is still the one that was examined."""
    if examine_users_file(Path(file.path)).sha256 != file.sha256:
        raise UsageError(
            f"{file.path} has changed since the broadcast began.",
            hint="Restore the old file, or start a new broadcast.",
        )


def users_in(file: UsersFile) -> Iterator[str]:
    """The user ids of a file, in its order, as they are named. Raises UsageError."""
    with opened(Path(file.path), flag="--users-file") as lines:
        yield from users_of(lines, file.path)
