"""The provisioning engine: what is wanted, what is there, what to do about it. It knows no AWS service.

    resources ──plan()──▶ Plan (data: frozen steps) ──apply()──▶ events, outputs
                 │                                      │
                 └── Kind.read only: never writes        └── Kind.create / update / delete

The world is the state: `plan` reads it every time, so a run that was killed anywhere is finished by the next
one. A `Kind` says facts about its fields and makes the calls; the engine alone compares, orders and picks the verb.
"""

from whatschat_ops.provision.applying import Applied, Event, EventType, apply
from whatschat_ops.provision.kind import Field, Kind, Live, Obstacle, contains
from whatschat_ops.provision.planning import plan
from whatschat_ops.provision.report import PlanReport, StepReport, report
from whatschat_ops.provision.steps import Action, FieldChange, Ownership, Plan, Resource, Step
from whatschat_ops.provision.values import UNKNOWN, Digest, Reference, Text, Unknown, text

__all__ = [
    "UNKNOWN",
    "Action",
    "Applied",
    "Digest",
    "Event",
    "EventType",
    "Field",
    "FieldChange",
    "Kind",
    "Live",
    "Obstacle",
    "Ownership",
    "Plan",
    "PlanReport",
    "Reference",
    "Resource",
    "Step",
    "StepReport",
    "Text",
    "Unknown",
    "apply",
    "contains",
    "plan",
    "report",
    "text",
]
