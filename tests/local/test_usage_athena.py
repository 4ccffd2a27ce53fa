"""Athena on the embedded AWS answers what DuckDB answers, on the same import."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.in_process import run
from tests.local.conftest import EmbeddedAws
from tests.unit.usage.test_logs import T0, access, function
from whatschat_ops.aws import Aws
from whatschat_ops.aws.session import AwsTarget
from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.usage.engine.database import engine
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.logs.athena import MOST_QUESTIONS, AthenaLogs
from whatschat_ops.usage.logs.importing import import_logs, pieces_of
from whatschat_ops.usage.logs.lines import wanted_lines
from whatschat_ops.usage.logs.questions import Question
from whatschat_ops.usage.logs.reading import LogSources, measure_logs

pytestmark = pytest.mark.local
BUCKET = "usage-of-athena"
LINES = [
    access("CONNECT", 0),
    access("MESSAGE", 5, request="r"),
    function("r", bytes_in=40_000, bytes_out=70_000, sent=3),
    access("MESSAGE", 6),
    access("MESSAGE", 6),
    access("DISCONNECT", 90_500),
    access("CONNECT", 60_000, connection="b=", started_ms=60_000),
    access("CONNECT", 60_000, connection="c=", started_ms=60_000, status="401"),
    access("DISCONNECT", 10, connection="d=", started_ms=None),
]


def aws_of(embedded: EmbeddedAws) -> Aws:
    return Aws(
        AwsTarget(
            embedded.region,
            endpoint_url=embedded.endpoint_url,
            access_key_id=embedded.access_key_id,
            secret_access_key=embedded.secret_access_key,
        )
    )


@pytest.mark.parametrize("between", [None, (1, 61_000)])
def test_athena_answers_what_duckdb_answers_and_leaves_no_table(
    between: tuple[int, int] | None,
    embedded_aws: EmbeddedAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "log").write_text("".join(f"{json.dumps(line)}\n" for line in LINES) + "words\n")
    folder = tmp_path / "usage"
    with engine(memory_mb=200) as database:
        import_logs(database, inputs([str(tmp_path / "log")], flag=""), wanted_lines(), folder, flag="")
    buckets = embedded_aws.client("s3")
    buckets.create_bucket(Bucket=BUCKET)
    prefix, size_bytes = tmp_path.name, 0
    for piece in pieces_of(folder):
        size_bytes += piece.stat().st_size
        buckets.put_object(Bucket=BUCKET, Key=f"{prefix}/lines/{piece.name}", Body=piece.read_bytes())
    asked = AthenaLogs(aws_of(embedded_aws), f"s3://{BUCKET}/{prefix}", output=f"s3://{BUCKET}/out/")
    since, until = (datetime.fromtimestamp((T0 + each) / 1000, UTC) for each in between or (0, 0))
    if between is None:
        found, known = asked.measure(), measure_logs(LogSources((str(folder),)), memory_mb=200)
    else:
        found = asked.measure(since=since, until=until)
        known = measure_logs(LogSources((str(folder),)), since=since, until=until, memory_mb=200)
    assert found.quantities == known.quantities
    assert (found.rejects, found.handled, found.remarks) == (known.rejects, known.handled, known.remarks)
    assert (found.since, found.until, found.rows) == (known.since, known.until, known.rows)
    assert asked.scan().size_bytes == size_bytes
    assert 0 < asked.scanned_bytes <= 6 * size_bytes
    names = [each["Name"] for each in embedded_aws.client("glue").get_databases()["DatabaseList"]]
    assert [name for name in names if name.startswith("whatschat_ops_")] == []
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)
    priced = run(
        "cost", "actual", "--since", "2025-12-17", "--until", "2025-12-18", "--from", f"logs=s3://{BUCKET}/{prefix}",
        "--engine", "athena", "--athena-output", f"s3://{BUCKET}/out/", "--json",
    )  # fmt: skip
    assert f"at most {MOST_QUESTIONS * size_bytes:,} bytes: 2 files of {size_bytes:,} bytes" in priced.stderr
    assert priced.code == 0
    (source,) = json.loads(priced.stdout)["sources"]
    assert source["quantities"]["inbound_messages"] == {"low": "2", "high": "2"}


def test_query_that_fails_is_said_in_athenas_words_and_leaves_no_table(embedded_aws: EmbeddedAws) -> None:
    asked = AthenaLogs(aws_of(embedded_aws), f"s3://{BUCKET}/none", output=f"s3://{BUCKET}/out/")
    with pytest.raises(OpsError, match="no_such_column"), asked._table():
        asked.ask(Question("SELECT no_such_column FROM {lines}", ("a",)))
    names = [each["Name"] for each in embedded_aws.client("glue").get_databases()["DatabaseList"]]
    assert [name for name in names if name.startswith("whatschat_ops_")] == []


def test_place_that_is_no_import_in_s3_is_a_usage_error(embedded_aws: EmbeddedAws) -> None:
    with pytest.raises(UsageError, match="is not there"):
        AthenaLogs(aws_of(embedded_aws), "usage/").scan()
    embedded_aws.client("s3").create_bucket(Bucket=f"{BUCKET}-raw")
    embedded_aws.client("s3").put_object(Bucket=f"{BUCKET}-raw", Key="lines/a.jsonl", Body=b"{}")
    with pytest.raises(UsageError, match="is not Parquet"):
        AthenaLogs(aws_of(embedded_aws), f"s3://{BUCKET}-raw").scan()
    with pytest.raises(UsageError, match="names no files"):
        AthenaLogs(aws_of(embedded_aws), f"s3://{BUCKET}-raw/other").scan()
