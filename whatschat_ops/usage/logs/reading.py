"""`--from logs`: files, folders that were imported, objects in S3 and log groups, as one measurement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatschat_ops.choices import LogSource
from whatschat_ops.errors import NotFound, OpsError, UsageError
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.usage.engine.database import Engine, Unreadable, engine, text
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.engine.staging import Staged, Wanted, create_view, stage, stage_file
from whatschat_ops.usage.logs.importing import is_import, is_unique, pieces_of, without_imports
from whatschat_ops.usage.logs.journals import Broadcasts, with_broadcasts
from whatschat_ops.usage.logs.lines import timed, wanted_lines
from whatschat_ops.usage.logs.measuring import measure
from whatschat_ops.usage.logs.questions import LONGEST_MS, Question
from whatschat_ops.usage.measured import Measured

if TYPE_CHECKING:
    from whatschat_ops.aws import Aws
    from whatschat_ops.logs.reading import LogReader, Search

VIEW: Final = "log_lines"
BATCH_BYTES: Final = 64 * 1024 * 1024
"""Ours: of a log group's lines in one temporary file."""
_GROUP: Final = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
"""Log group names (CloudWatch Logs API Reference, CreateLogGroup)."""
_SUFFIXES: Final = (".csv", ".gz", ".json", ".jsonl", ".log", ".parquet", ".txt", ".zst")
NOT_OURS: Final = "an event of a log group that is no line of the API"


@dataclass(frozen=True, slots=True)
class LogSources:
    """What to read. `paths` are files, folders, globs and s3:// addresses; `groups` are log groups of `aws`.

    Lines that name another API or stage than `api_id` and `stage` are rejected.
    """

    paths: tuple[str, ...] = ()
    groups: tuple[LogGroup, ...] = ()
    broadcasts: Broadcasts | None = None
    api_id: str = ""
    stage: str = ""
    flag: str = "--from"
    architecture: str = "arm64"

    @property
    def origin(self) -> str:
        """Where the lines are."""
        return ", ".join((*self.paths, *(group.name for group in self.groups)))


def apart(names: Sequence[str], known: Sequence[LogGroup]) -> tuple[tuple[str, ...], tuple[LogGroup, ...]]:
    """Paths, and log groups: what is there as a path is one, and so is a glob, an address in S3 and a name with a file's suffix.

    `known` are the groups of the stack. Any other is read as they are: its lines say what they are of.
    """
    by_name = {group.name: group for group in known}
    paths = tuple(name for name in names if _is_path(name))
    groups = dict.fromkeys(name for name in names if not _is_path(name))
    return paths, tuple(by_name.get(name, LogGroup(LogSource.DEFAULT, name)) for name in groups)


def _is_path(name: str) -> bool:
    return not _GROUP.fullmatch(name) or name.endswith(_SUFFIXES) or Path(name).exists()


def measure_logs(
    sources: LogSources,
    aws: Aws | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    memory_mb: int | None = None,
) -> Measured:
    """What the logs say of an interval; without one, of all that is in them.

    Raises UsageError for paths that name nothing, NotFound for a group that is not there, OpsError without the extra `usage`.
    """
    with engine(**({"memory_mb": memory_mb} if memory_mb else {})) as database:
        staged = _staged(database, sources, aws, since, until)
        found = measure(
            lambda question: asked(database, question),
            sources.origin,
            since=since,
            until=until,
            rejects=staged.rejects,
            is_unique=_is_unique(sources),
            architecture=sources.architecture,
        )
        return with_broadcasts(found, sources.broadcasts)


def _is_unique(sources: LogSources) -> bool:
    """Known of one import, and of no other sources."""
    if sources.groups or len(sources.paths) != 1:
        return False
    (path,) = sources.paths
    return is_import(path) and is_unique(Path(path))


def asked(database: Engine, question: Question) -> Sequence[Sequence[Any]]:
    """The answer to a question about the lines that were read. Raises OpsError for an import that is damaged within."""
    try:
        return database.rows(question.sql.replace("{lines}", VIEW))
    except Unreadable as error:
        raise OpsError(
            f"Lines that were imported cannot be read: {error}.", hint="Import the logs into a new folder."
        ) from error


def _staged(
    database: Engine,
    sources: LogSources,
    aws: Aws | None,
    since: datetime | None,
    until: datetime | None,
) -> Staged:
    wanted = wanted_lines(sources.api_id, sources.stage)
    raw = [path for path in sources.paths if not is_import(path)]
    those = without_imports(inputs(raw, aws, flag=sources.flag)) if raw else ()
    staged = stage(database, those, wanted, VIEW, aws)
    for path in sources.paths:
        if is_import(path):
            _add_import(database, Path(path), staged)
    if sources.groups:
        if aws is None or since is None:
            raise UsageError("A log group is read for an interval.", hint="Give --last or --since.")
        from whatschat_ops.logs.reading import LogReader

        reader = LogReader(aws)
        for group in sources.groups:
            try:
                read_group(database, reader, group, wanted, staged, since, until or datetime.now(UTC))
            except NotFound as error:
                raise NotFound(
                    f"{group.name} is neither a log group in {aws.region} nor a path on this machine.",
                    hint="To list the stack's groups: aws logs describe-log-groups",
                ) from error
    create_view(database, VIEW, staged.pieces, wanted)
    return staged


def _add_import(database: Engine, folder: Path, staged: Staged) -> None:
    """The pieces of a folder. One that is gone or no Parquet any more is counted."""
    for piece in pieces_of(folder):
        try:
            database.one(f"SELECT count(*) FROM read_parquet({text(piece)})")
        except Unreadable as error:
            staged.rejects.add("a file that cannot be read", f"{piece}: {error}")
        else:
            staged.pieces.append(piece)


def read_group(
    database: Engine,
    reader: LogReader,
    group: LogGroup,
    wanted: Wanted,
    staged: Staged,
    since: datetime,
    until: datetime,
) -> None:
    """Add the lines of a group. Two hours more on both sides tell when connections of the interval began and ended."""
    from whatschat_ops.logs.reading import Search

    start_ms = round(since.timestamp() * 1000) - LONGEST_MS
    lines = _lines(reader, group, Search(start_ms, round(until.timestamp() * 1000) + LONGEST_MS), staged)
    path = database.folder / "group.jsonl"
    folder = database.folder / VIEW
    first, number = len(staged.pieces), 0
    while True:
        with path.open("wb") as stream:
            while stream.tell() < BATCH_BYTES and (line := next(lines, None)) is not None:
                stream.write(line + b"\n")
            size_bytes = stream.tell()
        if not size_bytes:
            path.unlink()
            return
        stem = folder / f"group-{first:06}-{number:06}"
        stage_file(database, path, wanted, stem, staged, shown=group.name)
        number += 1


def _lines(reader: LogReader, group: LogGroup, search: Search, staged: Staged) -> Iterator[bytes]:
    for event in reader.events(group, search):
        line = timed(event.message.encode("utf-8", "replace").replace(b"\n", b" "), event.time_ms)
        if isinstance(line, bytes) and line.startswith(b"{"):
            yield line
        else:
            staged.rejects.add(line if isinstance(line, str) else NOT_OURS, event.message)
