"""Every declared field of every kind: made as wanted, its drift named and repaired, a change applied. AWS itself is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.local.conftest import EmbeddedAws
from tests.local.declared_fields import ROWS, TAGGED, There
from tests.local.test_provision import connect
from whatschat_ops.aws import Aws
from whatschat_ops.config import Names, Settings
from whatschat_ops.packaging import FunctionPackage
from whatschat_ops.provision import Action, Ownership, Plan, Resource, apply, plan
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.kinds import KINDS, kinds_of
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.resources import stack_resources
from whatschat_ops.stack.stack import function_packages
from whatschat_ops.stack.waiting import Waiting

pytestmark = pytest.mark.local

BASE = {
    "prefix": "fields-",
    "broadcast": {"distributed": {"enabled": True}},
    "chime": {"events": True},
    "monitoring": {"enabled": True, "emails": ["oncall@example.com"]},
    "iam": {"permissions_boundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
}
ADDRESSES = {
    "table": "table.connections",
    "log_group": "log_group.chime-events",
    "api_gateway_log_role": "api_gateway_log_role.region",
    "role": "role.lambda",
    "role_policy": "role_policy.lambda",
    "secret": "secret.jwt",
    "api": "api.websocket",
    "function": "function.connect",
    "alias": "alias.connect",
    "permission": "permission.connect",
    "integration": "integration.connect",
    "route": "route.connect",
    "deployment": "deployment.live",
    "stage": "stage.websocket",
    "bucket": "bucket.broadcast",
    "state_machine": "state_machine.broadcast",
    "event_rule": "event_rule.chime-events",
    "topic": "topic.alarms",
    "subscription": "subscription.oncall@example.com",
    "alarm": "alarm.connect-errors",
    "dashboard": "dashboard.monitoring",
}
"""Kind -> the resource that stands for it."""
DRIFTING = [key for key, row in ROWS.items() if row.drift is not None]
CHANGING = [key for key, row in ROWS.items() if row.other is not None]


@dataclass
class Stack:
    """The real resources of a stack, of which one field is wanted otherwise."""

    aws: Aws
    there: There
    packages: dict[str, FunctionPackage]

    def resources(self, settings: Any = None) -> dict[str, Resource]:
        place = Context(self.aws).place
        wanted = Settings.of({**BASE, **(settings or {})})
        blueprint = Blueprint(wanted, place, self.packages, Secret("f" * 64))
        return {resource.address: resource for resource in stack_resources(blueprint).wanted}

    def plan(self, resources: dict[str, Resource], *only: str) -> Plan:
        ownership = Ownership(self.there.names.stack, delete_data=True)
        context = Context(self.aws, Waiting(sleep=lambda _: None))
        return plan(resources.values(), kinds_of(context), ownership, only=only or None)

    def apply(self, made: Plan) -> None:
        apply(made, kinds_of(Context(self.aws)), lambda _: None)

    def provision(self, resources: dict[str, Resource], address: str, *more: str) -> set[str]:
        """Plan and apply these resources alone. The fields that the plan changes of the first of them."""
        made = self.plan(resources, address, *more)
        (step,) = (step for step in made if step.address == address)
        assert step.action in (Action.UPDATE, Action.REPLACE), step.reason
        self.apply(made)
        return {change.field for change in step.changes}


@pytest.fixture(scope="module")
def stack(embedded_aws: EmbeddedAws) -> Iterator[Stack]:
    settings = Settings.of(BASE)
    found = Stack(
        connect(embedded_aws), There(embedded_aws.client, Names(settings)), function_packages(settings)
    )
    found.apply(found.plan(found.resources()))
    yield found
    unwanted = list(found.resources().values())
    kinds = kinds_of(Context(found.aws))
    ownership = Ownership(found.there.names.stack, delete_data=True)
    apply(plan((), kinds, ownership, unwanted=unwanted), kinds, lambda _: None)


@pytest.fixture(scope="module")
def wanted_values(stack: Stack) -> Mapping[str, Mapping[str, Any]]:
    """Address -> field -> value, references resolved."""
    return stack.plan(stack.resources()).known


def with_field(resource: Resource, **fields: Any) -> Resource:
    return replace(resource, fields={**resource.fields, **fields})


def test_every_field_of_every_kind_has_a_row() -> None:
    declared = {(kind.name, field) for kind in KINDS.values() for field in kind.fields if field != "tags"}
    assert ROWS.keys() == declared
    assert ADDRESSES.keys() == KINDS.keys()
    assert TAGGED.keys() == {kind.name for kind in KINDS.values() if "tags" in kind.fields}
    without = [key for key, row in ROWS.items() if not (row.fixed or (row.drift and row.other is not None))]
    assert without == []


@pytest.mark.parametrize(("kind", "field"), ROWS, ids=str)
def test_field_is_in_aws_as_it_was_wanted(
    stack: Stack, wanted_values: Mapping[str, Mapping[str, Any]], kind: str, field: str
) -> None:
    row = ROWS[kind, field]
    wanted, shown = wanted_values[row.of or ADDRESSES[kind]][field], row.read(stack.there)
    if kind == "api_gateway_log_role":
        return  # the Region has one, whoever made it
    if (kind, field) == ("alias", "content"):
        assert wanted in shown
    elif (kind, field) == ("alias", "keep_versions"):
        assert 1 <= shown <= wanted
    else:
        assert shown == wanted


@pytest.mark.parametrize(("kind", "field"), DRIFTING, ids=str)
def test_drift_is_named_and_repaired(stack: Stack, kind: str, field: str) -> None:
    row = ROWS[kind, field]
    address = row.of or ADDRESSES[kind]
    if kind == "alias":
        stack.apply(stack.plan(stack.resources(), address))
    before = row.read(stack.there)
    if field in ("surplus", "content"):
        wait_for_another_second(stack.there)
    assert row.drift is not None
    row.drift(stack.there)
    assert row.read(stack.there) != before
    assert stack.provision(stack.resources(), address, *row.dependents) == {field} | row.besides
    if field != "deployment_id":  # there is a new one
        assert row.read(stack.there) == before


@pytest.mark.parametrize(("kind", "field"), CHANGING, ids=str)
def test_change_is_applied_and_read_back_from_aws(stack: Stack, kind: str, field: str) -> None:
    row = ROWS[kind, field]
    address = row.of or ADDRESSES[kind]
    before = row.read(stack.there)
    resources = stack.resources(row.settings)
    if row.settings is None:
        changed = with_field(resources[address], **{field: row.other, **(row.also or {})})
        resources[address] = changed
    assert stack.provision(resources, address, *row.dependents) == {field}
    assert row.read(stack.there) == row.other
    assert stack.provision(stack.resources(), address, *row.dependents) == {field}
    assert row.read(stack.there) == before


@pytest.mark.parametrize("kind", TAGGED)
def test_tag_is_set_and_its_drift_repaired(stack: Stack, kind: str) -> None:
    by_hand, read = TAGGED[kind]
    resources, address = stack.resources(), ADDRESSES[kind]
    tags = {**stack.there.names.tags, "team": "ours"}
    resources[address] = with_field(resources[address], tags=tags)
    assert stack.provision(resources, address) == {"tags"}
    assert read(stack.there).items() >= tags.items()
    by_hand(stack.there, "theirs")
    assert stack.provision(resources, address) == {"tags"}
    assert read(stack.there).items() >= tags.items()


def wait_for_another_second(there: There) -> None:
    """CreatedDate has whole seconds, and the older of two twins is kept."""
    newest = max(each["CreatedDate"] for each in (there.api, *there.items("deployments")))
    while datetime.now(UTC) < newest + timedelta(seconds=1.1):
        time.sleep(0.05)
