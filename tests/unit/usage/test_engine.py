"""Files of every kind, whole and damaged, as tables."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from whatschat_ops.errors import UsageError
from whatschat_ops.usage.engine.database import Engine, engine
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.engine.staging import Staged, Wanted, stage

WANTED = Wanted({"a": ("a",), "b": ("b", "Bee")})
ROW = b'{"a":"1","b":{"x":1}}\n'
MANY = b"".join(b'{"a":"%d","b":"%d"}\n' % (n, n * 7919 % 1_000_003) for n in range(30_000))


@pytest.fixture(scope="module")
def database() -> Iterator[Engine]:
    with engine(memory_mb=200, threads=2) as opened:
        yield opened


VIEWS = iter(range(1_000))


def staged(
    database: Engine, *paths: Path | str, wanted: Wanted = WANTED
) -> tuple[Staged, list[tuple[object, ...]]]:
    view = f"view{next(VIEWS)}"
    found = stage(database, inputs([str(path) for path in paths], flag="--from"), wanted, view)
    return found, sorted(database.rows(f"SELECT * FROM {view}"), key=str)


def counts(found: Staged) -> dict[str, int]:
    return {each.reason: each.count for each in found.rejects.found}


def written(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("log.jsonl", ROW * 3),
        ("byte-order-mark", b"\xef\xbb\xbf" + ROW * 3),
        ("crlf.json", ROW.replace(b"\n", b"\r\n") * 3),
        ("without-last-end", ROW * 2 + ROW[:-1]),
        ("zipped", gzip.compress(ROW * 3, mtime=0)),
        ("zipped-in-parts.gz", gzip.compress(ROW * 2, mtime=0) + gzip.compress(ROW, mtime=0)),
        ("array.json", b"[" + b",".join([ROW] * 3) + b"]"),
        ("list.csv", b'A,b,c\r\n1,"{""x"":1}",x\r\n' + b'1,"{""x"":1}",\r\n' * 2),
        ("list.tsv", b"\xef\xbb\xbfBee\ta\n" + b'"{""x"":1}"\t1\n' * 3),
        ("list.csv.gz", gzip.compress(b'a;b\n1;"{""x"":1}"\n' + b'1;"{""x"":1}"\n' * 2, mtime=0)),
    ],
)
def test_whole_file_has_all_rows_and_no_rejects(
    name: str, data: bytes, database: Engine, tmp_path: Path
) -> None:
    found, rows = staged(database, written(tmp_path, name, data))
    assert rows == [("1", '{"x":1}')] * 3
    assert (found.rows, found.files, counts(found)) == (3, 1, {})


@pytest.mark.parametrize(
    ("name", "data", "rows", "rejects"),
    [
        ("cut.jsonl", ROW + ROW[:9], 1, {"a line that is not JSON": 1}),
        ("two.jsonl", ROW + ROW[:-1] + ROW, 1, {"a line that is not JSON": 1}),
        ("words", ROW + b"words\n5\n[1]\nnull\n\n" + ROW, 2, {"a line that is not JSON": 1, "a line that is no JSON object": 3}),
        ("nul", ROW + b'{"a":"\0"}\n' + ROW, 2, {"a line with NUL bytes": 1}),
        ("latin1", ROW + b'{"a":"\xe9t\xe9"}\n' + ROW, 2, {"a line that is not UTF-8": 1}),
        ("long", ROW + b'{"a":"' + b"x" * 2_000_000 + b'"}\n' + ROW + b"?\n", 2, {"a line longer than 1 MB": 1, "a line that is not JSON": 1}),
        ("deep", ROW + b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n?\n", 1, {"a line that is not JSON": 2}),
        ("empty.gz", gzip.compress(b"", mtime=0), 0, {"an empty file": 1}),
        ("empty", b"", 0, {"an empty file": 1}),
        ("blank", b"\r\n\n", 0, {"an empty file": 1}),
        ("short.csv", b"a,b\n1,2\n1\n", 1, {"a row with other columns than the header": 1}),
        ("long.csv", b"a,b\n1,2\n1,2,3\n", 1, {"a row with other columns than the header": 1}),
        ("latin1.csv", b"a,b\n1,2\n\xe9,2\n", 1, {"a row that is not UTF-8": 1}),
        ("nul.csv.gz", gzip.compress(b"a,b\n1,2\n1\n\0,2\n", mtime=0), 1, {"a row with other columns than the header": 1, "a row with NUL bytes": 1}),
        ("other.csv", b"c,d\n1,2\n", 0, {"a line that is not JSON": 2}),
        ("array.json", b'[{"a":1},{"a":', 1, {"a line that is not JSON": 1}),
        ("elements.json", b'[{"a":1},\n5, {"b":[1]}\n]', 2, {"a line that is no JSON object": 1}),
        ("brackets.log", b"[INFO] starts\n" + ROW, 1, {"a line that is not JSON": 1}),
        ("utf-16.csv", "a,b\n1,2\n".encode("utf-16"), 0, {"a file that cannot be read": 1}),
        ("cr.csv", b"a,b\r1,2\r", 0, {"a line that is not JSON": 1}),
        ("quote.csv", b'a,b\n1,2\n"3,4\n5,6\n7,8\n', 3, {"a row with other columns than the header": 1}),
        ("long-quote.csv", b'a,b\n1,2\n"3,4\n' + b"5,6\n" * 40_000, 40_001, {"a row that is not CSV": 1}),
        ("nul.csv", b"a,b\n1,2\n\0,2\n", 1, {"a row with NUL bytes": 1}),
        ("bad-line.zst", zstandard.compress(ROW + b"?\n" + ROW), 2, {"a line that is not JSON": 1}),
        ("frames.zst", zstandard.compress(ROW + b"?\n") + zstandard.compress(ROW), 2, {"a line that is not JSON": 1}),
        ("head.zst", zstandard.compress(ROW)[:8], 0, {"a compressed file that is cut off or damaged": 1}),
        ("head.gz", gzip.compress(ROW, mtime=0)[:8], 0, {"a compressed file that is cut off or damaged": 1}),
        ("pretty.json", b'{\n "a": 1\n}\n', 0, {"a line that is not JSON": 3}),
        ("damaged.parquet", b"PAR1damagedPAR1", 0, {"a file that cannot be read": 1}),
        ("damaged.zst", b"\x28\xb5\x2f\xfddamaged", 0, {"a file that cannot be read": 1}),
    ],
)  # fmt: skip
def test_damaged_file_keeps_its_good_rows_and_counts_the_others(
    name: str, data: bytes, rows: int, rejects: dict[str, int], database: Engine, tmp_path: Path
) -> None:
    found, kept = staged(database, written(tmp_path, name, data), written(tmp_path, "z", ROW))
    assert (len(kept), found.rows, counts(found)) == (rows + 1, rows + 1, rejects)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_compressed_file_that_is_cut_off_keeps_what_is_before_the_cut(
    compress: Callable[[bytes], bytes], database: Engine, tmp_path: Path
) -> None:
    whole = compress(MANY)
    found, kept = staged(database, written(tmp_path, "log", whole[: len(whole) // 2]))
    assert 10_000 < len(kept) < 30_000
    assert counts(found) == {"a compressed file that is cut off or damaged": 1}


def test_files_of_several_kinds_are_one_table(database: Engine, tmp_path: Path) -> None:
    database.rows(f"COPY (SELECT 1 AS a, {{'x': 1}} AS b) TO '{tmp_path / 'p.parquet'}' (FORMAT parquet)")
    database.rows(f"COPY (SELECT 1 AS a, {{'x': 1}} AS b) TO '{tmp_path / 'p.json.zst'}' (FORMAT json)")
    written(tmp_path, "x.csv", b'a,b\n1,"{""x"":1}"\n')
    written(tmp_path, "_SUCCESS", b"")
    found, rows = staged(database, tmp_path, tmp_path / "x.csv")
    assert rows == [("1", '{"x":1}')] * 3
    assert (found.files, counts(found)) == (3, {})


def test_file_without_a_required_column_is_rejected_by_name(database: Engine, tmp_path: Path) -> None:
    path = written(tmp_path, "x.csv", b"a\n1\n")
    found, rows = staged(database, path, wanted=Wanted(WANTED.columns, required=("b",)))
    (reject,) = found.rejects.found
    assert rows == []
    assert reject.samples == (f"{path}: it has no column b",)


@pytest.mark.parametrize("head", ["x,y", "b,b", "b,a\r1,2"], ids=["other names", "twice", "ends in CR"])
def test_table_whose_first_line_is_no_header_is_rejected_by_name(
    head: str, database: Engine, tmp_path: Path
) -> None:
    path = written(tmp_path, "x.csv", f"{head}\n1,2\n".encode())
    found, rows = staged(database, path, wanted=Wanted(WANTED.columns, required=("b",)))
    (reject,) = found.rejects.found
    assert rows == []
    assert reject.samples == (f"{path}: its first line is no header with the column b, each once",)


def test_samples_of_csv_rows_that_are_not_utf_8_are_text(database: Engine, tmp_path: Path) -> None:
    found, _ = staged(database, written(tmp_path, "x.csv", b"a,b\n1,2\n\xe9,2\n"))
    (reject,) = found.rejects.found
    assert reject.samples == ("\N{REPLACEMENT CHARACTER},2",)


def test_column_of_another_name_counts_where_the_first_is_missing(database: Engine, tmp_path: Path) -> None:
    _, rows = staged(database, written(tmp_path, "x", b'{"Bee":2}\n{"b":1,"Bee":2}\n'))
    assert rows == [(None, "1"), (None, "2")]


def test_samples_of_rejects_are_few_and_without_secrets(database: Engine, tmp_path: Path) -> None:
    found, _ = staged(database, written(tmp_path, "x", ROW + b"?token=abc&x\x1b[2J\n" * 9))
    (reject,) = found.rejects.found
    assert reject.count == 9
    assert reject.samples == ("?token=********&x\N{REPLACEMENT CHARACTER}[2J",) * 3


@pytest.mark.parametrize("path", ["no/such/file", "no/such/*.json", "{empty}", "s3://bucket/key"])
def test_path_that_names_no_file_is_a_usage_error(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        inputs([path.format(empty=tmp_path)], flag="--from")
