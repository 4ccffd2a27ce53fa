"""A statement in the resource policy of a function's alias: who may invoke it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Field, Kind, Live
from whatschat_ops.stack.kinds.context import Context

_FIXED = "Lambda cannot change a permission in place"


class Permission(Kind):
    """Allows `principal` (a service) to invoke, called from `source_arn`."""

    name = "permission"
    identity = ("function_name", "qualifier", "statement_id")
    fields: ClassVar[Mapping[str, Field]] = {
        "function_name": Field(),
        "qualifier": Field(),
        "statement_id": Field(),
        "principal": Field(replaces=_FIXED),
        "action": Field(replaces=_FIXED),
        "source_arn": Field(replaces=_FIXED),
    }
    tagged = False

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _lambda(self) -> Any:
        return self._context.client("lambda")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        try:
            answer = self._lambda.get_policy(
                FunctionName=identity["function_name"], Qualifier=identity["qualifier"]
            )
        except NotFound:  # no policy, or no such function or alias
            return None
        for statement in json.loads(answer["Policy"])["Statement"]:
            if statement.get("Sid") == identity["statement_id"]:
                return self._live(identity, statement)
        return None

    def create(self, desired: Mapping[str, Any]) -> Live:
        self._lambda.add_permission(
            FunctionName=desired["function_name"],
            Qualifier=desired["qualifier"],
            StatementId=desired["statement_id"],
            Action=desired["action"],
            Principal=desired["principal"],
            SourceArn=desired["source_arn"],
        )
        return Live(id=_id(desired), fields=dict(desired))

    def delete(self, live: Live) -> None:
        try:
            self._lambda.remove_permission(
                FunctionName=live.fields["function_name"],
                Qualifier=live.fields["qualifier"],
                StatementId=live.fields["statement_id"],
            )
        except NotFound:
            return

    def _live(self, identity: Mapping[str, Any], statement: Mapping[str, Any]) -> Live:
        principal = statement.get("Principal")
        fields = {
            "function_name": identity["function_name"],
            "qualifier": identity["qualifier"],
            "statement_id": identity["statement_id"],
            "principal": principal.get("Service") if isinstance(principal, Mapping) else principal,
            "action": statement.get("Action"),
            "source_arn": _source_arn(statement.get("Condition", {})),
        }
        return Live(id=_id(identity), fields=fields)


def _id(identity: Mapping[str, Any]) -> str:
    return f"{identity['function_name']}:{identity['qualifier']}/{identity['statement_id']}"


def _source_arn(condition: Mapping[str, Any]) -> str | None:
    """AWS writes ArnLike with AWS:SourceArn; the operator and the case of the key are not promised."""
    for test in condition.values():
        for key, value in test.items():
            if key.lower() == "aws:sourcearn":
                return str(value)
    return None
