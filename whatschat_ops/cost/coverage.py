"""What AWS may bill for this stack and an estimate does not include, each with the reason. docs/cost.md has the same as a table."""

from __future__ import annotations

from typing import Final

from whatschat_ops.cost.result import NotIncluded

_UNKNOWN: Final = "price not found in a public source"
_BY_USE: Final = "depends on how operators use it"

NOT_INCLUDED: Final = tuple(
    NotIncluded(service, item, why)
    for service, item, why in (
        ("Chime SDK", "HD sessions, media capture, live connector, transcription, Voice Focus", _UNKNOWN),
        ("Lambda", "the INIT phase of cold starts", "depends on how often new environments start"),
        ("Lambda", "/tmp over 512 MB", "the functions have 512 MB, which is free"),
        ("DynamoDB", "the tables of the ledger, the lock and the audit", "a few requests for each command"),
        ("DynamoDB", "on-demand backups, exports, streams", "the stack makes none"),
        ("CloudWatch", "custom metrics, alarms, dashboards, GetMetricData, Live Tail", _BY_USE),
        ("Step Functions, S3", "distributed broadcasts", "priced for each one: ws broadcast --dry-run"),
        ("EventBridge", "events of AWS services", "free"),
        ("SSM, KMS", "standard parameters and the AWS managed key", "free at the standard throughput"),
        ("Data transfer", "beyond the messages: handshakes, frames, TLS", "not counted by any metric"),
        ("AWS", "taxes, support, discounts", "of the account"),
    )
)
