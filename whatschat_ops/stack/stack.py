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
from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.packaging import FunctionPackage, build_function_zip
from whatschat_ops.provision import (
    Applied,
    Event,
    Kind,
    Ownership,
    Plan,
    PlanReport,
    apply,
    plan,
    report,
)
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.kinds import kinds_of
from whatschat_ops.stack.kinds.context import Context
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

    @property
    def name(self) -> str:
        """The value of the stack's tag."""
        return Names(self.settings).stack

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds, on this stack's AWS."""
        return kinds_of(Context(self.aws, self.waiting))

    def plan(self, *, adopt: bool = False, delete_data: bool = False) -> Plan:
        """What `provision` would do. Only reads."""
        resources = self._resources(function_packages(self.settings))
        ownership = Ownership(self.name, adopt=adopt, delete_data=delete_data)
        return plan(resources.wanted, self.kinds, ownership, unwanted=resources.unwanted)

    def plan_only(self, addresses: Collection[str], *, adopt: bool = False) -> Plan:
        """What `provision` would do to these resources alone. Raises NotFound when they need one that is missing."""
        wanted = self._resources(function_packages(self.settings)).wanted
        ownership = Ownership(self.name, adopt=adopt)
        return plan(wanted, self.kinds, ownership, only=addresses, provision_hint=PROVISION)

    def plan_destroy(self, *, delete_data: bool = False, addresses: Collection[str] | None = None) -> Plan:
        """What `destroy` would delete (of `addresses`, if given): ours, and never the Region-wide log role."""
        unwanted = self._resources({}).all
        if addresses is not None:
            unwanted = tuple(resource for resource in unwanted if resource.address in addresses)
        return plan((), self.kinds, Ownership(self.name, delete_data=delete_data), unwanted=unwanted)

    def apply(
        self,
        plan: Plan,
        on_event: Callable[[Event], None] = lambda _event: None,
        *,
        stop: threading.Event | None = None,
    ) -> Applied:
        """Do what the plan says. Raises PartlyDone, Interrupted, Conflict, or what a first step raises."""
        return apply(plan, self.kinds, on_event, stop=stop)

    def report(self, plan: Plan) -> PlanReport:
        """The plan for people and scripts."""
        return report(plan, self.name)

    def _resources(self, packages: Mapping[str, FunctionPackage]) -> StackResources:
        place = Context(self.aws).place
        return stack_resources(self.settings, Inputs(place, packages, self.jwt_secret))


def function_packages(settings: Settings) -> dict[str, FunctionPackage]:
    """Function (`connect`, `disconnect`, `default`) -> its code. Raises what packaging raises."""
    lambda_ = settings.lambda_
    return {
        short: build_function_zip(short, lambda_.architecture, lambda_.runtime)
        for short in ROUTE_FUNCTIONS.values()
    }
