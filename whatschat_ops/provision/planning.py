"""From what is wanted and what is there to a plan. Reads, never writes.

1. Read every resource, several at once. A resource whose identity refers to another (a route to its API) is read
   after that one; inside something that does not exist nothing exists, so nothing is asked.
2. Compare, in dependency order, and pick the verb. No call is made here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from typing import Any

from msgspec.structs import replace

from whatschat_ops.errors import Hint, NotProvisioned
from whatschat_ops.provision.comparing import added, changed
from whatschat_ops.provision.deleting import Leaving, protected
from whatschat_ops.provision.kind import Kind, Live
from whatschat_ops.provision.schedule import walk
from whatschat_ops.provision.steps import CHANGING, Action, FieldChange, Ownership, Plan, Resource, Step
from whatschat_ops.provision.values import UNKNOWN, Reference, is_known, resolve

READ_CONCURRENCY = 16


def plan(
    wanted: Iterable[Resource],
    kinds: Mapping[str, Kind],
    ownership: Ownership,
    *,
    unwanted: Iterable[Resource] = (),
    search: Callable[[], Iterable[Resource]] = tuple,
    only: Collection[str] | None = None,
) -> Plan:
    """What has to be done so that `wanted` is there and `unwanted` (of ours) is not.

    `search` finds more that is unwanted, while the rest is read.

    With `only`, steps are made for those addresses alone; what they refer to must exist already, else
    NotProvisioned. Raises what a read raises, and TypeError for a resource with a field that its kind does not declare.
    """
    resources = {resource.address: resource for resource in wanted}
    leaving = {resource.address: resource for resource in unwanted}
    if both := resources.keys() & leaving.keys():
        raise ValueError(f"wanted and unwanted at once: {', '.join(sorted(both))}")
    if only is not None:
        resources = _closure(resources, only)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="search") as pool:
        searched = pool.submit(lambda: {resource.address: resource for resource in search()})
        lives = _read_all({**leaving, **resources}, kinds)
        found = searched.result()
    lives |= _read_all(found, kinds)
    leaving |= found
    order = _in_order({**leaving, **resources})
    planner = _Planner(kinds, ownership, lives)
    for address in order:
        if address in resources:
            planner.want(resources[address], frozen=only is not None and address not in only)
    steps = planner.steps if only is None else _only(planner.steps, only)
    first = frozenset(step.address for step in steps)
    deletions = Leaving(leaving, lives, kinds, ownership).steps(first)
    return Plan(_sorted([*steps, *deletions]), planner.outputs, ownership.owner)


def _sorted(steps: Iterable[Step]) -> tuple[Step, ...]:
    by_address = {step.address: step for step in steps}
    graph = {address: sorted(step.after & by_address.keys()) for address, step in by_address.items()}
    return tuple(by_address[address] for address in TopologicalSorter(graph).static_order())


def _closure(resources: Mapping[str, Resource], only: Collection[str]) -> dict[str, Resource]:
    """The resources named by `only` and everything that they depend on."""
    found: dict[str, Resource] = {}
    pending = list(only)
    while pending:
        address = pending.pop()
        if address not in found:
            found[address] = resources[address]
            pending.extend(found[address].dependencies)
    return {address: resource for address, resource in resources.items() if address in found}


def _in_order(resources: Mapping[str, Resource]) -> list[str]:
    graph = {address: sorted(r.dependencies & resources.keys()) for address, r in resources.items()}
    return list(TopologicalSorter(graph).static_order())


def _read_all(resources: Mapping[str, Resource], kinds: Mapping[str, Kind]) -> dict[str, Live | None]:
    """Read every resource; the first error (in the order of the resources) is raised."""
    for address, resource in resources.items():
        kinds[resource.kind].require_declared(address, resource.fields)
    lives: dict[str, Live | None] = {}

    def lookup(reference: Reference) -> Any:
        live = lives.get(reference.address)
        if live is None:
            return UNKNOWN
        if reference.attribute in live.outputs:
            return live.outputs[reference.attribute]
        return resolve(resources[reference.address].fields[reference.attribute], lookup)

    def read(address: str) -> None:
        resource = resources[address]
        kind = kinds[resource.kind]
        identity = resolve({name: resource.fields[name] for name in kind.identity}, lookup)
        inside_nothing = any(lives[a] is None for a in resource.containers(kind.identity))
        lives[address] = None if inside_nothing or not is_known(identity) else kind.read(identity)

    containers = {a: r.containers(kinds[r.kind].identity) for a, r in resources.items()}
    outcome = walk(containers, read, concurrency=READ_CONCURRENCY)
    for address in resources:
        if address in outcome.errors:
            raise outcome.errors[address]
    return lives


class _Planner:
    """Makes one step after the other, in dependency order, and knows which values are known by then."""

    def __init__(
        self, kinds: Mapping[str, Kind], ownership: Ownership, lives: Mapping[str, Live | None]
    ) -> None:
        self._kinds = kinds
        self._ownership = ownership
        self._lives = lives
        self.outputs: dict[str, dict[str, Any]] = {}
        self._new: set[str] = set()
        self.steps: list[Step] = []

    def want(self, resource: Resource, *, frozen: bool = False) -> None:
        """Plan a wanted resource. `frozen`: it is only referred to, and stays as it is."""
        kind = self._kinds[resource.kind]
        in_new = bool(resource.containers(kind.identity) & self._new)
        live = None if in_new else self._lives[resource.address]
        desired = resolve(dict(resource.fields), self._lookup)
        step = self._step(kind, resource, live, desired)
        step = replace(step, after=resource.dependencies)
        if frozen and step.action in (Action.UPDATE, Action.REPLACE):
            step = replace(step, action=Action.NO_OP, changes=())
        self.steps.append(step)
        self.outputs[resource.address] = self._known_after(kind, step, desired)
        if step.action in (Action.CREATE, Action.REPLACE):
            self._new.add(resource.address)

    def _step(self, kind: Kind, resource: Resource, live: Live | None, desired: Mapping[str, Any]) -> Step:
        if live is None:
            return Step(Action.CREATE, resource, changes=added(kind, desired), note=kind.note)
        if kind.tagged and (blocked := self._foreign(resource, live)):
            return blocked
        changes = changed(kind, live, desired)
        if not changes:
            return Step(Action.NO_OP, resource, live, note=live.held)
        if live.held:
            return Step(Action.BLOCKED, resource, live, changes, reason=live.held, hint=live.release)
        reasons = [f"{change.field}: {change.replaces}" for change in changes if change.replaces]
        if not reasons:
            return self._update(kind, Step(Action.UPDATE, resource, live, changes), live, desired)
        if live.protected and not self._ownership.delete_data:
            return replace(protected(resource, live), changes=changes)
        note = "its data is lost" if kind.holds_data else None
        reason = "; ".join(reasons)
        if kind.holds_data and live.owner != self._ownership.owner and not self._ownership.delete_data:
            return _kept_from_adoption(resource, live, changes, reason)
        return Step(
            Action.REPLACE, resource, live, changes, reason=reason, note=note, loses_data=kind.holds_data
        )

    def _update(self, kind: Kind, step: Step, live: Live, desired: Mapping[str, Any]) -> Step:
        fields = frozenset(change.field for change in step.changes)
        if (obstacle := kind.obstacle(live, fields)) is not None:
            return replace(step, action=Action.BLOCKED, reason=obstacle.reason, hint=obstacle.hint)
        notes = [note for note in (live.note, kind.effect(live, desired, fields)) if note]
        return replace(step, note="; ".join(notes) or None)

    def _foreign(self, resource: Resource, live: Live) -> Step | None:
        if live.owner == self._ownership.owner or (live.owner is None and self._ownership.adopt):
            return None
        if live.owner is not None:
            return Step(
                Action.BLOCKED,
                resource,
                live,
                reason=f"{live.id} belongs to the stack {live.owner}, not to {self._ownership.owner}",
                hint=Hint(
                    text="Give this environment a prefix of its own: prefix in its configuration file, or WHATSCHAT_PREFIX."
                ),
            )
        return Step(
            Action.BLOCKED,
            resource,
            live,
            reason=f"{live.id} exists already and does not carry the tag of the stack {self._ownership.owner}",
            hint=Hint(
                text="Take it over with --adopt (it is tagged and changed to fit), or choose other names with prefix."
            ),
        )

    def _lookup(self, reference: Reference) -> Any:
        return self.outputs[reference.address].get(reference.attribute, UNKNOWN)

    def _known_after(self, kind: Kind, step: Step, desired: Mapping[str, Any]) -> dict[str, Any]:
        outputs = dict(desired)
        if step.live is None or step.action in (Action.CREATE, Action.REPLACE):
            return outputs
        outputs.update(step.live.outputs)
        if not all(kind.fields[change.field].steady for change in step.changes):
            outputs.update(dict.fromkeys(kind.volatile, UNKNOWN))
        return outputs


def _kept_from_adoption(
    resource: Resource, live: Live, changes: tuple[FieldChange, ...], reason: str
) -> Step:
    """To take something over must not cost its owner the data in it."""
    return Step(
        Action.BLOCKED,
        resource,
        live,
        changes,
        reason=f"to take {live.id} over, it would be deleted with its data and created again ({reason})",
        hint=Hint(text="Choose another name in the settings. If the data may be lost, add --delete-data."),
    )


def _only(steps: Iterable[Step], only: Collection[str]) -> list[Step]:
    """The steps of `only`. Everything else is needed, so it must exist."""
    chosen = []
    for step in steps:
        if step.address in only or step.action is Action.BLOCKED:
            chosen.append(replace(step, after=step.after & frozenset(only)))
        elif step.action in CHANGING:
            raise NotProvisioned(f"{step.address} does not exist yet, and {', '.join(sorted(only))} need it.")
    return chosen
