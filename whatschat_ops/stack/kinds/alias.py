"""A name that points to a version of a function.

It moves forward to the version that the function has now. While a canary runs it belongs to a person: no change is
made until that is promoted or rolled back. After a rollback the plan says that it undoes it.
"""

# ruff: noqa: ARG002 - a verb is given the whole request, whatever it needs of it
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Live
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import actions
from whatschat_ops.stack.kinds.context import AwsKind, Context
from whatschat_ops.stack.kinds.declaration import AwsField, CloudFormationType, ref
from whatschat_ops.stack.lambdas.live_alias import (
    History,
    LiveAlias,
    Routing,
    described,
    live_alias,
    move,
    promote_or_rollback,
)
from whatschat_ops.stack.lambdas.versions import prune


class Alias(AwsKind):
    """`version` is the version that is live; during a canary the canary's. `keep_versions`: how many are kept.

    `content` is the digest of the version, kept in the alias's description for the next plan.
    """

    name = "alias"
    service = "lambda"
    identity = ("function_name", "alias_name")
    fields: ClassVar[Mapping[str, AwsField]] = {
        "function_name": AwsField(cfn="FunctionName"),
        "alias_name": AwsField(cfn="Name"),
        "version": AwsField(cfn="FunctionVersion"),
        "content": AwsField(
            input_only=True, left_out="a note for the next plan; without it one more read tells the same"
        ),
        "keep_versions": AwsField(
            input_only=True,
            left_out="versions of older templates are retained; provisioning deletes them",
        ),
    }
    operator_on = "function"
    operator_actions = actions("lambda", "CreateAlias GetAlias ListAliases UpdateAlias")
    template = (CloudFormationType("AWS::Lambda::Alias"),)
    template_outputs: ClassVar = {"arn": ref}
    tagged = False
    goes_with = "function"
    volatile = frozenset({"revision_id"})

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        function = identity["function_name"]
        try:
            return _live(read_alias(self._context, function, identity["alias_name"]))
        except NotFound:
            return None

    def create(self, desired: Mapping[str, Any]) -> Live:
        function, version = desired["function_name"], desired["version"]
        alias = self._client.create_alias(
            FunctionName=function,
            Name=desired["alias_name"],
            FunctionVersion=version,
            Description=described(version, History(content=desired["content"])),
        )
        return _live(live_alias(function, alias))

    def update(self, live: Live, desired: Mapping[str, Any], changed: frozenset[str]) -> Live:
        function, version, before = desired["function_name"], desired["version"], live.fields["version"]
        # Nothing is changed while a canary runs, so the version was the only one.
        revision_id = live.outputs["revision_id"]
        alias = LiveAlias(function, desired["alias_name"], live.id, Routing(before), History(), revision_id)
        waiting = self._context.waiting
        history = History(before=before, content=desired["content"])
        moved = move(self._client, waiting, alias, Routing(version), history)
        prune(self._client, waiting, function, newest=version, keep=desired["keep_versions"])
        return _live(moved)

    def delete(self, live: Live) -> None:
        try:
            self._client.delete_alias(
                FunctionName=live.fields["function_name"], Name=live.fields["alias_name"]
            )
        except NotFound:
            return


def alias_arn(place: Place, function: str, alias: str) -> str:
    """The ARN of an alias of a function."""
    return f"arn:{place.partition}:lambda:{place.region}:{place.account_id}:function:{function}:{alias}"


def read_alias(context: Context, function: str, name: str) -> LiveAlias:
    """The alias as it is. Raises NotFound."""
    answer = context.once(
        ("alias", function, name),
        lambda: context.client("lambda").get_alias(FunctionName=function, Name=name),
    )
    return live_alias(function, answer)


def _live(alias: LiveAlias) -> Live:
    canary, gave_up = alias.routing.canary, alias.history.gave_up
    return Live(
        id=alias.arn,
        fields={"function_name": alias.function, "alias_name": alias.name, "version": alias.newest},
        outputs={"arn": alias.arn, "revision_id": alias.revision_id},
        held=f"a canary is running: {canary}, version {alias.routing.version} the rest" if canary else None,
        release=promote_or_rollback(alias.function),
        note=f"rolled back from version {gave_up} by hand; this moves it forward again" if gave_up else None,
    )
