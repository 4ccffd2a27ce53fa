"""The alias `live`: which version gets which share of the calls, and where it stood before.

Takes what Lambda says of an alias and gives it as data; moves an alias from what was read to what is wanted. AWS keeps
no history of an alias, so ours writes it into its description. It decides nothing: that is done by the plan
(`kinds/alias.py`) or by a person (`lifecycle.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from whatschat_ops.errors import AwsError, Conflict, Hint
from whatschat_ops.stack.waiting import Waiting

BUSY_TIMEOUT_S = 300.0


class Canary(Struct, frozen=True):
    """The additional version of a weighted alias, and its share of the calls (0 to 1)."""

    version: str
    weight: float

    def __str__(self) -> str:
        return f"version {self.version} gets {self.weight:.0%} of the calls"


class Routing(Struct, frozen=True):
    """What an alias points to: one version, and perhaps a second one with a part of the calls.

    Lambda allows one additional version (developer guide, "Implement Lambda canary deployments using a weighted alias").
    """

    version: str
    canary: Canary | None = None

    def __str__(self) -> str:
        return f"version {self.version}" if self.canary is None else f"version {self.version}, {self.canary}"


class History(Struct, frozen=True):
    """Where the alias stood: `before` is the version that was live last, `gave_up` the one that a person took away.

    `content` is the digest of what the live version consists of, which never changes; None when it was not written down.
    """

    before: str | None = None
    gave_up: str | None = None
    content: str | None = None


class LiveAlias(Struct, frozen=True):
    """An alias as Lambda has it. `revision_id` changes with every change of the alias."""

    function: str
    name: str
    arn: str
    routing: Routing
    history: History
    revision_id: str

    @property
    def newest(self) -> str:
        """The version that is live or on its way: the canary's while there is one."""
        return self.routing.canary.version if self.routing.canary else self.routing.version


def live_alias(function: str, alias: Mapping[str, Any]) -> LiveAlias:
    """What GetAlias, ListAliases or UpdateAlias say of an alias of `function`."""
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    canary = next((Canary(str(version), float(weight)) for version, weight in weights.items()), None)
    routing = Routing(str(alias["FunctionVersion"]), canary)
    return LiveAlias(
        function=function,
        name=alias["Name"],
        arn=alias["AliasArn"],
        routing=routing,
        history=_parsed(alias.get("Description") or "", routing.version),
        revision_id=alias.get("RevisionId", ""),
    )


def described(version: str, history: History) -> str:
    """The history as the alias's description (at most 256 characters).

    >>> described("4", History(before="3"))
    'version 4, before it 3'
    """
    parts = [f"version {version}"]
    parts += [f"before it {history.before}"] if history.before else []
    parts += [f"rolled back from {history.gave_up}"] if history.gave_up else []
    parts += [f"content {history.content}"] if history.content else []
    return ", ".join(parts)


def _parsed(description: str, version: str) -> History:
    """The history in a description; nothing if it is about another version, so that another client moved the alias."""
    found = re.fullmatch(
        r"version (\d+)(?:, before it (?P<before>\d+))?(?:, rolled back from (?P<gave_up>\d+))?"
        r"(?:, content (?P<content>[0-9a-f]+))?",
        description,
    )
    if found is None or found.group(1) != version:
        return History()
    return History(found["before"], found["gave_up"], found["content"])


def move(client: Any, waiting: Waiting, alias: LiveAlias, to: Routing, history: History) -> LiveAlias:
    """Point the alias to `to`, if it still is as it was read; waits while the function is being changed.

    Raises Conflict when another client has changed the alias since.
    """
    weights = {to.canary.version: to.canary.weight} if to.canary else {}

    def update() -> LiveAlias:
        answer = client.update_alias(
            FunctionName=alias.function,
            Name=alias.name,
            FunctionVersion=to.version,
            Description=described(to.version, history),
            # Without it the weights of before would stay.
            RoutingConfig={"AdditionalVersionWeights": weights},
            **({"RevisionId": alias.revision_id} if alias.revision_id else {}),
        )
        return live_alias(alias.function, answer)

    try:
        return waiting.repeat(
            update,
            while_=_is_busy,
            why=f"The function {alias.function} is being changed; waiting for it.",
            timeout_s=BUSY_TIMEOUT_S,
        )
    except Conflict as error:
        if error.aws_code != "PreconditionFailedException":
            raise
        return _as_wanted(client, alias, to, error)


def _as_wanted(client: Any, alias: LiveAlias, to: Routing, error: Conflict) -> LiveAlias:
    """The alias as it is now, if our own call, whose answer was lost, has moved it."""
    now = live_alias(alias.function, client.get_alias(FunctionName=alias.function, Name=alias.name))
    if now.routing == to:
        return now
    raise Conflict(
        f"The alias {alias.name} of {alias.function} was changed by another client meanwhile: it was at "
        f"{alias.routing}, and is now at {now.routing}.",
    ) from error


def promote_or_rollback(function: str) -> Hint:
    """How to end a canary, which blocks every other change of the alias."""
    return Hint(("lambda", "promote", function), other=("lambda", "rollback", function))


def _is_busy(error: AwsError) -> bool:
    return isinstance(error, Conflict) and error.aws_code != "PreconditionFailedException"
