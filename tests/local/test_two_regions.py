"""One stack in two Regions of an account, by real processes: each has its own resources, also where AWS keeps them per account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.earlier_role import make_earlier_role
from tests.local.conftest import EmbeddedAws
from tests.local.program import PrefixedStack
from tests.local.test_adoption import destroyed, socket
from whatschat_ops.aws import AwsTarget, connect
from whatschat_ops.config import Names, Settings
from whatschat_ops.stack.outputs import read_outputs
from whatschat_ops.stack.stack import Stack

pytestmark = pytest.mark.local

PREFIX = "two-"
FIRST, SECOND = "us-east-1", "eu-west-1"
NAMES = Names(Settings(prefix=PREFIX))
EARLIER_ROLE = f"{PREFIX}whatschat-websocket-lambda-local"
EARLIER_PATH = f"/whatschat-ops/{PREFIX}whatschat-local/"


class Regional(PrefixedStack):
    """The stack of one Region."""

    def __init__(self, aws: EmbeddedAws, region: str) -> None:
        super().__init__(aws, PREFIX)
        self.environment["AWS_REGION"] = region

    def client(self, service: str) -> Any:
        """A client of the Region."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.aws.endpoint_url,
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.aws.access_key_id,
            aws_secret_access_key=self.aws.secret_access_key.reveal(),
        )

    def require_works(self) -> None:
        """A client connects, and the next plan is empty."""
        assert "Connected." in self.run("ws", "connect", "--user", "alice").stderr
        assert not self.json("plan")["changes"]


@pytest.fixture(scope="module")
def regions(embedded_aws: EmbeddedAws) -> Iterator[tuple[Regional, Regional]]:
    first, second = Regional(embedded_aws, FIRST), Regional(embedded_aws, SECOND)
    for each in (first, second):
        each.run("provision", "--yes")
    yield first, second
    for each in (first, second):
        each.run("destroy", "--yes")


def test_stack_of_each_of_two_regions_works_and_plans_nothing(regions: tuple[Regional, Regional]) -> None:
    for each in regions:
        each.require_works()


def test_earlier_role_is_kept_and_named_while_a_function_of_another_region_uses_it(
    regions: tuple[Regional, Regional],
) -> None:
    first, second = regions
    make_earlier_role(first.client("iam"), NAMES)
    use(second, EARLIER_ROLE)
    (step,) = (step for step in first.json("plan")["steps"] if step["address"].startswith("role.orphan/"))
    assert (step["action"], step["address"]) == ("no-op", f"role.orphan/{EARLIER_ROLE}")
    assert f"{PREFIX}websocket-connect in {SECOND}" in step["kept"]
    first.run("provision", "--yes")
    assert EARLIER_ROLE in roles(first)

    changed = {step["address"]: step["action"] for step in second.json("plan")["steps"]}
    assert changed["function.connect"] == "update"
    assert changed[f"role.orphan/{EARLIER_ROLE}"] == "delete"
    second.run("provision", "--yes")
    assert EARLIER_ROLE not in roles(second)
    for each in regions:
        each.require_works()


def test_destroying_one_region_leaves_the_other_one_working(regions: tuple[Regional, Regional]) -> None:
    first, second = regions
    second.run("destroy", "--yes")
    assert roles(first) == {f"{EARLIER_ROLE}-{FIRST}"}
    first.require_works()


def use(stack: Regional, role: str) -> None:
    """Let the function that accepts connections run with this role."""
    client, arn = stack.client("lambda"), stack.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    client.update_function_configuration(FunctionName=f"{PREFIX}websocket-connect", Role=arn)
    client.get_waiter("function_updated").wait(FunctionName=f"{PREFIX}websocket-connect")


def roles(stack: Regional) -> set[str]:
    """The roles of the stack in all Regions."""
    return {role["RoleName"] for role in stack.client("iam").list_roles(PathPrefix=EARLIER_PATH)["Roles"]}


def test_stack_of_a_region_of_another_partition_works(embedded_aws: EmbeddedAws) -> None:
    """Policies, permissions and routes say `arn:aws-cn`; ministack's own ARNs say `arn:aws` in every Region."""
    settings = Settings.of({"prefix": "china-", "aws": {"region": "cn-north-1"}})
    keys = (embedded_aws.access_key_id, embedded_aws.secret_access_key)
    stack = Stack(settings, connect(AwsTarget("cn-north-1", None, embedded_aws.endpoint_url, *keys)))
    stack.apply(stack.plan())
    try:
        with socket(stack, read_outputs(settings, stack.aws).websocket_url) as alice:
            alice.send('{"type":"ping"}')
            assert json.loads(alice.recv(60))["type"] == "pong"
        assert stack.plan().changing == ()
    finally:
        destroyed(stack)
