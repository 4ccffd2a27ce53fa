"""Athena on the embedded AWS: it runs a query on DuckDB, or refuses it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import EmbeddedAws

pytestmark = pytest.mark.local

BUCKET = "athena-conformance"
OUTPUT = {"OutputLocation": f"s3://{BUCKET}/out"}
LINES = [{"route": "$connect", "bytes": 10}, {"route": "ping", "bytes": 5}, {"route": "ping", "bytes": 7}]
needs_duckdb = pytest.mark.skipif(find_spec("duckdb") is None, reason="DuckDB is not installed")


@pytest.fixture(scope="module")
def athena(embedded_aws: EmbeddedAws) -> Iterator[Any]:
    """A client of Athena, with a table `usage.calls` of JSON lines."""
    buckets, glue = embedded_aws.client("s3"), embedded_aws.client("glue")
    buckets.create_bucket(Bucket=BUCKET)
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    buckets.put_object(Bucket=BUCKET, Key="calls/one.json", Body=text.encode())
    glue.create_database(DatabaseInput={"Name": "usage"})
    columns = [{"Name": "route", "Type": "string"}, {"Name": "bytes", "Type": "int"}]
    serde = {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"}
    glue.create_table(
        DatabaseName="usage",
        TableInput={
            "Name": "calls",
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {
                "Columns": columns,
                "Location": f"s3://{BUCKET}/calls/",
                "SerdeInfo": serde,
            },
        },
    )
    yield embedded_aws.client("athena")
    glue.delete_table(DatabaseName="usage", Name="calls")
    glue.delete_database(Name="usage")


def finished(athena: Any, query: str) -> dict[str, Any]:
    """The execution of a query when it has ended."""
    started = athena.start_query_execution(
        QueryString=query, QueryExecutionContext={"Database": "usage"}, ResultConfiguration=OUTPUT
    )
    deadline = time.monotonic() + 60
    while True:
        found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
        execution: dict[str, Any] = found["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return execution
        assert time.monotonic() < deadline
        time.sleep(0.05)


@needs_duckdb
@pytest.mark.aws("https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryExecution.html")
def test_query_runs_and_its_result_is_the_object_that_is_named(
    embedded_aws: EmbeddedAws, athena: Any
) -> None:
    query = "SELECT route, sum(bytes) AS bytes FROM calls GROUP BY route ORDER BY route;"
    execution = finished(athena, query)
    assert execution["Status"]["State"] == "SUCCEEDED"
    query_id = execution["QueryExecutionId"]
    rows = athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"]
    assert [[cell["VarCharValue"] for cell in row["Data"]] for row in rows] == [
        ["route", "bytes"],
        ["$connect", "10"],
        ["ping", "12"],
    ]
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://{BUCKET}/out/{query_id}.csv"
    text = embedded_aws.client("s3").get_object(Bucket=BUCKET, Key=f"out/{query_id}.csv")["Body"].read()
    assert text.split() == [b"route,bytes", b"$connect,10", b"ping,12"]
    size = embedded_aws.client("s3").head_object(Bucket=BUCKET, Key="calls/one.json")["ContentLength"]
    assert execution["Statistics"]["DataScannedInBytes"] == size


@needs_duckdb
@pytest.mark.aws("https://docs.aws.amazon.com/athena/latest/APIReference/API_Datum.html")
def test_dates_and_decimals_are_text_that_is_saved(athena: Any) -> None:
    """The embedded AWS saves the results when it stops, and fails there if it cannot."""
    execution = finished(
        athena, "SELECT DATE '2026-01-02' AS day, 1.50 AS price, NULL AS nothing, true AS yes"
    )
    assert execution["Status"]["State"] == "SUCCEEDED"
    rows = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]["Rows"]
    assert rows[1]["Data"] == [
        {"VarCharValue": "2026-01-02"},
        {"VarCharValue": "1.50"},
        {},
        {"VarCharValue": "true"},
    ]


@needs_duckdb
@pytest.mark.difference(
    "Athena",
    aws="SQL of Trino",
    here="SQL of DuckDB, where it is installed: a function that Trino alone has fails the query",
)
def test_function_that_duckdb_does_not_have_fails_the_query(athena: Any) -> None:
    execution = finished(athena, "SELECT from_unixtime(bytes) FROM calls")
    assert execution["Status"]["State"] == "FAILED"
    assert "from_unixtime" in execution["Status"]["StateChangeReason"]


@needs_duckdb
@pytest.mark.difference(
    "Athena",
    aws="has other statements, parameters of an execution and reuse of results",
    here="one SELECT, WITH, CREATE EXTERNAL TABLE or DROP TABLE; others, ExecutionParameters and ResultReuseConfiguration are refused with InvalidRequestException",
)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"QueryString": "SHOW TABLES"}, "does not run this statement"),
        ({"QueryString": "CREATE DATABASE d"}, "does not run this statement"),
        ({"QueryString": "SELECT 1; COPY calls TO '/tmp/x'"}, "does not run this statement"),
        ({"QueryString": "SELECT ?", "ExecutionParameters": ["1"]}, "does not support this parameter"),
    ],
)
def test_what_would_not_run_is_refused(athena: Any, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        athena.start_query_execution(ResultConfiguration=OUTPUT, **parameters)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidRequestException"
    assert f"the embedded AWS {message}" in error["Message"]


@needs_duckdb
@pytest.mark.parametrize(
    "source",
    [
        "'{file}'",
        '"{file}"',
        "calls, '{file}'",
        'calls JOIN "{file}" ON true',
        "/**/'{file}'",
        "read_csv('{file}')",
        "\"read_csv\"('{file}')",
        "read_text('{file}')",
        "glob('{folder}/*')",
        "query('FROM ''{file}''')",
        "calls -- '\n; SELECT * FROM '{file}'",
        "calls -- '\n; SET enable_external_access = true; SELECT * FROM '{file}'",
    ],
)
def test_file_of_the_machine_fails_the_query(athena: Any, tmp_path: Path, source: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    execution = finished(athena, f"SELECT * FROM {source.format(file=file, folder=tmp_path)}")
    assert execution["Status"]["State"] == "FAILED"
    assert "configuration" in execution["Status"]["StateChangeReason"]
