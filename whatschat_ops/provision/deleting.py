"""Steps that delete what is not wanted: ours only, dependents first. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from whatschat_ops.errors import Hint
from whatschat_ops.provision.comparing import removed
from whatschat_ops.provision.kind import Kind, Live
from whatschat_ops.provision.steps import Action, Ownership, Resource, Step


class Leaving(Struct, frozen=True):
    """What is not wanted any more, and what of it is there."""

    resources: Mapping[str, Resource]
    lives: Mapping[str, Live | None]
    kinds: Mapping[str, Kind]
    ownership: Ownership

    def steps(self, first: frozenset[str]) -> list[Step]:
        """One step per resource; those that delete come after the steps in `first`."""
        return [self._step(resource, first) for resource in self.resources.values()]

    def _step(self, resource: Resource, first: frozenset[str]) -> Step:
        kind, live = self.kinds[resource.kind], self.lives[resource.address]
        if live is None:
            return Step(Action.NO_OP, resource, note="absent")
        if (reason := self._kept(resource)) is not None:
            return Step(Action.NO_OP, resource, live, kept=reason)
        if live.protected and not self.ownership.delete_data:
            return protected(resource, live)
        goes_with = self._goes_with(resource)
        return Step(
            Action.DELETE,
            resource,
            live,
            changes=removed(kind, live),
            note="its data is lost" if kind.holds_data else None,
            after=first | (self._dependents(resource) if goes_with is None else {goes_with}),
            loses_data=kind.holds_data,
            goes_with=goes_with,
        )

    def _goes_with(self, resource: Resource) -> str | None:
        """The container that is deleted by a call of its own and takes this with it."""
        kind = self.kinds[resource.kind]
        containers = (self.resources.get(address) for address in resource.containers(kind.identity))
        return next(
            (c.address for c in containers if c and c.kind == kind.goes_with and self._is_deleted(c)), None
        )

    def _is_deleted(self, resource: Resource) -> bool:
        live = self.lives[resource.address]
        protected = live is not None and live.protected and not self.ownership.delete_data
        return not (live is None or protected or self._kept(resource))

    def _dependents(self, resource: Resource) -> frozenset[str]:
        """What must be gone first. What goes with its container stands for those that depend on it."""
        direct = [other for other in self.resources.values() if resource.address in other.dependencies]
        alone = {other.address for other in direct if self._goes_with(other) is None}
        carried = (self._dependents(other) for other in direct if other.address not in alone)
        return frozenset(alone.union(*carried))

    def _kept(self, resource: Resource) -> str | None:
        """Why it stays, if it does: what is in something that stays, stays."""
        kind, live = self.kinds[resource.kind], self.lives[resource.address]
        if (reason := kind.kept or resource.kept) is not None:
            return reason
        if kind.tagged and live is not None and live.owner != self.ownership.owner:
            return "it does not carry our tag"
        containers = resource.containers(kind.identity) & self.resources.keys()
        return next((why for a in containers if (why := self._kept(self.resources[a]))), None)


def protected(resource: Resource, live: Live) -> Step:
    """The step of something that must not be deleted lightly."""
    return Step(
        Action.BLOCKED,
        resource,
        live,
        reason=f"{live.id} is not deleted: {live.protected}",
        hint=Hint(text="Add --delete-data to delete it with everything in it."),
    )
