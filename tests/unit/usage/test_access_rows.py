"""Access lines that are read by the quick query, which must make the same of every file as the one for lines of any kind."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whatschat_ops.stack.access_log import FIELDS
from whatschat_ops.usage.engine.database import Engine, engine
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.engine.staging import Wanted, stage
from whatschat_ops.usage.logs.lines import wanted_lines

T_MS = "1766000000000"
GOOD = dict.fromkeys(FIELDS, "-") | {
    "requestId": "z80ghJ=", "requestTime": T_MS, "eventType": "MESSAGE", "routeKey": "$default", "connectionId": "sPzkA8=",
    "status": "200", "connectedAt": T_MS, "integrationRequestId": "9e779a87",
}  # fmt: skip
VIEWS = iter(range(10_000))


@pytest.fixture(scope="module")
def database() -> Iterator[Engine]:
    with engine(memory_mb=200, threads=1) as opened:
        yield opened


def line(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}, separators=(",", ":")).encode() + b"\n"


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name not in names}).encode() + b"\n"


def read(database: Engine, path: Path, wanted: Wanted) -> tuple[list[str], set[tuple[str, int]]]:
    view = f"view{next(VIEWS)}"
    staged = stage(database, inputs([str(path)], flag="--from"), wanted, view)
    rows = sorted(map(str, database.rows(f"SELECT * FROM {view}")))
    return rows, {(each.reason, each.count) for each in staged.rejects.found}


def same(database: Engine, path: Path, data: bytes, wanted: Wanted | None = None) -> list[str]:
    path.write_bytes(data)
    wanted = wanted or wanted_lines()
    quickly = read(database, path, wanted)
    assert quickly == read(database, path, replace(wanted, quick=None))
    return quickly[0]


def read_quickly(database: Engine, path: Path, data: bytes) -> int:
    """How many rows the quick query makes of it without the other; 0 if it refuses."""
    path.write_bytes(data)
    rows, rejects = read(
        database, path, replace(wanted_lines(), query="SELECT error('not quick') FROM {rows}")
    )
    return 0 if rejects else len(rows)


QUICK = [
    line(eventType="CONNECT", routeKey="$connect"),
    line(eventType="CONNECT", status="403"),
    line(eventType="CONNECT", status="-"),
    line(eventType="CONNECT", status=None),
    line(eventType="DISCONNECT"),
    line(connectedAt="-"),
    without("connectedAt"),
    without("integrationRequestId", "routeKey", "status"),
    line(integrationRequestId="-"),
    line(requestTime=int(T_MS), connectedAt=int(T_MS)),
    line(userAgent='Mozilla "x" \\ \u00e9\U0001f600\t'),
    line(userAgent="x" * 1_100_000),
    line(error={"a": [1, "}"]}),
    line(more=1, type="platform.report", bytesIn="5", bytesOut="6", deliveries={"sent": 1}),
    json.dumps(dict(reversed(GOOD.items()))).encode() + b"\n",
    line().replace(b"\n", b"\r\n"),
    b"\n" + line() + b"\n\n",
    line().replace(b'"-"', b'"\\u002d"'),
    line().replace(b'"status":', b'"stat\\u0075s":'),
    without("requestTime") .replace(b"}", b',"requestTimeEpoch":"%s"}' % T_MS.encode()),
]  # fmt: skip
OTHER = [
    line(eventType="connect"),
    line(eventType=None),
    line(eventType=["MESSAGE"]),
    line(connectionId="-"),
    line(connectionId=None),
    line(requestId="-"),
    without("requestId"),
    line(requestTime="-"),
    line(requestTime="1766000000"),
    line(requestTime="soon"),
    line(connectedAt="soon"),
    line(connectedAt=5),
    without("requestTime"),
    without("requestTime").replace(b"}", b',"time":%s}' % T_MS.encode()),
    b'{"level":"INFO","event":"message","outcome":"ok","requestId":"r","connectionId":"c","bytesIn":1,"bytesOut":2,"deliveries":{"sent":1}}\n',
    b'{"level":"INFO","event":"message","outcome":"ok","requestId":"r","connectionId":"c","bytesIn":"x"}\n',
    b'{"type":"platform.start"}\n',
    b"{}\n",
    line()[:-9] + b"\n",
    line().replace(b'"200"', b'"200"x'),
    line().replace(b'"200"', b'"2\x0100"'),
    line().replace(b'"200"', b'"2\x0000"'),
    line().replace(b'"200"', b'"2\xff00"'),
    line().replace(b'"200"', b'"2\\q00"'),
    line().replace(b"\n", b" ") + line(),
    b"words\n",
    b"[1]\n",
    b"null\n",
    b"\xef\xbb\xbf" + line(),
]  # fmt: skip


@pytest.mark.parametrize("each", QUICK)
def test_good_access_lines_are_read_quickly_and_alike(each: bytes, database: Engine, tmp_path: Path) -> None:
    data = line() + each
    assert len(same(database, tmp_path / "log", data)) == 2
    assert read_quickly(database, tmp_path / "log", data) == 2


@pytest.mark.parametrize("each", OTHER)
def test_any_other_line_makes_the_file_be_read_as_one_of_any_kind(
    each: bytes, database: Engine, tmp_path: Path
) -> None:
    data = line() + each + line(eventType="DISCONNECT")
    assert read_quickly(database, tmp_path / "log", data) == 0
    assert len(same(database, tmp_path / "log", data)) >= 2
    same(database, tmp_path / "log.gz", gzip.compress(data, mtime=0))


def test_key_that_is_there_twice_has_its_first_value(database: Engine, tmp_path: Path) -> None:
    refused = line(eventType="CONNECT", status="403")
    twice = refused.replace(b'"}', b'","status":"200","userAgent":"x"}')
    assert same(database, tmp_path / "log", twice + line()) == same(
        database, tmp_path / "log", refused + line()
    )


@pytest.mark.parametrize(
    "first", [line(apiId="a", stage="prod"), line(apiId="b", stage="prod"), line(), line(stage="dev")]
)
def test_lines_of_another_api_are_rejected_alike(first: bytes, database: Engine, tmp_path: Path) -> None:
    wanted = wanted_lines("a", "prod")
    rows = same(database, tmp_path / "log", first + line(), wanted)
    assert sum("another API" in row for row in rows) == (b'"b"' in first or b"dev" in first)


def test_names_in_another_case_are_found_alike(database: Engine, tmp_path: Path) -> None:
    cased = {name[:1].upper() + name[1:]: value for name, value in GOOD.items()}
    few = {name: cased[name] for name in list(cased)[:6]}
    data = b"".join(json.dumps(each).encode() + b"\n" for each in (few, cased, GOOD))
    same(database, tmp_path / "log", data)


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_other_formats_are_read_alike(name: str, database: Engine, tmp_path: Path) -> None:
    source, path = tmp_path / "log", tmp_path / name
    source.write_bytes(line() + line(eventType="DISCONNECT", integrationRequestId="x"))
    kind = "csv, header" if name.endswith("csv") else "parquet"
    database.rows(f"COPY (SELECT * FROM read_json('{source}')) TO '{path}' (FORMAT {kind})")
    assert len(same(database, path, path.read_bytes())) == 2


values = st.none() | st.sampled_from(["-", "", "200", T_MS, "CONNECT", "DISCONNECT", "MESSAGE", "$default", "a\"b\\c"]) | st.integers() | st.text(max_size=3)  # fmt: skip
names = st.sampled_from(
    [*FIELDS, "event", "outcome", "time", "type", "bytesIn", "apiId", "RequestId", "requestTimeEpoch"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.dictionaries(names, values, max_size=3), min_size=1, max_size=3))
def test_lines_with_any_values_are_read_alike(
    changes: list[dict[str, object]], database: Engine, tmp_path: Path
) -> None:
    same(database, tmp_path / "log", b"".join(line(**each) for each in changes))
