"""The role with which API Gateway writes logs: one setting for a whole Region of an account, shared by every API.

It is set when there is none, and then stays: replacing or removing it would silence the logs of other people's
APIs. A role that is there already, whatever its name, is what we want.
"""

# ruff: noqa: ARG002 - a verb is given the whole request, whatever it needs of it
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.errors import AwsError, Conflict, NotFound, Rejected
from whatschat_ops.provision import Field, Kind, Live
from whatschat_ops.stack.kinds.context import Context

ROLE_PATH = "/whatschat-ops/"
MANAGED_POLICY = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
ROLE_TIMEOUT_S = 90.0
"""UpdateAccount refuses a fresh role for a while, and may be called once in 20 s."""


def _any_role(live: Any, _desired: Any) -> bool:
    return bool(live)


class ApiGatewayLogRole(Kind):
    """The Region's API Gateway account setting `cloudwatchRoleArn`."""

    name = "api_gateway_log_role"
    identity = ()
    fields: ClassVar[Mapping[str, Field]] = {
        "role_name": Field(matches=_any_role),
        "trust_policy": Field(input_only=True),
    }
    tagged = False
    kept = "the API Gateway log role is Region-wide, other APIs may use it"
    note = "Region-wide: every API of API Gateway in this Region and account will log with this role"

    def __init__(self, context: Context) -> None:
        self._context = context

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        arn = self._context.client("apigateway").get_account().get("cloudwatchRoleArn")
        if not arn:
            return None
        return Live(id=arn, fields={"role_name": arn.rpartition("/")[2]}, outputs={"arn": arn})

    def create(self, desired: Mapping[str, Any]) -> Live:
        arn = self._ensure_role(desired["role_name"], desired["trust_policy"])
        self._context.waiting.repeat(
            lambda: self._context.client("apigateway").update_account(
                patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]
            ),
            while_=_role_not_ready,
            why="Waiting for IAM: API Gateway cannot use the new log role yet.",
            timeout_s=ROLE_TIMEOUT_S,
        )
        return Live(id=arn, fields={"role_name": desired["role_name"]}, outputs={"arn": arn})

    def _ensure_role(self, name: str, trust_policy: Mapping[str, Any]) -> str:
        """Our role, made now or for another Region before."""
        iam = self._context.client("iam")
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except NotFound:
            role = self._create_role(name, json.dumps(trust_policy))
        if role["Path"] != ROLE_PATH:
            raise Conflict(
                f"The role {role['Arn']} exists and is not ours (its path is not {ROLE_PATH}).",
                hint="Set the log role of API Gateway yourself, or set websocket.access_logs to false.",
            )
        arn = self._context.place.managed_policy(MANAGED_POLICY)
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        return str(role["Arn"])

    def _create_role(self, name: str, trust_policy: str) -> Mapping[str, Any]:
        iam = self._context.client("iam")
        try:
            made = iam.create_role(RoleName=name, Path=ROLE_PATH, AssumeRolePolicyDocument=trust_policy)
        except Conflict:  # the answer to our own call was lost, or another Region's run was faster
            made = iam.get_role(RoleName=name)
        role: Mapping[str, Any] = made["Role"]
        return role


def _role_not_ready(error: AwsError) -> bool:
    """AWS answers BadRequestException: "The role ARN does not have required permissions" (or cannot be assumed)."""
    return isinstance(error, Rejected) and "role" in error.message.lower()
