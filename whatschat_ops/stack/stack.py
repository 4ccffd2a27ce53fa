"""The stack of one environment: plan, apply, status and destroy, for the command line and for tests.

Input: settings, an `Aws`, and the JWT secret if the user gave one. It joins three parts that do not know each other:
the engine (`whatschat_ops.provision`), the resources (`resources.py`) and the kinds (`kinds/`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import BROADCAST_WORKER, LOAD_WORKER, OPEN_CONNECTIONS
from whatschat_ops.packaging import FunctionPackage, build_count_zip, build_packages, build_worker_zip
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
from whatschat_ops.stack.orphans import Orphans
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.resources import StackResources, stack_resources
from whatschat_ops.stack.shared_reads import SharedReads
from whatschat_ops.stack.waiting import Waiting

if TYPE_CHECKING:
    from whatschat_ops.stack.locking.lease import LockHolder, LockState
    from whatschat_ops.stack.locking.lock import StackLock


@dataclass(slots=True)
class Stack:
    """One environment's stack. `jwt_secret` None keeps the secret that is there, or generates one."""

    settings: Settings
    aws: Aws
    jwt_secret: Secret | None = None
    waiting: Waiting = field(default_factory=Waiting)
    say: Callable[[str], None] = lambda _line: None
    """Told what packaging does, when it has to run npm or pip."""
    _guarded: tuple[StackLock, LockState] | None = field(default=None, repr=False)
    """The lock, and how it was before the plan was read."""
    _packages: Mapping[str, FunctionPackage] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The value of the stack's tag."""
        return Names(self.settings).stack

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds, on this stack's AWS."""
        calls_s = min(self.settings.lambda_.timeout_s, self.settings.websocket.integration_timeout_ms / 1_000)
        return kinds_of(Context(self.aws, self.waiting, longest_call_s=calls_s))

    def _planning(self, *, tags_listed: bool = False) -> Context:
        """What the kinds of one plan read with."""
        return Context(self.aws, self.waiting, SharedReads(), self.name if tags_listed else None)

    @property
    def place(self) -> str:
        """Account and Region, for people and plan files."""
        return f"{self.aws.account_id}/{self.aws.region}"

    def guard(self, command: str) -> None:
        """Before planning a change: refuse if another run is changing the stack; `apply` will hold the lock.

        `command` is what the others are told that this run does. Raises Conflict naming the holder of the lock.
        """
        lock = self._lock(command)
        self._guarded = lock, lock.look()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """After `guard`, hold the lock for a change that no plan makes (an alias moved by hand, a policy attached).

        Such a change is too short to be stopped halfway: losing the lock is said. Raises Conflict when it is not free.
        """
        if self._guarded is None:
            raise ValueError("guard the stack before reading what is to be changed")
        lock, seen = self._guarded
        with lock.hold(seen, lambda why: self.waiting.say(f"{why}.")):
            yield

    def unlock(self) -> LockHolder | None:
        """Take the lock away from whoever holds it, and say who that was."""
        return self._lock("unlock").unlock()

    def _lock(self, command: str) -> StackLock:
        from whatschat_ops.stack.locking.lock import StackLock

        return StackLock(self.settings, self.aws, command, self.waiting)

    def plan(self, *, adopt: bool = False, delete_data: bool = False) -> Plan:
        """What `provision` would do, also to what carries our tag and is not wanted any more. Only reads."""
        context = self._planning(tags_listed=True)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="account") as pool:
            learnt = pool.submit(self._learn_account, context)
            packages = self._built()
            learnt.result()
        resources = self._resources(packages)
        ownership = Ownership(self.name, adopt=adopt, delete_data=delete_data)
        made = plan(
            resources.wanted,
            kinds_of(context),
            ownership,
            unwanted=resources.unwanted,
            search=lambda: self._orphans(resources, context),
        )
        return self._with_other_users(made, context) if adopt else made

    def plan_only(self, addresses: Collection[str], *, adopt: bool = False) -> Plan:
        """What `provision` would do to these resources alone. Raises NotFound when they need one that is missing."""
        wanted = self._resources(self._built()).wanted
        ownership = Ownership(self.name, adopt=adopt)
        context = self._planning()
        made = plan(wanted, kinds_of(context), ownership, only=addresses)
        return self._with_other_users(made, context) if adopt else made

    def plan_load_worker(self) -> Plan:
        """What `ws load --engine distributed` needs besides what `provision` makes. Raises NotProvisioned without that."""
        from whatschat_ops.packaging.load_worker import build_load_worker_zip
        from whatschat_ops.stack.parts import load

        package = build_load_worker_zip(LOAD_WORKER, self.say)
        own = tuple(load.resources(self._blueprint({LOAD_WORKER: package})))
        wanted = (*self._resources({}).wanted, *own)
        only = {resource.address for resource in own}
        return plan(wanted, kinds_of(self._planning()), Ownership(self.name), only=only)

    def plan_destroy(self, *, delete_data: bool = False, addresses: Collection[str] | None = None) -> Plan:
        """What `destroy` would delete (of `addresses`, if given): ours, and never the Region-wide log role."""
        context = self._planning()  # whose tag it carries is asked of each service: deleting rests on it
        ownership = Ownership(self.name, delete_data=delete_data)
        if addresses is not None:
            unwanted = [one for one in self._resources({}).all if one.address in addresses]
            return plan((), kinds_of(context), ownership, unwanted=unwanted)
        self._learn_account(context)
        resources = self._resources({})
        return plan(
            (),
            kinds_of(context),
            ownership,
            unwanted=resources.all,
            search=lambda: self._orphans(resources, context, destroying=True),
        )

    def apply(
        self,
        plan: Plan,
        on_event: Callable[[Event], None] = lambda _event: None,
        *,
        stop: threading.Event | None = None,
        last: bool = False,
    ) -> Applied:
        """Do what the plan says; after `guard`, under the lock. `last`: nothing is left after it, also no lock.

        Raises PartlyDone, Interrupted, Conflict, or what a first step raises; Conflict also when the lock is not free.
        """
        if self._guarded is None or not plan.changing:
            if self._guarded is not None and last:
                self._guarded[0].remove()
            return apply(plan, self.kinds, on_event, stop=stop)
        stop = stop or threading.Event()

        def lost(why: str) -> None:
            self.waiting.say(f"{why}: finishing the steps that are running.")
            stop.set()

        plan.require_possible()
        lock, seen = self._guarded
        with lock.hold(seen, lost, remove=last):
            return apply(plan, self.kinds, on_event, stop=stop)

    def report(self, plan: Plan) -> PlanReport:
        """The plan for people and scripts."""
        return report(plan, self.name)

    def _built(self) -> Mapping[str, FunctionPackage]:
        """The functions' code, built once."""
        if self._packages is None:
            self._packages = function_packages(self.settings, self.say)
        return self._packages

    def _with_other_users(self, made: Plan, context: Context) -> Plan:
        from whatschat_ops.stack.adoption import with_other_users  # other plans do without it

        return with_other_users(made, context, Names(self.settings))

    def _orphans(
        self, resources: StackResources, context: Context, *, destroying: bool = False
    ) -> tuple[Resource, ...]:
        return Orphans(self.settings, context, self.kinds, destroying).find(resources.all)

    def _learn_account(self, context: Context) -> None:
        """What carries our tag says in which account it is: STS need not be asked."""
        accounts = (arn.split(":")[4] for arn in context.tagged(self.name))
        account_id = next(filter(None, accounts), None)
        if account_id is not None:
            self.aws.learn_account(account_id)

    def _resources(self, packages: Mapping[str, FunctionPackage]) -> StackResources:
        return stack_resources(self._blueprint(packages))

    def _blueprint(self, packages: Mapping[str, FunctionPackage]) -> Blueprint:
        return Blueprint(self.settings, Context(self.aws).place, packages, self.jwt_secret)


def function_packages(
    settings: Settings,
    say: Callable[[str], None] = lambda _line: None,
    *,
    rebuild: bool = False,
    include: Sequence[str] = (),
) -> dict[str, FunctionPackage]:
    """Function (`connect`, `disconnect`, `default`; `broadcast-worker` and `open-connections` if enabled) -> its code.

    `rebuild` and `include` as in `build_packages`. Raises what packaging raises.
    """
    packages = build_packages(settings.lambda_, say=say, rebuild=rebuild, include=include)
    if settings.broadcast.distributed.enabled:
        packages[BROADCAST_WORKER] = build_worker_zip(BROADCAST_WORKER)
    if settings.monitoring.counts_connections:
        packages[OPEN_CONNECTIONS] = build_count_zip(OPEN_CONNECTIONS)
    return packages
