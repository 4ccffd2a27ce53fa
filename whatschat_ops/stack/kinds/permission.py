"""A statement in the resource policy of a function's alias: who may invoke it.

It is known by what it allows, whatever its id: CloudFormation makes ids up, and a second statement would say nothing new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.errors import Conflict, NotFound
from whatschat_ops.provision import Live, Reference
from whatschat_ops.stack.iam_documents import actions
from whatschat_ops.stack.kinds.context import AwsKind
from whatschat_ops.stack.kinds.declaration import AwsField, CloudFormationType

_FIXED = "Lambda cannot change a permission in place"


class Permission(AwsKind):
    """Allows `principal` (a service) to invoke, called from `source_arn`. `statement_id` is for a statement of ours."""

    name = "permission"
    service = "lambda"
    identity = ("function_name", "qualifier", "source_arn")
    fields: ClassVar[Mapping[str, AwsField]] = {
        "function_name": AwsField(left_out="the ARN of the alias names its function, too"),
        "qualifier": AwsField(cfn=lambda alias: {"FunctionName": Reference(alias.address, "arn")}),
        "statement_id": AwsField(
            input_only=True,
            left_out="CloudFormation makes one up; AddPermission's statements are known by what they allow",
        ),
        "principal": AwsField(replaces=_FIXED, cfn="Principal"),
        "action": AwsField(replaces=_FIXED, cfn="Action"),
        "source_arn": AwsField(cfn="SourceArn"),
    }
    operator_on = "function"
    operator_actions = actions("lambda", "AddPermission RemovePermission GetPolicy")
    template = (CloudFormationType("AWS::Lambda::Permission"),)
    tagged = False
    goes_with = "function"

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        for statement in self._statements(identity):
            if _source_arn(statement.get("Condition", {})) == identity["source_arn"]:
                return _live(identity, statement)
        return None

    def create(self, desired: Mapping[str, Any]) -> Live:
        try:
            self._add(desired)
        except (
            Conflict
        ):  # our id is taken: by this very statement, or by one for an API or stage that was before
            if (live := self.read(desired)) is not None:
                return live
            self._remove(desired, desired["statement_id"])
            self._add(desired)
        return Live(
            _id(desired, desired["statement_id"]), dict(desired), {"statement_id": desired["statement_id"]}
        )

    def delete(self, live: Live) -> None:
        self._remove(live.fields, live.outputs["statement_id"])

    def _statements(self, identity: Mapping[str, Any]) -> list[Any]:
        try:
            answer = self._client.get_policy(
                FunctionName=identity["function_name"], Qualifier=identity["qualifier"]
            )
        except NotFound:  # no policy, or no such function or alias
            return []
        return list(json.loads(answer["Policy"])["Statement"])

    def _add(self, desired: Mapping[str, Any]) -> None:
        self._client.add_permission(
            FunctionName=desired["function_name"],
            Qualifier=desired["qualifier"],
            StatementId=desired["statement_id"],
            Action=desired["action"],
            Principal=desired["principal"],
            SourceArn=desired["source_arn"],
        )

    def _remove(self, fields: Mapping[str, Any], statement_id: str) -> None:
        try:
            self._client.remove_permission(
                FunctionName=fields["function_name"],
                Qualifier=fields["qualifier"],
                StatementId=statement_id,
            )
        except NotFound:
            return


def _live(identity: Mapping[str, Any], statement: Mapping[str, Any]) -> Live:
    principal = statement.get("Principal")
    sid = statement.get("Sid", "")
    fields = {
        "function_name": identity["function_name"],
        "qualifier": identity["qualifier"],
        "statement_id": sid,
        "principal": principal.get("Service") if isinstance(principal, Mapping) else principal,
        "action": statement.get("Action"),
        "source_arn": identity["source_arn"],
    }
    return Live(_id(identity, sid), fields, {"statement_id": sid})


def _id(identity: Mapping[str, Any], statement_id: str) -> str:
    return f"{identity['function_name']}:{identity['qualifier']}/{statement_id}"


def _source_arn(condition: Mapping[str, Any]) -> str | None:
    """AWS writes ArnLike with AWS:SourceArn; the operator and the case of the key are not promised."""
    for test in condition.values():
        for key, value in test.items():
            if key.lower() == "aws:sourcearn":
                return str(value)
    return None
