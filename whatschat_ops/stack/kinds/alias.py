"""A name that points to a version of a function.

It moves forward to the version that the function has now. While a canary runs it belongs to a person: no change is
made until that is promoted or rolled back. After a rollback the plan says that it undoes it.
"""

# ruff: noqa: ARG002 - a verb is given the whole request, whatever it needs of it
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from whatschat_ops.errors import NotFound
from whatschat_ops.provision import Field, Kind, Live
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.lambdas.live_alias import History, LiveAlias, Routing, described, live_alias, move
from whatschat_ops.stack.lambdas.versions import prune


class Alias(Kind):
    """`version` is the version that is live; during a canary the canary's. `keep_versions`: how many are kept.

    `content` is the digest of the version, kept in the alias's description for the next plan.
    """

    name = "alias"
    identity = ("function_name", "alias_name")
    fields: ClassVar[Mapping[str, Field]] = {
        "function_name": Field(),
        "alias_name": Field(),
        "version": Field(),
        "content": Field(input_only=True),
        "keep_versions": Field(input_only=True),
    }
    tagged = False
    goes_with = "function"
    volatile = frozenset({"revision_id"})

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _lambda(self) -> Any:
        return self._context.client("lambda")

    def read(self, identity: Mapping[str, Any]) -> Live | None:
        function = identity["function_name"]
        try:
            return _live(read_alias(self._context, function, identity["alias_name"]))
        except NotFound:
            return None

    def create(self, desired: Mapping[str, Any]) -> Live:
        function, version = desired["function_name"], desired["version"]
        alias = self._lambda.create_alias(
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
        moved = move(self._lambda, waiting, alias, Routing(version), history)
        prune(self._lambda, waiting, function, newest=version, keep=desired["keep_versions"])
        return _live(moved)

    def delete(self, live: Live) -> None:
        try:
            self._lambda.delete_alias(
                FunctionName=live.fields["function_name"], Name=live.fields["alias_name"]
            )
        except NotFound:
            return


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
        release=f"whatschat-ops lambda promote {alias.function}, or: whatschat-ops lambda rollback {alias.function}",
        note=f"rolled back from version {gave_up} by hand; this moves it forward again" if gave_up else None,
    )
