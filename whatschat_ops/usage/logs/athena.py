"""The same questions on Amazon Athena, about an import (`importing.py`) whose folder is in S3: for more than one machine reads.

A database of its own, with a table for the folder, exists while the questions are asked, and is deleted then. Athena bills what a
query reads; Parquet is read by column, so a query reads less than the folder.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.stack.parts.usage import DATABASES
from whatschat_ops.usage.engine.inputs import S3, inputs
from whatschat_ops.usage.logs.importing import LINES
from whatschat_ops.usage.logs.lines import TYPES
from whatschat_ops.usage.logs.measuring import measure
from whatschat_ops.usage.logs.questions import Question
from whatschat_ops.usage.measured import Measured

MOST_QUESTIONS: Final = 7
"""Of one measurement (`measuring.py`)."""
POLL_S: Final = 0.5
MOST_WAIT_S: Final = 30 * 60
"""Athena ends a query of DML after 30 minutes (Athena service quotas)."""
TABLE: Final = "lines"


@dataclass(frozen=True, slots=True)
class Scan:
    """What there is to scan, before it is asked. In bytes: no rate card has Athena's price."""

    files: int
    size_bytes: int

    @property
    def most_bytes(self) -> int:
        """If every question reads every column."""
        return MOST_QUESTIONS * self.size_bytes


@dataclass(slots=True)
class AthenaLogs:
    """An import in S3. `location` is its folder, `output` where Athena puts results; None: where the workgroup says."""

    aws: Aws
    location: str
    output: str | None = None
    flag: str = "--from"
    architecture: str = "arm64"
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    scanned_bytes: int = field(default=0, init=False)
    _database: str = field(default="", init=False)

    @property
    def lines(self) -> str:
        """The folder of the pieces."""
        folder = self.location.rstrip("/")
        return f"{folder}/" if folder.endswith(f"/{LINES}") else f"{folder}/{LINES}/"

    def scan(self) -> Scan:
        """What there is to read. Raises UsageError for a place that is not an import in S3."""
        if not self.location.startswith(S3):
            raise UsageError(
                f"Athena reads S3, and {self.location} is not there.",
                hint="Copy an import to it: aws s3 sync usage/ s3://BUCKET/usage/",
            )
        files = inputs([self.lines], self.aws, flag=self.flag)
        others = [each.name for each in files if not each.name.endswith(".parquet")]
        if others:
            raise UsageError(
                f"{self.location} is no import: {others[0]} is not Parquet.",
                hint=f"Name another with {self.flag}.",
            )
        return Scan(len(files), sum(each.size_bytes for each in files))

    def measure(self, *, since: datetime | None = None, until: datetime | None = None) -> Measured:
        """What the lines say, as DuckDB would. Raises OpsError with Athena's words for a query that fails."""
        with self._table():
            return measure(self.ask, self.location, since=since, until=until, architecture=self.architecture)

    @contextmanager
    def _table(self) -> Iterator[None]:
        glue = self.aws.client("glue")
        self._database = f"{DATABASES}{secrets.token_hex(4)}"
        glue.create_database(DatabaseInput={"Name": self._database})
        try:
            self._finished(ddl(self.lines))
            try:
                yield
            finally:
                self._finished(f"DROP TABLE {TABLE}")
        finally:
            glue.delete_database(Name=self._database)

    def ask(self, question: Question) -> Sequence[Sequence[Any]]:
        """The rows of the answer, as texts and None."""
        execution = self._finished(question.sql.replace("{lines}", TABLE).strip())
        pages = self.aws.client("athena").get_paginator("get_query_results")
        rows = [
            [cell.get("VarCharValue") for cell in row["Data"]]
            for page in pages.paginate(QueryExecutionId=execution)
            for row in page["ResultSet"]["Rows"]
        ]
        return rows[1:]  # the first has the names

    def _finished(self, sql: str) -> str:
        athena = self.aws.client("athena")
        where = {"ResultConfiguration": {"OutputLocation": self.output}} if self.output else {}
        started = athena.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self._database}, **where
        )
        execution_id, given_up_at = str(started["QueryExecutionId"]), self.clock() + MOST_WAIT_S
        while True:
            found = athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
            status = found["Status"]
            if status["State"] == "SUCCEEDED":
                self.scanned_bytes += found.get("Statistics", {}).get("DataScannedInBytes", 0)
                return execution_id
            if status["State"] in ("FAILED", "CANCELLED"):
                raise OpsError(f"Athena did not answer: {status.get('StateChangeReason', status['State'])}")
            if self.clock() > given_up_at:
                raise OpsError(f"Athena: query {execution_id} has not ended in {MOST_WAIT_S // 60} minutes.")
            self.sleep(POLL_S)


def ddl(location: str) -> str:
    """The table of an import."""
    columns = ", ".join(f"`{name}` {kind}" for name, kind in TYPES.items())
    return f"CREATE EXTERNAL TABLE {TABLE} ({columns}) STORED AS PARQUET LOCATION '{location}'"
