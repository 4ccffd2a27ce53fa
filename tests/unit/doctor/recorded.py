"""Facts as a recording has them: answers of AWS and the state of a stack, given as data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from whatschat_ops.aws import Aws, AwsTarget
from whatschat_ops.config import Settings
from whatschat_ops.doctor import Facts
from whatschat_ops.doctor.reads import encoded
from whatschat_ops.redaction import Secret

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
TARGET = AwsTarget("us-east-1", access_key_id="AKIAEXAMPLE", secret_access_key=Secret("x" * 40))
Call = tuple[str, str, Mapping[str, Any], Any]
CALLER: Call = (
    "sts",
    "GetCallerIdentity",
    {},
    {"Arn": "arn:aws:iam::1:user/ops", "Account": "1", "UserId": "U"},
)


def facts(
    *calls: Call,
    settings: Settings | None = None,
    states: Mapping[str, Any] | None = None,
    observed: Mapping[str, Any] | None = None,
) -> Facts:
    """Facts of these calls and no others. `states`: address -> state, or its drift as {field: (old, new)}."""
    recording = {
        "at": NOW.isoformat(),
        "observed": {**({"status": status(states)} if states is not None else {}), **(observed or {})},
        "calls": [
            {
                "service": service,
                "region": "us-east-1",
                "operation": operation,
                "parameters": parameters,
                **(_error(answer) if isinstance(answer, Exception) else {"answer": encoded(answer)}),
            }
            for service, operation, parameters, answer in (CALLER, *calls)
        ],
    }
    return Facts(settings or Settings(), Aws(TARGET), recording)


def _error(error: Any) -> dict[str, Any]:
    return {"error": {"kind": type(error).__name__, "message": error.message, "aws_code": ""}}


def status(states: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a stack, JSON-ready."""
    resources = [_resource(address, state) for address, state in states.items()]
    return {
        "stack": "whatschat-local",
        "provisioned": any(each["state"] != "missing" for each in resources),
        "in_sync": all(each["state"] == "in sync" for each in resources),
        "resources": resources,
    }


def _resource(address: str, state: Any) -> dict[str, Any]:
    drift = [
        {
            "field": field,
            "old": old,
            "new": new,
            "sensitive": False,
            "known_after_apply": new == "(known after apply)",
            "replaces": None,
        }
        for field, (old, new) in (state.items() if isinstance(state, Mapping) else ())
    ]
    return {
        "address": address,
        "state": "drifted" if drift else state,
        "id": "api1" if address == "api.websocket" else f"id of {address}",
        "drift": drift,
        "reason": f"{address} belongs to another" if state == "not ours" else None,
    }
