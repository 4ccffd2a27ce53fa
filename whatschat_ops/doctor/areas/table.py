"""The connections table: its keys, its index, its TTL, and rows that should be gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from whatschat_ops.config.names import USER_INDEX
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.check import Check, Finding, Repair, fail, ok, warn
from whatschat_ops.doctor.drift import drift_check
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.errors import PROVISION, Hint, NotFound
from whatschat_ops.plurals import counted
from whatschat_ops.stack.kinds.table_keys import describe_indexes, describe_key

TABLE: Final = "WS020"
KEY: Final = "WS021"
INDEX: Final = "WS022"
PROJECTION: Final = "WS023"
ROWS_LOOKED_AT: Final = 1_000
"""One page at most: a scan of a large table costs money and time."""


def _described(facts: Facts) -> Any:
    return facts.call("dynamodb", "describe_table", TableName=facts.names.connections_table)["Table"]


def table(facts: Facts) -> Finding:
    """The connections table is there and takes requests."""
    name = facts.names.connections_table
    try:
        found = _described(facts)
    except NotFound:
        return fail(
            f"The table {name} does not exist in {facts.aws.region}.",
            Hint(PROVISION.argv, "Check CONNECTIONS_TABLE, or"),
            "DescribeTable: ResourceNotFoundException",
        )
    state = found["TableStatus"]
    if state not in ("ACTIVE", "UPDATING"):
        return fail(f"The table {name} is {state}.", PROVISION, f"DescribeTable.TableStatus = {state}")
    return ok(f"The table {name} is {state}, with about {counted(found.get('ItemCount', 0), 'row')}.")


def key(facts: Facts) -> Finding:
    """Its key is the string connectionId alone."""
    found = describe_key(_described(facts))
    if found == "connectionId":
        return ok("Its key is connectionId.")
    return fail(
        f"The key of {facts.names.connections_table} is {found}, not connectionId: no row can be written. DynamoDB cannot change it.",
        Hint(("provision", "--delete-data"), "Make the table again, without its rows"),
        f"DescribeTable.KeySchema = {found}",
    )


def index(facts: Facts) -> Finding:
    """The index by user exists, with its key, and is ready."""
    described = _described(facts)
    found = describe_indexes(described).get(USER_INDEX)
    state = next(
        (
            each.get("IndexStatus", "ACTIVE")
            for each in described.get("GlobalSecondaryIndexes", [])
            if each["IndexName"] == USER_INDEX
        ),
        "missing",
    )
    evidence = f"DescribeTable.GlobalSecondaryIndexes: {USER_INDEX} {found or 'missing'}, {state}"
    if found is None or found.partition(";")[0] != "userId":
        return fail(
            f"The index {USER_INDEX} is {'missing' if found is None else f'of {found}'}: no message finds its user.",
            PROVISION,
            evidence,
        )
    if state != "ACTIVE":
        return warn(f"The index {USER_INDEX} is {state}.", "Wait until it is ACTIVE.", evidence)
    return ok(f"The index {USER_INDEX} is of userId.")


def projection(facts: Facts) -> Finding:
    """The index holds every attribute of a row."""
    found = describe_indexes(_described(facts)).get(USER_INDEX, "")
    kind = found.partition("; ")[2]
    if not kind:
        return ok("The index holds every attribute.")
    return fail(
        f"The index {USER_INDEX} projects {kind}: rows that are found by user lack their attributes.",
        PROVISION,
        f"DescribeTable.Projection = {kind}",
    )


def stale(facts: Facts) -> Finding:
    """Few rows outlive their end of life by more than DynamoDB's delay."""
    page = facts.call(
        "dynamodb",
        "scan",
        TableName=facts.names.connections_table,
        ProjectionExpression="#ttl",
        ExpressionAttributeNames={"#ttl": "ttl"},
        Limit=ROWS_LOOKED_AT,
    )
    ends = [float(row["ttl"]["N"]) for row in page["Items"] if "N" in row.get("ttl", {})]
    late = sum(end < (facts.now - timedelta(hours=48)).timestamp() for end in ends)
    looked = len(page["Items"])
    if not late:
        return ok(f"None of {looked} rows is overdue.")
    return warn(
        f"{late} of {looked} rows ended more than 48 hours ago: TTL did not delete them.",
        Hint(("ws", "prune")),
        f"Scan: {counted(late, 'row')} with ttl before {facts.now - timedelta(hours=48):%Y-%m-%d %H:%M} UTC",
    )


_TABLE: Final = "table.connections"
CHECKS: Final = (
    Check(
        TABLE,
        "websocket.table",
        "Does the connections table exist?",
        table,
        THERE,
        actions=("dynamodb:DescribeTable",),
        watches=(f"{_TABLE}:",),
        meaning="The table was deleted, or the settings name another. Every handshake ends with 500.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    Check(
        KEY,
        "websocket.table-key",
        "Has the table the key connectionId?",
        key,
        (TABLE,),
        actions=("dynamodb:DescribeTable",),
        watches=(_TABLE,),
        meaning="The table was made by hand with another key. DynamoDB cannot change a key: the table is made again.",
        fix=Hint(("provision", "--delete-data")),
    ),
    Check(
        INDEX,
        "websocket.table-index",
        "Can connections be found by user?",
        index,
        (TABLE, KEY),
        actions=("dynamodb:DescribeTable",),
        watches=(f"{_TABLE}:indexes",),
        meaning="The index by user is missing or of another key: messages to a user and `ws send --user` reach no connection.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    Check(
        PROJECTION,
        "websocket.table-projection",
        "Does the index hold every attribute?",
        projection,
        (INDEX,),
        actions=("dynamodb:DescribeTable",),
        watches=(f"{_TABLE}:indexes",),
        meaning="An index that projects keys only gives rows without `connectedAt` and `ttl`. It is made again in place.",
        fix=PROVISION,
        repair=Repair.PROVISION,
    ),
    drift_check(
        "WS024",
        "websocket.table-ttl",
        "Does DynamoDB delete rows that ended?",
        (f"{_TABLE}:ttl_attribute",),
        "TTL is enabled on the attribute ttl.",
        "TTL is not enabled on the attribute ttl, so rows that ended stay",
        (TABLE, KEY),
        "TTL is off or on another attribute. DynamoDB takes up to an hour for a change and accepts one an hour.",
    ),
    Check(
        "WS025",
        "websocket.table-stale-rows",
        "Are rows gone that ended days ago?",
        stale,
        (TABLE, KEY, "WS024"),
        actions=("dynamodb:Scan",),
        meaning=f"$disconnect is best effort, and TTL deletes within about two days. The first {ROWS_LOOKED_AT} rows are looked at.",
        fix=Hint(("ws", "prune")),
        repair=Repair.PRUNE,
    ),
)
