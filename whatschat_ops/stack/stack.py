"""The stack of one environment: plan, apply, status and destroy, for the command line and for tests.

Input: settings, an `Aws`, and the JWT secret if the user gave one. It joins three parts that do not know each other:
the engine (`whatschat_ops.provision`), the resources (`resources.py`) and the kinds (`kinds/`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.packaging import FunctionPackage, build_packages
from whatschat_ops.provision import (
    Applied,
    Event,
    Kind,
    Ownership,
    Plan,
    PlanReport,
    Resource,
    apply,
    plan,
    report,
)
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.kinds import kinds_of
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.lease import LockHolder, LockState
from whatschat_ops.stack.lock import StackLock
from whatschat_ops.stack.orphans import Orphans
from whatschat_ops.stack.resources import Inputs, StackResources, stack_resources
from whatschat_ops.stack.waiting import Waiting

PROVISION = "whatschat-ops provision"


@dataclass(slots=True)
class Stack:
    """One environment's stack. `jwt_secret` None keeps the secret that is there, or generates one."""

    settings: Settings
    aws: Aws
    jwt_secret: Secret | None = None
    waiting: Waiting = field(default_factory=Waiting)
    say: Callable[[str], None] = lambda _line: None
    """Told what packaging does, when it has to run npm or pip."""
    _lock: StackLock | None = field(default=None, repr=False)
    _seen: LockState = field(default_factory=LockState, repr=False)
    _packages: Mapping[str, FunctionPackage] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The value of the stack's tag."""
        return Names(self.settings).stack

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds, on this stack's AWS."""
        return kinds_of(Context(self.aws, self.waiting))

    @property
    def place(self) -> str:
        """Account and Region, for people and plan files."""
        return f"{self.aws.account_id}/{self.aws.region}"

    def guard(self, command: str) -> None:
        """Before planning a change: refuse if somebody else is changing the stack; `apply` will hold the lock.

        `command` is what the others are told that this run does. Raises OpsError naming the holder of the lock.
        """
        self._lock = StackLock(self.settings, self.aws, command, self.waiting)
        self._seen = self._lock.look()

    def unlock(self) -> LockHolder | None:
        """Take the lock away from whoever holds it, and say who that was."""
        return StackLock(self.settings, self.aws, "unlock", self.waiting).unlock()

    def plan(self, *, adopt: bool = False, delete_data: bool = False) -> Plan:
        """What `provision` would do, also to what carries our tag and is not wanted any more. Only reads."""
        resources = self._resources(self._built())
        ownership = Ownership(self.name, adopt=adopt, delete_data=delete_data)
        unwanted = (*resources.unwanted, *self._orphans(resources))
        return plan(resources.wanted, self.kinds, ownership, unwanted=unwanted)

    def plan_only(self, addresses: Collection[str], *, adopt: bool = False) -> Plan:
        """What `provision` would do to these resources alone. Raises NotFound when they need one that is missing."""
        wanted = self._resources(self._built()).wanted
        ownership = Ownership(self.name, adopt=adopt)
        return plan(wanted, self.kinds, ownership, only=addresses, provision_hint=PROVISION)

    def plan_destroy(self, *, delete_data: bool = False, addresses: Collection[str] | None = None) -> Plan:
        """What `destroy` would delete (of `addresses`, if given): ours, and never the Region-wide log role."""
        resources = self._resources({})
        if addresses is None:
            unwanted = (*resources.all, *self._orphans(resources))
        else:
            unwanted = tuple(resource for resource in resources.all if resource.address in addresses)
        return plan((), self.kinds, Ownership(self.name, delete_data=delete_data), unwanted=unwanted)

    def apply(
        self,
        plan: Plan,
        on_event: Callable[[Event], None] = lambda _event: None,
        *,
        stop: threading.Event | None = None,
        last: bool = False,
    ) -> Applied:
        """Do what the plan says; after `guard`, under the lock. `last`: nothing is left after it, also no lock.

        Raises PartlyDone, Interrupted, Conflict, what a first step raises, or OpsError when the lock is not free.
        """
        if self._lock is None or not plan.changing:
            if self._lock is not None and last:
                self._lock.remove()
            return apply(plan, self.kinds, on_event, stop=stop)
        stop = stop or threading.Event()

        def lost(why: str) -> None:
            self.waiting.say(f"{why}: finishing the steps that are running.")
            stop.set()

        plan.require_possible()
        with self._lock.hold(self._seen, lost, remove=last):
            return apply(plan, self.kinds, on_event, stop=stop)

    def report(self, plan: Plan) -> PlanReport:
        """The plan for people and scripts."""
        return report(plan, self.name)

    def _built(self) -> Mapping[str, FunctionPackage]:
        """The functions' code, built once."""
        if self._packages is None:
            self._packages = function_packages(self.settings, self.say)
        return self._packages

    def _orphans(self, resources: StackResources) -> tuple[Resource, ...]:
        context = Context(self.aws, self.waiting)
        return Orphans(self.settings, context, self.kinds).find(resources.all)

    def _resources(self, packages: Mapping[str, FunctionPackage]) -> StackResources:
        place = Context(self.aws).place
        return stack_resources(self.settings, Inputs(place, packages, self.jwt_secret))


def function_packages(
    settings: Settings, say: Callable[[str], None] = lambda _line: None
) -> dict[str, FunctionPackage]:
    """Function (`connect`, `disconnect`, `default`) -> its code. Raises what packaging raises."""
    return build_packages(settings.lambda_, say=say)
