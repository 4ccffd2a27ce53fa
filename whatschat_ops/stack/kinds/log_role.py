"""The role with which API Gateway writes logs: one setting for a whole Region of an account, shared by every API.

It is set when there is none, and then stays: replacing or removing it would silence the logs of other people's
APIs. A role that is there already, whatever its name, is what we want.
"""

# ruff: noqa: ARG002 - a verb is given the whole request, whatever it needs of it
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from whatschat_ops.errors import AwsError, Blocked, Conflict, NotFound, Rejected
from whatschat_ops.provision import Live, Reference
from whatschat_ops.stack.arns import TemplatePlace
from whatschat_ops.stack.iam_documents import Document, actions, allow, pass_roles
from whatschat_ops.stack.kinds.context import AwsKind
from whatschat_ops.stack.kinds.declaration import AwsField, CloudFormationType, Granted, Properties, get_att
from whatschat_ops.stack.kinds.role import PATH, boundary_parameter, role_arn

MANAGED_POLICY = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
SET_LOG_ROLE: Final = "SetApiGatewayLogRole"
"""Name of the template's parameter, and of the condition made of it."""
ROLE_TIMEOUT_S = 90.0
"""UpdateAccount refuses a fresh role for a while, and may be called once in 20 s."""


def _any_role(live: Any, _desired: Any) -> bool:
    return bool(live)


def _on_demand(_fields: Properties) -> Properties:
    """Other APIs may use it: a template creates it on demand only, and never deletes it."""
    return {"Condition": SET_LOG_ROLE, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


class ApiGatewayLogRole(AwsKind):
    """The Region's API Gateway account setting `cloudwatchRoleArn`."""

    name = "api_gateway_log_role"
    service = "apigateway"
    identity = ()
    fields: ClassVar[Mapping[str, AwsField]] = {
        "role_name": AwsField(matches=_any_role, cfn="RoleName"),
        "trust_policy": AwsField(input_only=True, cfn="AssumeRolePolicyDocument"),
        "permissions_boundary": AwsField(input_only=True, cfn="PermissionsBoundary"),
    }
    template = (
        CloudFormationType(
            "AWS::IAM::Role",
            own=lambda _address: {
                "Path": PATH,
                "ManagedPolicyArns": [TemplatePlace().managed_policy(MANAGED_POLICY)],
            },
            attributes=_on_demand,
        ),
        CloudFormationType(
            "AWS::ApiGateway::Account",
            part="Account",
            own=lambda address: {"CloudWatchRoleArn": Reference(address, "arn")},
            attributes=_on_demand,
        ),
    )
    template_outputs: ClassVar = {"arn": get_att("Arn")}

    @classmethod
    def operator_statements(cls, granted: Granted) -> Iterator[Document]:
        """To set it where the Region has none; a role that does not exist is found by its bare name."""
        names = [resource.fields["role_name"] for resource in granted.resources]
        arns = [role_arn(granted.place, PATH, name) for name in names]
        yield allow("Find", ["iam:GetRole"], [role_arn(granted.place, "/", name) for name in names])
        yield allow("LogRole", actions("iam", "CreateRole GetRole AttachRolePolicy"), arns)
        yield pass_roles("apigateway.amazonaws.com", arns)
        place = granted.place
        account = f"arn:{place.partition}:apigateway:{place.region}::/account"
        yield allow("Apis", actions("apigateway", "GET PATCH"), account)

    tagged = False
    kept = "the API Gateway log role is Region-wide, other APIs may use it"
    note = "Region-wide: every API of API Gateway in this Region and account will log with this role"

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        arn = self._client.get_account().get("cloudwatchRoleArn")
        if not arn:
            return None
        return Live(id=arn, fields={"role_name": arn.rpartition("/")[2]}, outputs={"arn": arn})

    def create(self, desired: Mapping[str, Any]) -> Live:
        arn = self._ensure_role(desired["role_name"], desired["trust_policy"], boundary_parameter(desired))
        self._context.waiting.repeat(
            lambda: self._client.update_account(
                patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]
            ),
            while_=_role_not_ready,
            why="Waiting for IAM: API Gateway cannot use the new log role yet.",
            timeout_s=ROLE_TIMEOUT_S,
        )
        return Live(id=arn, fields={"role_name": desired["role_name"]}, outputs={"arn": arn})

    def _ensure_role(self, name: str, trust_policy: Mapping[str, Any], boundary: Mapping[str, str]) -> str:
        """Our role, made now or for another Region before."""
        iam = self._context.client("iam")
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except NotFound:
            role = self._create_role(name, json.dumps(trust_policy), boundary)
        if role["Path"] != PATH:
            raise Blocked(
                f"The role {role['Arn']} exists and is not ours (its path is not {PATH}).",
                hint="Set the log role of API Gateway yourself, or set websocket.access_logs to false.",
            )
        arn = self._context.place.managed_policy(MANAGED_POLICY)
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        return str(role["Arn"])

    def _create_role(self, name: str, trust_policy: str, boundary: Mapping[str, str]) -> Mapping[str, Any]:
        iam = self._context.client("iam")
        try:
            made = iam.create_role(
                RoleName=name, Path=PATH, AssumeRolePolicyDocument=trust_policy, **boundary
            )
        except Conflict:  # the answer to our own call was lost, or another Region's run was faster
            made = iam.get_role(RoleName=name)
        role: Mapping[str, Any] = made["Role"]
        return role


def _role_not_ready(error: AwsError) -> bool:
    """AWS answers BadRequestException: "The role ARN does not have required permissions" (or cannot be assumed)."""
    return isinstance(error, Rejected) and "role" in error.message.lower()
