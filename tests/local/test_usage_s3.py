"""Usage from S3 and from log groups of the embedded AWS: `cost actual`, `cost reconcile`, and the policy that is printed for them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.bills import rows, write
from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.minimality.removal import User, removals, without
from tests.unit.usage.test_logs import T0, access, function
from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import ExitCode
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.usage import DATABASES
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.usage.engine.database import engine
from whatschat_ops.usage.engine.inputs import inputs
from whatschat_ops.usage.logs.importing import import_logs, pieces_of
from whatschat_ops.usage.logs.lines import wanted_lines

pytestmark = pytest.mark.local
SETTINGS = Settings.of({"prefix": "files-"})
NAMES = Names(SETTINGS)
BUCKET = f"{NAMES.stack}-usage"
PREFIX = f"s3://{BUCKET}"
LINES = [access("MESSAGE", 5, request="r"), function("r", bytes_in=40_000), access("DISCONNECT", 90_000)]
CALLS = "meeting,attendee,joined,left\nm1,alice,2025-12-17T20:00:00Z,2025-12-17T20:10:00Z\n"
TIME = ("--since", "2025-12-17", "--until", "2025-12-19")
POLICY = policy_of("operator-usage", SETTINGS, Place("us-east-1", "000000000000"), "*")


@pytest.fixture(scope="module")
def files(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Logs as they are, as gz and imported, records as gz and Parquet, a bill: in a bucket."""
    folder = tmp_path_factory.mktemp("files")
    text = "".join(f"{json.dumps(line)}\n" for line in LINES).encode()
    (folder / "log").write_bytes(text)
    objects = {"logs/a.jsonl.gz": gzip.compress(text), "calls/a.csv.gz": gzip.compress(CALLS.encode())}
    with engine(memory_mb=200) as database:
        import_logs(
            database, inputs([str(folder / "log")], flag=""), wanted_lines(), folder / "usage", flag=""
        )
        database.rows(
            f"COPY (SELECT 'm2' AS meeting_id, 'bob' AS attendee_id, TIMESTAMPTZ '2025-12-17 20:00:00Z' AS joined_at, 90 AS seconds)"
            f" TO '{folder / 'calls.parquet'}' (FORMAT parquet)"
        )
    objects |= {f"usage/lines/{each.name}": each.read_bytes() for each in pieces_of(folder / "usage")}
    objects["calls/b.parquet"] = (folder / "calls.parquet").read_bytes()
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key, body in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    yield
    for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture(scope="module")
def reader(embedded_aws: EmbeddedAws) -> User:
    return User(embedded_aws.client, "files-reader")


@pytest.fixture
def no_database_is_left(embedded_aws: EmbeddedAws) -> Iterator[None]:
    """Of those that a caller made who may not delete them."""
    yield
    glue = embedded_aws.client("glue")
    for each in glue.get_databases()["DatabaseList"]:
        if each["Name"].startswith(DATABASES):
            glue.delete_database(Name=each["Name"])


@pytest.fixture
def here(embedded_aws: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def actual(*arguments: str) -> Done:
    return run("--json", "cost", "actual", *TIME, "--no-free-tier", *arguments)


def quantities(done: Done) -> dict[str, Any]:
    assert done.code == ExitCode.DONE, done.said
    (source,) = json.loads(done.stdout)["sources"]
    assert source["rejects"] == []
    return {name: amount and amount["low"] for name, amount in source["quantities"].items()}


def test_logs_in_s3_as_gz_and_as_parquet_measure_the_same(here: None, files: None) -> None:
    of_gz = quantities(actual("--from", f"logs={PREFIX}/logs/"))
    assert (of_gz["inbound_messages"], of_gz["inbound_bytes"]) == ("1", "40000")
    assert (
        quantities(
            actual(
                "--from", f"logs={PREFIX}/usage/", "--engine", "athena", "--athena-output", f"{PREFIX}/out/"
            )
        )
        == of_gz
    )


def test_records_in_s3_as_gz_and_parquet_are_one_measurement(here: None, files: None) -> None:
    found = quantities(actual("--from", f"calls={PREFIX}/calls/"))
    assert (found["attendances"], found["chime_audio"]) == ("2", "11.5")


def test_import_of_s3_skips_what_it_has(here: None, files: None) -> None:
    command = ("--json", "cost", "usage", "import", f"{PREFIX}/logs/", "-o", "usage")
    first, again = (json.loads(run(*command).stdout) for _ in range(2))
    assert (first["files"], first["rows"], again["files"], again["skipped"]) == (1, 3, 0, 1)


@pytest.mark.parametrize("name", ["cur2.csv.gz", "cur2.parquet"])
def test_bill_in_s3_is_the_bill_of_the_file(
    name: str, here: None, files: None, embedded_aws: EmbeddedAws, tmp_path: Path
) -> None:
    bill = write(rows({"websocket_messages": Decimal(1_000_000)}, date(2025, 12, 1), 31), tmp_path / name)
    embedded_aws.client("s3").put_object(Bucket=BUCKET, Key=f"bills/{name}/{name}", Body=bill.read_bytes())
    asked = ("--json", "cost", "reconcile", "--bill")
    there, of_file = (run(*asked, path) for path in (f"{PREFIX}/bills/{name}/", str(bill)))
    assert there.code == of_file.code == ExitCode.DONE, there.said
    assert json.loads(there.stdout) == json.loads(of_file.stdout)
    assert "USE1-ApiGatewayMessage" in there.stdout


def test_log_group_is_read_by_its_name(here: None, embedded_aws: EmbeddedAws, tmp_path: Path) -> None:
    logs, now_ms = embedded_aws.client("logs"), round(datetime.now(UTC).timestamp() * 1000)
    moved = now_ms - 600_000 - T0
    access_group, function_group = f"/{tmp_path.name}/access", f"/{tmp_path.name}/function"
    for group, those in {access_group: LINES[::2], function_group: LINES[1:2]}.items():
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="s")
        events = [{"timestamp": now_ms - 1_000, "message": json.dumps(_moved(line, moved))} for line in those]
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    asked = ("--json", "cost", "actual", "--last", "1h")
    both = run(*asked, "--from", f"logs={access_group}", "--from", f"logs={function_group}")
    assert (quantities(both)["inbound_messages"], quantities(both)["inbound_bytes"]) == ("1", "40000")
    alone = run(*asked, "--from", f"logs={access_group}")
    assert quantities(alone)["inbound_bytes"] is None
    (tmp_path / "group").write_text("".join(f"{json.dumps(_moved(line, moved))}\n" for line in LINES))
    assert quantities(run(*asked, "--from", "logs=group"))["inbound_bytes"] == "40000"


def _moved(line: dict[str, Any], by_ms: int) -> dict[str, Any]:
    times = ("requestTime", "connectedAt")
    return {name: str(int(value) + by_ms) if name in times else value for name, value in line.items()}


def test_log_group_that_does_not_exist_is_named(here: None) -> None:
    done = run("cost", "actual", "--last", "1h", "--from", "logs=/aws/lambda/none")
    assert done.code == ExitCode.FAILED
    assert "/aws/lambda/none is neither a log group in us-east-1 nor a path on this machine." in done.stderr


SHOWN = (
    "ListBucket",
    "GetObject",
    "GetQueryExecution",
    "GetQueryResults",
    "StartQueryExecution",
    "CreateDatabase",
    "DeleteDatabase",
)
"""What this program asks itself. The rest is what Athena asks with the rights of its caller, which the embedded AWS does not check."""


def test_printed_policy_is_enough_for_s3_and_athena_and_each_call_is_needed(
    files: None,
    no_database_is_left: None,
    reader: User,
    embedded_aws: EmbeddedAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in embedded_aws.aws_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", reader.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", reader.secret_access_key)
    (tmp_path / "config.yaml").write_text("prefix: files-\nlocal: {enabled: false}\n")
    monkeypatch.chdir(tmp_path)

    def asked(*more: str) -> Done:
        return run("--json", "--config", "config.yaml", "cost", "actual", *TIME, *more)

    plain = ("--from", f"logs={PREFIX}/logs/")
    on_athena = ("--from", f"logs={PREFIX}/usage/", "--engine", "athena", "--athena-output", f"{PREFIX}/out/")
    reader.may(POLICY)
    assert [asked(*each).code for each in (plain, on_athena)] == [ExitCode.DONE] * 2, asked(*on_athena).said
    assert asked("--from", "logs=s3://another-bucket/logs/").code != ExitCode.DONE
    files_only = [each for each in removals(POLICY) if each.action.partition(":")[2] in SHOWN]
    assert len(files_only) == len(SHOWN)
    for removed in files_only:
        reader.may(without(POLICY, removed))
        done = asked(*(plain if removed.sid in ("Buckets", "Objects") else on_athena))
        error = json.loads(done.stdout)["error"]
        assert (done.code, error["code"]) == (ExitCode.FAILED, "permission_denied")
        assert error["argv"][-1] == "operator-usage"
