"""Which version is live, moved by hand: canary, promotion, rollback. Always the alias, never the code.

Every change is made in two steps: a function here says which moves would be made (it only reads, so that they can be
shown and asked about), and `make_moves` makes exactly those. A move whose alias was changed since is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import LIVE_ALIAS
from whatschat_ops.errors import (
    Blocked,
    Hint,
    Missing,
    NotFound,
    NotProvisioned,
    OpsError,
    PartlyDone,
    PermissionDenied,
    UsageError,
)
from whatschat_ops.stack.lambdas.live_alias import (
    Canary,
    History,
    LiveAlias,
    Routing,
    live_alias,
    move,
    promote_or_rollback,
)
from whatschat_ops.stack.lambdas.versions import list_configurations, numbers, prune
from whatschat_ops.stack.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Moved:
    """A move of a function's alias.

    `action` is `canary`, `promote`, `roll back`, `roll forward` or `drop canary`.
    """

    function: str
    alias: str
    action: str
    old: Routing
    new: Routing


@dataclass(frozen=True, slots=True)
class Move:
    """A move that can be made: the alias as it was read, and what it becomes."""

    action: str
    alias: LiveAlias
    to: Routing
    history: History

    @property
    def result(self) -> Moved:
        """What there is to say of it."""
        return Moved(self.alias.function, self.alias.name, self.action, self.alias.routing, self.to)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The aliases of one environment's functions. `shorts` are `connect`, `disconnect`, `default`."""

    settings: Settings
    aws: Aws
    waiting: Waiting = field(default_factory=Waiting)

    def require_canary_possible(self, shorts: Iterable[str], percent: int) -> None:
        """Raises UsageError for a percentage out of range, Blocked when a canary runs, NotFound without an alias."""
        if not 1 <= percent <= 99:
            raise UsageError(
                f"A canary gets between 1 and 99 percent of the calls, not {percent}.",
                hint=Hint(("lambda", "deploy", "--canary", "10")),
            )
        for short in shorts:
            alias = self._alias(short)
            if alias.routing.canary is not None:
                raise Blocked(
                    f"A canary of {alias.function} is running already: {alias.routing.canary}.",
                    hint=promote_or_rollback(short),
                )

    def canaries(self, versions: Mapping[str, str], percent: int) -> list[Move]:
        """Give `percent` of the calls to the version of each function; none for a version that is live already.

        Raises what `require_canary_possible` raises.
        """
        self.require_canary_possible(versions, percent)
        aliases = {short: self._alias(short) for short in versions}
        return [
            Move(
                "canary",
                alias,
                Routing(alias.routing.version, Canary(versions[short], percent / 100)),
                History(before=alias.history.before),
            )
            for short, alias in aliases.items()
            if alias.routing.version != versions[short]
        ]

    def promotions(self, shorts: Iterable[str]) -> list[Move]:
        """Give every running canary all calls. Raises Missing when none is running."""
        moves = []
        for alias in (self._alias(short) for short in shorts):
            if alias.routing.canary is not None:
                history = History(before=alias.routing.version)
                moves.append(Move("promote", alias, Routing(alias.routing.canary.version), history))
        if not moves:
            raise Missing(
                "There is nothing to promote: no canary is running.",
                hint=Hint(("lambda", "deploy", "--canary", "10")),
            )
        return moves

    def rollbacks(self, shorts: Iterable[str], to: str | None = None) -> list[Move]:
        """Drop the canaries that run; if there is none, go back to the version before, or to the version `to`.

        Raises Missing when there is nothing to go back to, no such version or no role of it, UsageError when `to` is live.
        """
        aliases = [self._alias(short) for short in shorts]
        running = [alias for alias in aliases if alias.routing.canary is not None]
        if to is None and running:
            return [_drop(alias) for alias in running]
        moves = [self._back(alias, to) for alias in aliases]
        possible = [made for made in moves if made is not None]
        if not possible:
            live = ", ".join(f"{alias.function} {alias.routing}" for alias in aliases)
            raise Missing(
                f"There is nothing to roll back to: no older version is there ({live}).",
            )
        return possible

    def make_moves(self, moves: Iterable[Move]) -> list[Moved]:
        """Make them, one after the other. After a promotion old versions are deleted.

        Raises what the first raises, or PartlyDone when some were made.
        """
        client, pending = self.aws.client("lambda"), list(moves)
        done: list[Moved] = []
        for number, made in enumerate(pending):
            try:
                move(client, self.waiting, made.alias, made.to, made.history)
            except OpsError as error:
                if not done:
                    raise
                raise _partly(done, pending[number:], error) from error
            done.append(made.result)
            if made.action == "promote":
                keep = self.settings.lambda_.keep_versions
                prune(client, self.waiting, made.alias.function, newest=made.to.version, keep=keep)
        return done

    def _alias(self, short: str) -> LiveAlias:
        function = Names(self.settings).function(short)
        try:
            answer = self.aws.client("lambda").get_alias(FunctionName=function, Name=LIVE_ALIAS)
        except NotFound as error:
            raise NotProvisioned(
                f"The function {function} has no alias {LIVE_ALIAS}: it is not deployed.",
            ) from error
        return live_alias(function, answer)

    def _back(self, alias: LiveAlias, to: str | None) -> Move | None:
        configurations = list_configurations(self.aws.client("lambda"), alias.function)
        versions = numbers(configurations)
        current = alias.routing.version
        target = _before(alias, versions) if to is None else _required(alias, versions, to)
        if target is None:
            return None
        if target == current and alias.routing.canary is not None:
            return _drop(alias)
        self._require_role(alias, target, {each["Version"]: each.get("Role") for each in configurations})
        if _is_below(target, alias.newest):
            return Move("roll back", alias, Routing(target), History(gave_up=alias.newest))
        return Move("roll forward", alias, Routing(target), History(before=current))

    def _require_role(self, alias: LiveAlias, version: str, roles: Mapping[str, str | None]) -> None:
        """A version keeps the role that it was published with, which may be gone: version 0.1.0 named roles otherwise."""
        role = roles[version]
        if role is None or role == roles.get(alias.routing.version):
            return
        name = role.rpartition("/")[2]
        try:
            self.aws.client("iam").get_role(RoleName=name)
        except (NotFound, PermissionDenied) as error:  # the operator may read the roles of this stack only
            raise Missing(
                f"Version {version} of {alias.function} runs with the role {name}, which does not exist any more.",
                hint=Hint(("lambda", "deploy"), "Deploy its code again with"),
            ) from error


def _drop(alias: LiveAlias) -> Move:
    """The canary loses its share; the version that was live beside it gets all calls."""
    return Move(
        "drop canary",
        alias,
        Routing(alias.routing.version),
        History(alias.history.before, gave_up=alias.newest),
    )


def _before(alias: LiveAlias, versions: Sequence[str]) -> str | None:
    """The version that was live last, if it is still there; else the newest one below the live one."""
    if alias.history.before in versions and alias.history.before != alias.routing.version:
        return alias.history.before
    older = [version for version in versions if _is_below(version, alias.routing.version)]
    return older[-1] if older else None


def _is_below(version: str, live: str) -> bool:
    return not live.isdigit() or int(version) < int(live)


def _required(alias: LiveAlias, versions: Sequence[str], to: str) -> str:
    if to not in versions:
        raise Missing(
            f"{alias.function} has no version {to}: there are {', '.join(versions)}.",
        )
    if Routing(to) == alias.routing:
        raise UsageError(f"Version {to} of {alias.function} is live already.")
    return to


def _partly(done: Sequence[Moved], left: Sequence[Move], error: OpsError) -> PartlyDone:
    moved = ", ".join(f"{made.function} ({made.action})" for made in done)
    names = ", ".join(made.alias.function for made in left)
    return PartlyDone(
        f"{moved} done; not done: {names}.\n{error.message}",
        hint=Hint(
            ("lambda", "list"),
            f"Run the command again for each that is left: {names}. See where they are with",
        ),
    )
