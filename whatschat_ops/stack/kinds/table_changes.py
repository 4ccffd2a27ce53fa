"""What a person should know before a table is changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whatschat_ops.errors import PROVISION, Hint
from whatschat_ops.provision import Live, Obstacle


def ttl_obstacle(live: Live) -> Obstacle | None:
    """Why TTL cannot be turned on for another attribute now, if so (UpdateTimeToLive in the API reference)."""
    table, region, on = live.fields["table_name"], live.id.split(":")[3], live.fields["ttl_attribute"]
    if on is not None:
        return Obstacle(
            f"TTL is on for the attribute {on!r}. DynamoDB moves it to another one in two steps: TTL is turned off, which "
            "takes up to an hour, and then turned on again",
            Hint(
                text=f"Turn it off, and provision an hour later: aws dynamodb update-time-to-live --region {region} "
                f"--table-name {table} --time-to-live-specification Enabled=false,AttributeName={on}"
            ),
        )
    if live.outputs["ttl_status"] == "DISABLING":
        return Obstacle(
            "TTL is being turned off, which takes up to an hour, and DynamoDB accepts no other change of it until then",
            Hint(PROVISION.argv, "Wait for up to an hour, then"),
        )
    return None


def index_effect(live: Live, desired: Mapping[str, Any]) -> str | None:
    """DynamoDB cannot change the key or the projection of an index."""
    before = live.fields["indexes"]
    replaced = [name for name, key in desired["indexes"].items() if before.get(name, key) != key]
    if not replaced:
        return None
    return f"{' and '.join(replaced)}: deleted and created again; queries of it fail until then"
