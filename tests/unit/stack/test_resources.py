"""Settings -> resources: the whole stack as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

import pytest

from whatschat_ops.config import Settings
from whatschat_ops.config.names import STACK_TAG
from whatschat_ops.packaging import FunctionPackage
from whatschat_ops.provision import Resource
from whatschat_ops.provision.values import UNKNOWN, references, resolve
from whatschat_ops.redaction import Secret
from whatschat_ops.stack.access_log import ACCESS_LOG_FORMAT, FIELDS
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds import KINDS
from whatschat_ops.stack.kinds.secret import Generated
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.resources import StackResources, stack_resources

PLACE = Place("us-east-1", "123456789012")
PACKAGE = FunctionPackage("connect", "app.handler", b"zip", "sha")
PACKAGES = dict.fromkeys(("connect", "disconnect", "default"), PACKAGE)


def made(settings: Mapping[str, Any] | None = None, secret: Secret | None = None) -> StackResources:
    return stack_resources(Blueprint(Settings.of(settings or {}), PLACE, PACKAGES, secret))


def by_address(resources: StackResources) -> dict[str, Resource]:
    return {resource.address: resource for resource in resources.wanted}


def test_the_stack_of_the_guide() -> None:
    kinds: dict[str, int] = {}
    for resource in made().wanted:
        kinds[resource.kind] = kinds.get(resource.kind, 0) + 1
    assert kinds == {
        "table": 2, "log_group": 4, "api_gateway_log_role": 1, "role": 1, "role_policy": 1, "secret": 1, "api": 1,
        "function": 3, "alias": 3, "permission": 3, "integration": 3, "route": 3, "deployment": 1, "stage": 1,
    }  # fmt: skip
    assert made().unwanted == ()


def test_every_field_is_declared_by_its_kind() -> None:
    for resource in made().wanted:
        kind = KINDS[resource.kind]
        assert resource.fields.keys() <= kind.fields.keys(), resource.address
        assert set(kind.identity) <= resource.fields.keys(), resource.address


def test_every_reference_leads_to_a_field_or_output_and_there_is_no_cycle() -> None:
    resources = by_address(made())
    outputs = {"id", "callback_base", "version", "content"}
    for resource in resources.values():
        for reference in references(resource.fields):
            target = resources[reference.address]
            assert reference.attribute in {*target.fields, *outputs}, reference
    graph = {address: resource.dependencies for address, resource in resources.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(resources)


def test_everything_that_can_be_tagged_carries_the_tag() -> None:
    for resource in made().wanted:
        if KINDS[resource.kind].tagged:
            assert resource.fields["tags"] == {STACK_TAG: "whatschat-local"}, resource.address


def test_secret_is_in_no_function_and_shows_in_no_repr() -> None:
    resources = by_address(made(secret=Secret("hush-hush")))
    assert resources["secret.jwt"].fields["value"] == Secret("hush-hush")
    assert "hush-hush" not in repr(resources)
    assert "hush" not in json.dumps({k: str(v) for k, v in resources["function.connect"].fields.items()})


def test_secret_is_generated_when_none_is_given() -> None:
    assert by_address(made())["secret.jwt"].fields["value"] == Generated()


def test_access_logs_switched_off_are_not_wanted() -> None:
    resources = made({"websocket": {"access_logs": False}})
    assert {resource.address for resource in resources.unwanted} == {
        "log_group.access",
        "api_gateway_log_role.region",
    }
    stage = by_address(resources)["stage.websocket"]
    assert stage.fields["access_log_group_arn"] is None
    assert "log_group.access" not in stage.dependencies


@pytest.mark.parametrize(
    "change",
    [
        {"websocket": {"integration_timeout_ms": 1000}},
        {"websocket": {"route_selection_expression": "$request.body.action"}},
        {"prefix": "blue-"},
    ],
)
def test_change_of_routes_or_integrations_changes_the_deployment(change: Mapping[str, Any]) -> None:
    assert content(made(change)) != content(made())


@pytest.mark.parametrize("change", [{"lambda": {"memory_mb": 512}}, {"websocket": {"stage": "beta"}}])
def test_other_changes_leave_the_deployment_alone(change: Mapping[str, Any]) -> None:
    assert content(made(change)) == content(made())


def content(resources: StackResources) -> Any:
    """The digest, with integration ids as if AWS had given the same ones."""
    wanted = by_address(resources)

    def lookup(reference: Any) -> Any:
        return wanted[reference.address].fields.get(reference.attribute, f"id of {reference.address}")

    found = resolve(wanted["deployment.live"].fields["content"], lookup)
    assert found is not UNKNOWN
    return found


def test_stage_comes_after_everything_its_traffic_needs() -> None:
    resources = by_address(made())
    seen: set[str] = set()
    pending = ["stage.websocket"]
    while pending:
        address = pending.pop()
        if address not in seen:
            seen.add(address)
            pending.extend(resources[address].dependencies)
    assert resources.keys() - seen == {"table.meetings"}


def test_access_log_is_one_line_of_json_without_query_and_with_request_id() -> None:
    assert "\n" not in ACCESS_LOG_FORMAT
    assert json.loads(ACCESS_LOG_FORMAT) == FIELDS
    assert "$context.requestId" in FIELDS.values()
    assert "query" not in ACCESS_LOG_FORMAT.lower()


def test_permission_names_one_route_of_one_stage() -> None:
    source = by_address(made())["permission.default"].fields["source_arn"]
    shown = resolve(source, lambda reference: "abc123")
    assert shown == "arn:aws:execute-api:us-east-1:123456789012:abc123/production/$default"
