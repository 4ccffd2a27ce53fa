"""IAM policy documents as pure functions: what is printed is what is attached.

Each statement names the narrowest resource that AWS lets the action be limited to. Resource-level support of
Chime's actions: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Chime".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import ROUTE_FUNCTIONS, USER_INDEX
from whatschat_ops.provision import Reference
from whatschat_ops.stack.arns import Place

Document = dict[str, Any]


def trust_policy(service: str) -> Document:
    """Who may assume a role: one AWS service."""
    return document(
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
    )


def lambda_policy(settings: Settings, place: Place, api_id: str | Reference) -> Document:
    """What the three functions need: their rows, their sockets, their logs, the secret."""
    names = Names(settings)
    table = names.connections_table
    return document(
        allow(
            "Connections",
            # The application's own functions query the table itself; ours its index only.
            ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:DeleteItem"]
            + (["dynamodb:Query"] if settings.lambda_.source.path else []),
            place.table(table),
        ),
        allow("ConnectionsOfUser", ["dynamodb:Query"], place.table_index(table, USER_INDEX)),
        allow(
            "SendToConnections",
            ["execute-api:ManageConnections"],
            place.connections(api_id, settings.websocket.stage, "POST"),
        ),
        allow(
            "Logs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{place.log_group(names.function_log_group(short))}:*" for short in ROUTE_FUNCTIONS.values()],
        ),
        allow("JwtSecret", ["ssm:GetParameter"], place.parameter(names.jwt_secret_parameter)),
    )


def chime_policy(settings: Settings, place: Place) -> Document:
    """What the application needs for meetings: the guide's seven actions, and GetAttendee.

    CreateMeeting knows no resource, so it needs "*"; all others are limited to the account's meetings.
    """
    region = settings.chime.region
    meetings = f"arn:{place.partition}:chime:{region}:{place.account_id}:meeting/*"
    return document(
        allow("CreateMeetings", ["chime:CreateMeeting"], "*"),
        allow(
            "UseMeetings",
            [
                "chime:GetMeeting",
                "chime:DeleteMeeting",
                "chime:CreateAttendee",
                "chime:BatchCreateAttendee",
                "chime:GetAttendee",
                "chime:ListAttendees",
                "chime:DeleteAttendee",
            ],
            meetings,
        ),
    )


def document(*statements: Document) -> Document:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(sid: str, actions: Sequence[str], resource: Any) -> Document:
    """A statement; `resource` is an ARN, a list of ARNs or a value known after apply."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
