"""Logs as Parquet once: repeated, ended in the middle, changed and damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.broadcast.broadcast_fakes import PagedRows, RecordingEngine, RecordingPruner, record
from tests.unit.usage.test_logs import T0, access, amount, function, handled, rejects
from whatschat_ops.broadcast.journal.journal import Journal
from whatschat_ops.broadcast.journal.lock import hold
from whatschat_ops.broadcast.run import run_broadcast
from whatschat_ops.choices import LogSource
from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.logs.events import LogEvent
from whatschat_ops.logs.groups import LogGroup
from whatschat_ops.logs.reading import LogReader, Search
from whatschat_ops.usage.engine.database import Engine, engine
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.engine.staging import Staged, create_view
from whatschat_ops.usage.logs.importing import Imported, import_logs, pieces_of
from whatschat_ops.usage.logs.journals import Broadcasts, with_broadcasts
from whatschat_ops.usage.logs.lines import wanted_lines
from whatschat_ops.usage.logs.measuring import measure
from whatschat_ops.usage.logs.questions import SPAN
from whatschat_ops.usage.logs.reading import VIEW, LogSources, apart, asked, measure_logs, read_group
from whatschat_ops.usage.measured import Measured


@pytest.fixture(scope="module")
def database() -> Iterator[Engine]:
    with engine(memory_mb=200, threads=2) as opened:
        (opened.folder / VIEW).mkdir()
        yield opened


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    write(folder / "access.jsonl", access("MESSAGE", 0, request="r"), access("DISCONNECT", 60_000))
    write(folder / "default.jsonl", function("r"), b"START RequestId: 1", b"words", b"words")
    return folder


def write(path: Path, *lines: dict[str, Any] | bytes) -> None:
    path.write_bytes(
        b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in lines)
    )


def imported(database: Engine, logs: Path, folder: Path) -> Imported:
    those = inputs([str(logs)], flag="--from")
    return import_logs(database, those, wanted_lines(), folder, flag="--output")


def of(*paths: Path) -> Measured:
    return measure_logs(LogSources(tuple(str(path) for path in paths)), memory_mb=200)


def test_import_measures_what_the_logs_do(database: Engine, logs: Path, tmp_path: Path) -> None:
    plain = of(logs)
    found = imported(database, logs, tmp_path / "usage")
    again = of(tmp_path / "usage")
    assert again.quantities == plain.quantities
    assert (again.since, again.until) == (plain.since, plain.until)
    assert rejects(again) == rejects(plain) == {"a line that is not JSON": 2}
    assert (
        again.remarks[0]
        == plain.remarks[0]
        == "Lambda itself wrote 1 line on starts and ends, which are not used."
    )
    assert {each.reason: each.count for each in found.rejects} == rejects(plain)
    assert (found.files, found.skipped, found.rows) == (2, 0, 3)


def test_import_repeated_skips_what_is_there_and_replaces_what_changed(
    database: Engine, logs: Path, tmp_path: Path
) -> None:
    imported(database, logs, tmp_path / "usage")
    before = {path: path.stat().st_mtime_ns for path in pieces_of(tmp_path / "usage")}
    assert imported(database, logs, tmp_path / "usage").skipped == 2
    assert {path: path.stat().st_mtime_ns for path in pieces_of(tmp_path / "usage")} == before
    write(logs / "default.jsonl", function("r", bytes_in=40_000))
    found = imported(database, logs, tmp_path / "usage")
    assert (found.files, found.skipped, found.replaced) == (1, 1, 1)
    assert amount(of(tmp_path / "usage"), "inbound_bytes") == 40_000
    assert sorted((tmp_path / "usage" / "lines").iterdir()) == sorted(pieces_of(tmp_path / "usage"))


def test_import_after_a_kill_makes_what_was_not_whole_again(
    database: Engine, logs: Path, tmp_path: Path
) -> None:
    imported(database, logs, tmp_path / "usage")
    whole = of(tmp_path / "usage").quantities
    next((tmp_path / "usage" / "imported").iterdir()).unlink()  # the process ended between pieces and entry
    (tmp_path / "usage" / "lines" / "x-0000.part").write_bytes(b"PAR1")
    found = imported(database, logs, tmp_path / "usage")
    assert (found.files, found.skipped) == (1, 1)
    assert of(tmp_path / "usage").quantities == whole
    assert sorted((tmp_path / "usage" / "lines").iterdir()) == sorted(pieces_of(tmp_path / "usage"))


def test_folder_of_something_else_is_refused(database: Engine, logs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds other files"):
        imported(database, logs, logs)
    imported(database, logs, tmp_path / "usage")
    (tmp_path / "usage" / "usage-import.json").write_text('{"format": 1, "probe": 5}')
    with pytest.raises(OpsError, match="another version"):
        imported(database, logs, tmp_path / "usage")


def test_damaged_entry_and_import_of_another_process_are_refused(
    database: Engine, logs: Path, tmp_path: Path
) -> None:
    imported(database, logs, tmp_path / "usage")
    other = hold(tmp_path / "usage" / "usage-import.json")
    assert other is not None
    with pytest.raises(OpsError, match="by another process"):
        imported(database, logs, tmp_path / "usage")
    other.close()
    next((tmp_path / "usage" / "imported").iterdir()).write_text("{")
    with pytest.raises(OpsError, match="is damaged"):
        of(tmp_path / "usage")


class Events:
    """A reader of log groups that have these messages, a second apart."""

    def __init__(self, *messages: str) -> None:
        self.messages = messages
        self.searches: list[Search] = []

    def events(self, group: LogGroup, search: Search) -> Iterator[LogEvent]:
        self.searches.append(search)
        for number, message in enumerate(self.messages):
            yield LogEvent(str(number), group.source, "stream", T0 + number * 1_000, T0, message)


def test_log_group_is_read_with_the_times_of_its_events(database: Engine) -> None:
    reader = Events(
        json.dumps(access("MESSAGE", 0, request="r")),
        json.dumps(function("r"), indent=1),
        "REPORT RequestId: 1\tDuration: 2 ms\tBilled Duration: 3 ms\tMemory Size: 256 MB\t",
        json.dumps(function("later")),
        "Traceback\n  words",
    )
    staged, group = Staged(), LogGroup(LogSource.DEFAULT, "/aws/lambda/default")
    since, until = datetime.fromtimestamp(T0 / 1000, UTC), datetime.fromtimestamp(T0 / 1000 + 2, UTC)
    read_group(database, cast(LogReader, reader), group, wanted_lines(), staged, since, until)
    create_view(database, VIEW, staged.pieces, wanted_lines())
    found = measure(lambda question: asked(database, question), "group", since=since, until=until, rejects=staged.rejects)  # fmt: skip
    assert reader.searches == [Search(T0 - 7_200_000, T0 + 7_202_000)]
    assert (amount(found, "inbound_messages"), amount(found, "inbound_bytes")) == (1, 10)
    assert amount(found, "lambda_requests") == 0  # at the end, which is not in the interval
    assert rejects(found) == {"an event of a log group that is no line of the API": 1}


@pytest.mark.parametrize(
    ("name", "is_path"),
    [
        ("/aws/lambda/f", False),
        ("x/access", False),
        ("API-Gateway-Execution-Logs_abc/prod", False),
        ("there", True),
        ("s3://bucket/logs/", True),
        ("logs/*", True),
        ("missing.jsonl.gz", True),
        ("a b", True),
    ],
)
def test_name_is_a_log_group_unless_it_can_only_be_a_path(
    name: str, is_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    known = LogGroup(LogSource.ACCESS, "x/access")
    paths, groups = apart([name, name], [known])
    assert (paths, [group.name for group in groups]) == (((name, name), []) if is_path else ((), [name]))
    assert (known in groups) == (name == known.name)


@pytest.mark.parametrize("damage", [lambda piece: piece.write_bytes(b"damaged"), Path.unlink])
def test_piece_of_an_import_that_cannot_be_read_is_counted(
    damage: Callable[[Path], object], database: Engine, logs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "usage"
    imported(database, logs, folder)
    (piece, *_) = pieces_of(folder)
    damage(piece)
    found = measure_logs(LogSources((str(folder),)), memory_mb=200)
    assert rejects(found)["a file that cannot be read"] == 1
    assert any(str(piece) in sample for each in found.rejects for sample in each.samples)


@pytest.mark.parametrize("path", ["{}", "{}/*/*.json"])
def test_import_among_other_files_is_refused_and_not_read_as_logs(
    path: str, database: Engine, logs: Path, tmp_path: Path
) -> None:
    imported(database, logs, tmp_path / "more" / "usage")
    with pytest.raises(UsageError, match=f"{tmp_path / 'more' / 'usage'} is an import") as raised:
        measure_logs(LogSources((path.format(tmp_path / "more"),)), memory_mb=200)
    assert "--engine athena" in str(raised.value.hint)


def test_file_whose_piece_is_gone_is_imported_again(database: Engine, logs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "usage"
    first = imported(database, logs, folder)
    before = measure_logs(LogSources((str(folder),)), memory_mb=200)
    pieces_of(folder)[0].unlink()
    again = imported(database, logs, folder)
    assert (again.files, again.skipped) == (1, first.files - 1)
    assert measure_logs(LogSources((str(folder),)), memory_mb=200) == before


def test_import_that_is_damaged_within_is_an_error_that_says_what_to_do(
    database: Engine,
) -> None:
    database.rows(
        "CREATE OR REPLACE VIEW log_lines AS SELECT error('damaged') AS kind, 1 AS t_ms, 1 AS connected_ms"
    )
    with pytest.raises(OpsError, match="imported cannot be read: damaged") as raised:
        asked(database, SPAN)
    assert "new folder" in str(raised.value.hint)


def test_log_group_without_an_interval_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="for an interval"):
        measure_logs(LogSources(groups=(LogGroup(LogSource.ACCESS, "/aws/x"),)), memory_mb=200)


def test_broadcasts_of_the_interval_are_added_from_their_journals(logs: Path, tmp_path: Path) -> None:
    runs = tmp_path / "broadcasts"
    journal = Journal.create(runs, record(message=b"x" * 32_769))
    run_broadcast(journal, PagedRows(10), RecordingEngine(failing=("c1",)), RecordingPruner())
    (runs / "20200101-000000-0000.sqlite").write_bytes(b"damaged")
    since, until = datetime(2025, 12, 17, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    before = measure_logs(LogSources((str(logs),)), since=since, until=until, memory_mb=200)
    found = with_broadcasts(before, Broadcasts(runs, "whatschat-test"))
    assert (amount(before, "outbound_messages"), amount(found, "outbound_messages")) == (1, 10)
    assert (amount(before, "outbound_bytes"), amount(found, "outbound_bytes")) == (20, 20 + 9 * 32_769)
    assert (amount(before, "websocket_messages"), amount(found, "websocket_messages")) == (2, 2 + 18)
    assert "which delivered 9 messages" in found.remarks[-1]
    assert with_broadcasts(before, Broadcasts(runs, "another")).quantities == before.quantities
    assert with_broadcasts(before, Broadcasts(tmp_path / "absent")) is before
    assert handled(found) == handled(before)
    assert rejects(found) == {**rejects(before), "a journal of a broadcast that cannot be read": 1}
