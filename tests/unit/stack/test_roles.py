"""Roles as an account's administrators want them: a boundary, a path, roles that exist. Checked in all that is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from whatschat_ops.config import Settings
from whatschat_ops.errors import ConfigError
from whatschat_ops.provision import Resource
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import trusts
from whatschat_ops.stack.parts.blueprint import Blueprint
from whatschat_ops.stack.policies import policy_of
from whatschat_ops.stack.resources import stack_resources

PLACE = Place("eu-west-1", "123456789012")
BOUNDARY = "arn:aws:iam::123456789012:policy/limits/developer"
GIVEN = {
    "lambda_role": "arn:aws:iam::123456789012:role/teams/chat/functions",
    "broadcast_worker_role": "arn:aws:iam::123456789012:role/worker",
    "broadcast_states_role": "arn:aws:iam::123456789012:role/states",
}


def settings_with(**iam: str) -> Settings:
    return Settings.of({"broadcast": {"distributed": {"enabled": True}}, "iam": iam})


def wanted(**iam: str) -> dict[str, Resource]:
    blueprint = Blueprint(settings_with(**iam), PLACE)
    return {resource.address: resource for resource in stack_resources(blueprint).wanted}


def roles(resources: dict[str, Resource]) -> list[Resource]:
    return [resource for resource in resources.values() if resource.kind == "role"]


def statements(**iam: str) -> dict[str, Any]:
    document = policy_of("operator", settings_with(**iam), PLACE, "*")
    assert all(statement["Action"] for statement in document["Statement"])
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_boundary_limits_every_role_that_is_made() -> None:
    resources = wanted(permissions_boundary=BOUNDARY)
    made = [*roles(resources), resources["api_gateway_log_role.region"]]
    assert [role.fields["permissions_boundary"] for role in made] == [BOUNDARY] * 4
    assert "iam:PutRolePermissionsBoundary" in statements(permissions_boundary=BOUNDARY)["Roles"]["Action"]
    assert all("permissions_boundary" not in role.fields for role in roles(wanted()))
    assert "iam:PutRolePermissionsBoundary" not in statements()["Roles"]["Action"]


def test_path_begins_the_path_of_every_role_and_of_their_arns() -> None:
    resources = wanted(role_path="/teams/chat/")
    path = "/teams/chat/whatschat-local/eu-west-1/"
    assert {role.fields["path"] for role in roles(resources)} == {path}
    arn = resources["function.connect"].fields["role_arn"]
    assert arn == f"arn:aws:iam::123456789012:role{path}{resources['role.lambda'].fields['role_name']}"
    assert (
        resources["state_machine.broadcast"]
        .fields["role_arn"]
        .startswith(f"arn:aws:iam::123456789012:role{path}")
    )
    assert arn in statements(role_path="/teams/chat/")["PassToLambda"]["Resource"]


def test_roles_that_exist_are_used_and_neither_made_nor_waited_for() -> None:
    resources = wanted(**GIVEN)
    kinds = {resource.kind for resource in resources.values()}
    assert not kinds & {"role", "role_policy"}
    assert resources["function.connect"].fields["role_arn"] == GIVEN["lambda_role"]
    assert resources["function.broadcast-worker"].fields["role_arn"] == GIVEN["broadcast_worker_role"]
    assert resources["state_machine.broadcast"].fields["role_arn"] == GIVEN["broadcast_states_role"]
    missing = {d for resource in resources.values() for d in resource.dependencies} - resources.keys()
    assert missing == set()
    operator = statements(**GIVEN)
    assert operator["PassToLambda"]["Resource"] == [GIVEN["lambda_role"], GIVEN["broadcast_worker_role"]]
    assert operator["PassToStates"]["Resource"] == GIVEN["broadcast_states_role"]
    assert operator["GivenRoles"]["Resource"] == list(GIVEN.values())
    for sid in ("Roles", "DeleteRoles"):
        assert set(operator.get(sid, {"Resource": ()})["Resource"]).isdisjoint(GIVEN.values())


def test_one_role_that_exists_leaves_the_others_to_the_stack() -> None:
    resources = wanted(lambda_role=GIVEN["lambda_role"])
    assert {role.name for role in roles(resources)} == {"broadcast-worker", "broadcast-states"}


@pytest.mark.parametrize(
    "iam",
    [
        {"permissions_boundary": "developer"},
        {"role_path": "teams/chat"},
        {"lambda_role": "functions"},
        {"lambda_role": "arn:aws:iam::123456789012:policy/functions"},
    ],
)
def test_what_is_no_arn_or_path_is_refused(iam: dict[str, str]) -> None:
    with pytest.raises((ConfigError, ValueError)):
        settings_with(**iam)


def test_digest_of_settings_without_roles_is_what_it_was() -> None:
    assert '"iam"' not in Settings().canonical() and '"api_name"' not in Settings().canonical()
    assert '"iam"' in settings_with(role_path="/teams/").canonical()


@pytest.mark.parametrize(
    ("statement", "trusted"),
    [
        ({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}, True),
        ({"Effect": "Allow", "Principal": {"Service": ["edge.amazonaws.com", "lambda.amazonaws.com"]}}, True),
        ({"Effect": "Deny", "Principal": {"Service": "lambda.amazonaws.com"}}, False),
        ({"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}}, False),
        ({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Effect": "Allow", "Principal": "*"}, False),
    ],
)
def test_trust_policy_names_the_service(statement: dict[str, Any], trusted: bool) -> None:
    assert trusts({"Statement": [statement]}, "lambda.amazonaws.com") is trusted
    assert trusts({"Statement": statement}, "lambda.amazonaws.com") is trusted
