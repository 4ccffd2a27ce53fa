"""IAM policy documents as pure functions: what is printed is what is attached.

Each statement names the narrowest resource that AWS lets the action be limited to. Resource-level support of
Chime's actions: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Chime".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import ROUTE_FUNCTIONS, USER_INDEX
from whatschat_ops.provision import Reference
from whatschat_ops.stack.arns import Place

Document = dict[str, Any]

TABLE_ACTIONS: Final = tuple(
    f"dynamodb:{action}"
    for action in (
        "CreateTable", "DescribeTable", "UpdateTable", "DeleteTable", "DescribeTimeToLive", "UpdateTimeToLive",
        "DescribeContinuousBackups", "UpdateContinuousBackups", "TagResource", "ListTagsOfResource",
        "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan",
    )
)  # fmt: skip
FUNCTION_ACTIONS: Final = tuple(
    f"lambda:{action}"
    for action in (
        "CreateFunction", "GetFunction", "GetFunctionConfiguration", "UpdateFunctionCode",
        "UpdateFunctionConfiguration", "DeleteFunction", "PublishVersion", "ListVersionsByFunction", "CreateAlias",
        "GetAlias", "UpdateAlias", "DeleteAlias", "AddPermission", "RemovePermission", "GetPolicy", "TagResource",
        "ListTags", "InvokeFunction",
    )
)  # fmt: skip
LOG_ACTIONS: Final = tuple(
    f"logs:{action}"
    for action in (
        "CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy", "TagResource", "ListTagsForResource",
        "FilterLogEvents", "GetLogEvents",
    )
)  # fmt: skip
ROLE_ACTIONS: Final = tuple(
    f"iam:{action}"
    for action in (
        "CreateRole", "GetRole", "DeleteRole", "UpdateAssumeRolePolicy", "TagRole", "PutRolePolicy", "GetRolePolicy",
        "DeleteRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies", "AttachRolePolicy", "DetachRolePolicy",
    )
)  # fmt: skip
SECRET_ACTIONS: Final = tuple(
    f"ssm:{action}"
    for action in (
        "PutParameter", "GetParameter", "DeleteParameter", "AddTagsToResource", "ListTagsForResource",
    )
)  # fmt: skip
API_ACTIONS: Final = tuple(
    f"apigateway:{action}" for action in ("GET", "POST", "PUT", "PATCH", "DELETE", "TagResource")
)


def trust_policy(service: str) -> Document:
    """Who may assume a role: one AWS service."""
    return _document(
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
    )


def lambda_policy(settings: Settings, place: Place, api_id: str | Reference) -> Document:
    """What the three functions need: their rows, their sockets, their logs, the secret."""
    names = Names(settings)
    table = names.connections_table
    return _document(
        _allow(
            "Connections",
            ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:DeleteItem"],
            place.table(table),
        ),
        _allow("ConnectionsOfUser", ["dynamodb:Query"], place.table_index(table, USER_INDEX)),
        _allow(
            "SendToConnections",
            ["execute-api:ManageConnections"],
            place.connections(api_id, settings.websocket.stage, "POST"),
        ),
        _allow(
            "Logs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{place.log_group(names.function_log_group(short))}:*" for short in ROUTE_FUNCTIONS.values()],
        ),
        _allow("JwtSecret", ["ssm:GetParameter"], place.parameter(names.jwt_secret_parameter)),
    )


def chime_policy(settings: Settings, place: Place) -> Document:
    """What the application needs for meetings: the guide's seven actions, and GetAttendee.

    CreateMeeting knows no resource, so it needs "*"; all others are limited to the account's meetings.
    """
    region = settings.chime.region
    meetings = f"arn:{place.partition}:chime:{region}:{place.account_id}:meeting/*"
    return _document(
        _allow("CreateMeetings", ["chime:CreateMeeting"], "*"),
        _allow(
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


def operator_policy(settings: Settings, place: Place, api_id: str) -> Document:
    """What this program itself needs: to provision, read, use and delete the stack.

    "*" stands where AWS knows no resource (creating an API, listing) or no name is ours (the account's log role
    setting). API Gateway's own ARNs carry no account.
    """
    names = Names(settings)
    tables = [place.table(names.connections_table), place.table(names.ledger_table)]
    groups = [names.access_log_group, *(names.function_log_group(s) for s in ROUTE_FUNCTIONS.values())]
    functions = [place.function(names.function(short)) for short in ROUTE_FUNCTIONS.values()]
    role = place.role(names.iam_path, names.lambda_role)
    log_role = place.role("/whatschat-ops/", names.api_gateway_log_role)
    # A role that does not exist has no path yet: IAM then checks the bare name.
    without_path = [place.role("/", name) for name in (names.lambda_role, names.api_gateway_log_role)]
    stage = settings.websocket.stage
    chime = chime_policy(settings, place)["Statement"]
    return _document(
        _allow("Tables", TABLE_ACTIONS, [*tables, *(f"{table}/index/*" for table in tables)]),
        _allow("Functions", FUNCTION_ACTIONS, [*functions, *(f"{function}:*" for function in functions)]),
        _allow(
            "LogGroups", LOG_ACTIONS, [f"{place.log_group(g)}{rest}" for g in groups for rest in ("", ":*")]
        ),
        _allow("FindLogGroups", ["logs:DescribeLogGroups"], "*"),
        _allow("Roles", ROLE_ACTIONS, [role, log_role, *without_path]),
        _allow("PassRoles", ["iam:PassRole"], [role, log_role]),
        _allow("JwtSecret", SECRET_ACTIONS, place.parameter(names.jwt_secret_parameter)),
        _allow("ApiGateway", API_ACTIONS, place.api_gateway_paths(api_id)),
        _allow(
            "Connections",
            ["execute-api:ManageConnections"],
            [place.connections(api_id, stage, method) for method in ("POST", "GET", "DELETE")],
        ),
        *chime,
    )


def policy_of(component: str, settings: Settings, place: Place, api_id: str) -> Document:
    """The policy of `lambda`, `chime` or `operator`."""
    if component == "lambda":
        return lambda_policy(settings, place, api_id)
    if component == "chime":
        return chime_policy(settings, place)
    return operator_policy(settings, place, api_id)


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: Sequence[str], resource: Any) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
