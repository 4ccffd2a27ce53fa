"""The audit log on moto: rows that are added, read back newest first, and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws
from msgspec.structs import replace

from whatschat_ops.audit import AuditEntry, AuditLog, Outcome
from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.errors import NotProvisioned
from whatschat_ops.redaction import Secret

TABLE = "whatschat-local-audit"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ALICE = AuditEntry(
    at=NOW, by="arn:aws:iam::1:user/eve", action="ws.disconnect", target={"user_id": ["alice", "bob"]}
)


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield Aws(AwsTarget("us-east-1", access_key_id="AKIDEXAMPLE", secret_access_key=Secret("secret")))


@pytest.fixture
def log(aws: Aws) -> AuditLog:
    return AuditLog(aws, Names(Settings()))


def ended(entry: AuditEntry, outcome: Outcome = Outcome.SUCCEEDED) -> AuditEntry:
    return replace(entry, outcome=outcome, ended_at=entry.at + timedelta(seconds=3), detail="closed: 2")


def rows(aws: Aws) -> list[dict[str, Any]]:
    return list(aws.client("dynamodb").scan(TableName=TABLE)["Items"])


def test_first_entry_creates_the_table(aws: Aws, log: AuditLog) -> None:
    log.record(ALICE)
    table = aws.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"] is True
    ttl = aws.client("dynamodb").describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "ttl")
    tags = aws.client("dynamodb").list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert tags == [{"Key": STACK_TAG, "Value": "whatschat-local"}]


def test_row_expires_after_400_days(aws: Aws, log: AuditLog) -> None:
    log.record(ALICE)
    [row] = rows(aws)
    assert int(row["ttl"]["N"]) == (NOW + timedelta(days=400)).timestamp()


def test_entry_without_an_outcome_is_read_as_started(log: AuditLog) -> None:
    log.record(ALICE)
    assert list(log.entries(until=NOW)) == [ALICE]


def test_outcome_is_a_second_row_and_one_entry(aws: Aws, log: AuditLog) -> None:
    log.record(ALICE)
    log.record(ended(ALICE))
    assert len(rows(aws)) == 2
    assert list(log.entries(until=NOW)) == [ended(ALICE)]


def test_outcome_alone_is_a_whole_entry(log: AuditLog) -> None:
    log.record(ended(ALICE))
    assert list(log.entries(until=NOW)) == [ended(ALICE)]


def test_entry_that_is_recorded_again_changes_nothing(aws: Aws, log: AuditLog) -> None:
    log.record(ALICE)
    log.record(replace(ALICE, by="arn:aws:iam::1:user/somebody-else"))
    assert list(log.entries(until=NOW)) == [ALICE]
    assert len(rows(aws)) == 1


def test_entries_of_the_same_microsecond_are_two(log: AuditLog) -> None:
    other = replace(ALICE, id="0" * 32, by="arn:aws:iam::1:user/other")
    log.record(ALICE)
    log.record(ended(other))
    log.record(ended(ALICE))
    log.record(other)
    assert {entry.by: entry.outcome for entry in log.entries(until=NOW)} == {
        ALICE.by: Outcome.SUCCEEDED,
        other.by: Outcome.SUCCEEDED,
    }


def test_many_at_once_are_all_there(log: AuditLog) -> None:
    log.record(ended(ALICE))
    entries = [replace(ALICE, id=f"{number:032x}") for number in range(40)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(log.record, entries))
    assert {entry.id for entry in log.entries(until=NOW)} == {entry.id for entry in (*entries, ALICE)}


def test_entries_come_newest_first_over_months_and_years(log: AuditLog) -> None:
    moments = [
        datetime(2025, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
    ]
    for moment in moments:
        log.record(replace(ALICE, at=moment))
    found = [entry.at for entry in log.entries(until=datetime(2026, 3, 31, tzinfo=UTC))]
    assert found == moments[::-1]


def test_since_and_until_are_limits_of_the_start(log: AuditLog) -> None:
    for minutes in range(5):
        log.record(replace(ALICE, at=NOW + timedelta(minutes=minutes), id=f"{minutes:032x}"))
    found = log.entries(since=NOW + timedelta(minutes=1), until=NOW + timedelta(minutes=3))
    assert [int(entry.id, 16) for entry in found] == [3, 2, 1]


@pytest.mark.parametrize(
    ("target", "user", "connection", "found"),
    [
        ({"user_id": ["alice", "bob"]}, "bob", None, True),
        ({"user_id": "bob"}, "bob", None, True),
        ({"user_id": "bobby"}, "bob", None, False),
        ({"everyone": True}, "bob", None, True),
        ({"everyone": True}, None, "c1=", False),
        ({"connection_id": "c1="}, None, "c1=", True),
        ({"connection_id": ["c1=", "c2="]}, None, "c2=", True),
        ({"connection_id": "c1="}, "bob", None, False),
        ({}, "bob", None, False),
        ({}, None, None, True),
    ],
)
def test_entries_of_a_user_or_connection(
    log: AuditLog, target: dict[str, Any], user: str | None, connection: str | None, found: bool
) -> None:
    log.record(replace(ALICE, target=target))
    assert bool(list(log.entries(user=user, connection=connection, until=NOW))) is found


@pytest.mark.parametrize(
    ("action", "found"), [("ws.disconnect", True), ("ws", True), ("ws.dis", False), ("provision", False)]
)
def test_action_is_one_or_a_group(log: AuditLog, action: str, found: bool) -> None:
    log.record(ALICE)
    assert bool(list(log.entries(action=action, until=NOW))) is found


def test_secret_in_a_reason_is_not_stored(aws: Aws, log: AuditLog) -> None:
    log.record(replace(ALICE, reason="his password=hunter2hunter2 leaked", detail="API_KEY=abcdefgh"))
    assert "hunter2" not in str(rows(aws)) and "abcdefgh" not in str(rows(aws))


def test_thousands_of_users_fit_a_row(log: AuditLog) -> None:
    log.record(replace(ALICE, target={"user_id": [f"user-{number:0250}" for number in range(3_000)]}))
    [entry] = log.entries(until=NOW)
    assert len(entry.target["user_id"]) == 1_000
    assert entry.target["user_id_omitted"] == 2_000


def test_without_a_table_there_is_nothing_to_read(log: AuditLog) -> None:
    with pytest.raises(NotProvisioned, match="nothing was recorded"):
        list(log.entries())


def test_ttl_that_was_turned_off_is_turned_on(aws: Aws, log: AuditLog) -> None:
    log.record(ALICE)
    aws.client("dynamodb").update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
    )
    log.ensure_table()
    ttl = aws.client("dynamodb").describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED"
