"""An embedded AWS with two tables of connections, the fault endpoint, and the environment of the program."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.broadcast_faults import rows
from tests.broadcast_faults.endpoint import Order, Report
from tests.broadcast_faults.program import PACKAGE_ROOT
from tests.connections_table import create_table
from tests.faults.world import REGION, embedded_aws
from whatschat_ops.local.service import LocalService

TABLE = "websocket-connections"
FOREIGN_TABLE = "websocket-connections-blue"


@dataclass(frozen=True)
class FaultEndpoint:
    """The running process."""

    port: int
    process: subprocess.Popen[str]

    @property
    def callback_url(self) -> str:
        """Where the program posts to."""
        return f"http://127.0.0.1:{self.port}/production"

    def taken(self) -> int:
        """How many clients have got the message so far."""
        return int(self._get("/progress")["taken"])

    def report(self) -> Report:
        """Everything that arrived."""
        return Report.from_json(self._get("/report"))

    def _get(self, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return document


@dataclass(frozen=True)
class World:
    """What a run happens in. `own` and `foreign` are the rows as they were written."""

    aws: LocalService
    directory: Path
    endpoint: FaultEndpoint
    own: rows.Items
    foreign: rows.Items

    @property
    def dynamodb(self) -> Any:
        """A client of the operator."""
        return client(self.aws, "dynamodb")

    def environment(self) -> dict[str, str]:
        """Leads the program to this AWS and to the fault endpoint."""
        return {
            **program_environment(self.aws, self.directory),
            "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": self.endpoint.callback_url,
        }


@contextmanager
def faulty_world(directory: Path, connections: int, seed: int) -> Iterator[World]:
    """Everything started and every row written; all of it ends with the block."""
    with embedded_aws(directory / "aws") as aws:
        dynamodb = client(aws, "dynamodb")
        own, foreign = rows.make_rows(connections, seed), rows.make_rows(rows.FOREIGN_ROWS, seed + 1)
        for table, items in ((TABLE, own), (FOREIGN_TABLE, foreign)):
            create_table(dynamodb, table)
            rows.write_rows(dynamodb, table, items)
        with fault_endpoint(aws, seed) as endpoint:
            yield World(aws, directory, endpoint, own, foreign)


@contextmanager
def fault_endpoint(aws: LocalService, seed: int) -> Iterator[FaultEndpoint]:
    """The endpoint as a process; it ends when its standard input does."""
    secret = aws.secret_access_key.reveal()
    order = Order(seed, aws.access_key_id, secret, REGION, aws.endpoint_url, TABLE)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.broadcast_faults.endpoint"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PACKAGE_ROOT,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(asdict(order)) + "\n")
        process.stdin.flush()
        yield FaultEndpoint(int(process.stdout.readline()), process)
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def client(aws: LocalService, service: str) -> Any:
    """A boto3 client of the operator of the embedded AWS."""
    return boto3.client(
        service,
        endpoint_url=aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key.reveal(),
        config=Config(max_pool_connections=rows.WRITERS),
    )


def program_environment(aws: LocalService, directory: Path) -> dict[str, str]:
    """Variables that lead the program to the embedded AWS, with a state directory of its own."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "WHATSCHAT_OPS_STATE_DIR": str(directory / "program"),
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key.reveal(),
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": str(directory / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "none"),
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }
