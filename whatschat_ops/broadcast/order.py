"""A new broadcast before it is begun: what was asked for, and the checked message and selection made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from whatschat_ops.broadcast.audience.selection import Selection, examine_users_file, parse_sample, select
from whatschat_ops.broadcast.journal.file import journal_path
from whatschat_ops.broadcast.journal.record import new_run_id
from whatschat_ops.broadcast.kinds import BROADCAST
from whatschat_ops.broadcast.message import Message, compose
from whatschat_ops.errors import UsageError
from whatschat_ops.files import is_regular, named, opened, reporting, users_of

MAX_PIPED_BYTES: Final = 1024**3
"""Of users, who are kept as a file for the time of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was asked for, as it was written; `message.compose` and `selection.select` say what the fields mean."""

    given: str
    kind: str | None = None
    text: bool = False
    with_id: bool = True
    users: Sequence[str] = ()
    users_file: Path | None = None
    connections: Sequence[str] = ()
    exclude_users: Sequence[str] = ()
    sample: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A broadcast, or a run of another kind, that can be begun."""

    run_id: str
    message: Message
    selection: Selection
    kind: str = BROADCAST

    @classmethod
    def of_all(cls, kind: str) -> Self:
        """Of every connection, without a message."""
        return cls(new_run_id(), Message(b"", ""), select(), kind)


@contextmanager
def prepared(draft: Draft, directory: Path) -> Iterator[Order]:
    """The order of a draft. Raises UsageError for whatever is wrong with it.

    Users that come through a pipe, which can be read once only, are kept beside the journals in `directory`, as long as there is a run that needs them.
    """
    run_id = new_run_id()
    message = compose(draft.given, run_id if draft.with_id else None, kind=draft.kind, text=draft.text)
    copy = users_copy(directory, run_id)
    try:
        yield Order(run_id, message, _selection(draft, run_id, copy))
    finally:
        with suppress(OSError):  # another error may be on its way
            if not journal_path(directory, run_id).exists():
                copy.unlink(missing_ok=True)


def users_copy(directory: Path, run_id: str) -> Path:
    """Where the users of a run are kept when they came through a pipe."""
    return directory / f"{run_id}.users"


def _selection(draft: Draft, run_id: str, copy: Path) -> Selection:
    sample = parse_sample(draft.sample, run_id) if draft.sample is not None else None
    users_file = draft.users_file
    if users_file is not None and not is_regular(users_file):
        _keep(users_file, copy)
        users_file = copy
    return select(
        users=draft.users,
        users_file=examine_users_file(users_file) if users_file else None,
        connections=draft.connections,
        exclude_users=draft.exclude_users,
        sample=sample,
    )


def _keep(piped: Path, copy: Path) -> None:
    with opened(piped, flag="--users-file") as source, reporting(copy, written=True):
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        left = MAX_PIPED_BYTES
        with copy.open("w", encoding="utf-8") as kept:
            copy.chmod(0o600)
            for user in users_of(source, named(piped)):
                kept.write(f"{user}\n")
                left -= len(user)
                if left < 0:
                    raise UsageError(
                        f"{named(piped)} names users without end: more than {MAX_PIPED_BYTES:,} characters.",
                        hint="Name a file with --users-file.",
                    )
