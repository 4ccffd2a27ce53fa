"""The policy of the operator: what this program does with the stack, statement by statement.

Every action stands on the narrowest resource that AWS lets it be limited to (Service Authorization Reference). `*`
stands where AWS knows no resource: listings and CreateMeeting. API Gateway's ARNs carry no account.

Not in it: rights on principals that are not the stack's. Who may put a policy on any user may become anybody, so
`iam attach` to such a principal takes an administrator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import USER_INDEX
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.parts.broadcast_policies import operator_statements
from whatschat_ops.stack.policies import Document, allow, chime_policy, document, lambda_policy

LOG_ROLE_PATH: Final = "/whatschat-ops/"
"""Where `kinds/log_role.py` makes the Region's log role of API Gateway."""


def policy_of(component: str, settings: Settings, place: Place, api_id: str) -> Document:
    """The policy of `lambda`, `chime` or `operator`."""
    if component == "lambda":
        return lambda_policy(settings, place, api_id)
    if component == "chime":
        return chime_policy(settings, place)
    return operator_policy(settings, place, api_id)


def operator_policy(settings: Settings, place: Place, api_id: str) -> Document:
    """What this program needs to provision, read, use, check and delete the stack of `settings`."""
    names = Names(settings)
    return document(
        *_tables(names, place),
        *_functions(names, place),
        *_logs(names, place),
        *_roles(names, place),
        allow("JwtSecret", SECRET_ACTIONS, place.parameter(names.jwt_secret_parameter)),
        *_api_gateway(place, api_id),
        # What carries our tag and is not wanted any more: listings, which know no resource.
        allow("FindOrphans", ["tag:GetResources", "iam:ListRoles"], "*"),
        allow(
            "Sockets",
            ["execute-api:ManageConnections"],
            [
                place.connections(api_id, settings.websocket.stage, method)
                for method in ("POST", "GET", "DELETE")
            ],
        ),
        *chime_policy(settings, place)["Statement"],
        *operator_statements(settings, place),
    )


SECRET_ACTIONS: Final = tuple(
    f"ssm:{action}"
    for action in (
        "PutParameter",
        "GetParameter",
        "DeleteParameter",
        "AddTagsToResource",
        "ListTagsForResource",
    )
)


def _tables(names: Names, place: Place) -> Iterator[Document]:
    connections, ledger = place.table(names.connections_table), place.table(names.ledger_table)
    yield allow(
        "Tables",
        _of(
            "dynamodb",
            "CreateTable DescribeTable UpdateTable DeleteTable DescribeTimeToLive UpdateTimeToLive "
            "DescribeContinuousBackups UpdateContinuousBackups TagResource ListTagsOfResource Scan GetItem DeleteItem "
            "PartiQLDelete",  # a broadcast deletes gone rows 25 at a time
        ),
        [connections, ledger],
    )
    yield allow(
        "ConnectionsOfUser",
        ["dynamodb:Query"],
        place.table_index(names.connections_table, USER_INDEX),
    )
    yield allow("Ledger", _of("dynamodb", "PutItem UpdateItem"), ledger)
    yield allow(
        "Lock",
        _of("dynamodb", "CreateTable DescribeTable DeleteTable TagResource GetItem PutItem UpdateItem"),
        place.table(names.lock_table),
    )


def _functions(names: Names, place: Place) -> Iterator[Document]:
    functions = [place.function(names.function(short)) for short in names.functions]
    yield allow(
        "Functions",
        _of(
            "lambda",
            "CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration "
            "DeleteFunction PublishVersion ListVersionsByFunction CreateAlias GetAlias ListAliases UpdateAlias "
            "AddPermission RemovePermission GetPolicy TagResource ListTags InvokeFunction",
        ),
        [*functions, *(f"{function}:*" for function in functions)],
    )


def _logs(names: Names, place: Place) -> Iterator[Document]:
    groups = [names.access_log_group, *(names.function_log_group(short) for short in names.functions)]
    yield allow(
        "LogGroups",
        _of("logs", "CreateLogGroup DeleteLogGroup PutRetentionPolicy TagResource ListTagsForResource"),
        [f"{place.log_group(group)}{rest}" for group in groups for rest in ("", ":*")],
    )
    yield allow("FindLogGroups", ["logs:DescribeLogGroups"], "*")


def _roles(names: Names, place: Place) -> Iterator[Document]:
    roles = [place.role(names.iam_path, role) for role in names.roles]
    log_role = place.role(LOG_ROLE_PATH, names.api_gateway_log_role)
    yield allow(
        "Role",
        _of(
            "iam",
            "CreateRole GetRole DeleteRole UpdateAssumeRolePolicy TagRole PutRolePolicy GetRolePolicy "
            "DeleteRolePolicy ListRolePolicies ListAttachedRolePolicies DetachRolePolicy SimulatePrincipalPolicy",
        ),
        roles,
    )
    # A role that does not exist has no path yet: IAM then checks the bare name.
    yield allow(
        "FindRoles",
        ["iam:GetRole"],
        [place.role("/", role) for role in (*names.roles, names.api_gateway_log_role)],
    )
    yield allow("ApiGatewayLogRole", _of("iam", "CreateRole GetRole AttachRolePolicy"), log_role)
    yield allow("PassRoles", ["iam:PassRole"], [*roles, log_role])
    # The doctor asks what its own caller may do.
    yield allow("OwnRights", ["iam:SimulatePrincipalPolicy"], place.user("/", "${aws:username}"))


def _api_gateway(place: Place, api_id: str) -> Iterator[Document]:
    root = place.api_gateway
    api = f"{root}/apis/{api_id}"
    # The API's own ARN and its stages', as parts of a path (API Gateway developer guide, ARN reference).
    tags_of_api = f"{root}/tags/{quote(place.api(api_id), safe='*')}"
    yield allow("Apis", _of("apigateway", "GET POST TagResource"), f"{root}/apis")
    yield allow("Api", _of("apigateway", "GET POST PATCH DELETE TagResource"), [api, f"{api}/*"])
    yield allow("ApiTags", _of("apigateway", "GET POST"), f"{tags_of_api}*")
    yield allow("ApiGatewayLogs", _of("apigateway", "GET PATCH"), f"{root}/account")


def _of(service: str, actions: str) -> list[str]:
    return [f"{service}:{action}" for action in actions.split()]
