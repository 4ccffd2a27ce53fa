"""Whether the roles of version 0.1.0 may go, decided on answers of AWS that are made up here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from whatschat_ops.config import Names, Settings
from whatschat_ops.errors import NotFound, PermissionDenied
from whatschat_ops.stack.earlier_roles import why_in_use
from whatschat_ops.stack.kinds.context import Context

HERE, THERE = "us-east-1", "eu-west-1"
NAMES = Names(Settings())
EARLIER = "arn:aws:iam::123456789012:role/whatschat-ops/whatschat-local/whatschat-websocket-lambda-local"
TODAYS = f"arn:aws:iam::123456789012:role{NAMES.iam_path}{NAMES.lambda_role}"
Functions = Mapping[str, str]
"""Function -> its role."""


class Account:
    """An `Aws` with functions by Region; `live` are the roles of versions that aliases point to; `denied` fail with 403."""

    region = HERE
    account_id = "123456789012"

    def __init__(self, functions: Mapping[str, Functions]) -> None:
        self.functions = functions
        self.live: Mapping[tuple[str, str], str] = {}
        self.denied: tuple[str, ...] = ()
        self.canaries: Mapping[str, Mapping[str, float]] = {}
        self.running: list[str] = []

    def client(self, service: str, *, region: str = HERE) -> Client:
        return Client(self, region)


class Client:
    """Every client of one Region."""

    def __init__(self, account: Account, region: str) -> None:
        self._account = account
        self._region = region

    def describe_regions(self) -> Any:
        self._require("ec2:DescribeRegions")
        return {"Regions": [{"RegionName": region} for region in (HERE, THERE)]}

    def get_paginator(self, operation: str) -> Client:
        self._require("lambda:ListFunctions")
        return self

    def paginate(self) -> Iterator[Any]:
        functions = self._account.functions.get(self._region, {})
        yield {
            "Functions": [{"FunctionName": name, "Role": role} for name, role in functions.items()],
        }

    def get_function_configuration(self, *, FunctionName: str, Qualifier: str) -> Any:
        self._require("lambda:GetFunctionConfiguration")
        if (role := self._account.live.get((self._region, FunctionName))) is None:
            raise NotFound(f"There is no alias {Qualifier}.")
        return {"Role": role}

    def get_alias(self, *, FunctionName: str, Name: str) -> Any:
        if FunctionName not in self._account.canaries:
            raise NotFound(f"There is no alias {Name}.")
        weights = self._account.canaries[FunctionName]
        return {
            "Name": Name,
            "AliasArn": "arn",
            "FunctionVersion": "1",
            "RoutingConfig": {"AdditionalVersionWeights": weights},
        }

    def list_executions(self, **_: Any) -> Any:
        self._require("states:ListExecutions")
        return {"executions": self._account.running}

    def _require(self, action: str) -> None:
        if action in self._account.denied:
            raise PermissionDenied(f"not authorized to perform {action}")


def why(account: Account, names: Names = NAMES, leaving: tuple[str, ...] = ()) -> str | None:
    return why_in_use(Context(account), names, leaving)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "functions",
    [
        {},
        {HERE: {"websocket-connect": EARLIER, "websocket-default": EARLIER}},
        {HERE: {"websocket-connect": EARLIER}, THERE: {"websocket-connect": TODAYS, "others": "arn:other"}},
        {THERE: {"others": f"{EARLIER.rpartition('/')[0]}/{THERE}/whatschat-websocket-lambda-local-{THERE}"}},
    ],
)
def test_roles_that_only_this_regions_own_functions_have_may_go(functions: Mapping[str, Functions]) -> None:
    assert why(Account(functions)) is None


@pytest.mark.parametrize(
    ("functions", "named"),
    [
        ({THERE: {"websocket-connect": EARLIER}}, f"websocket-connect in {THERE}"),
        ({THERE: {"others": EARLIER}}, f"others in {THERE}"),
        ({HERE: {"others": EARLIER}}, f"others in {HERE}"),
    ],
)
def test_role_of_a_function_that_this_plan_does_not_change_stays_and_the_function_is_named(
    functions: Mapping[str, Functions], named: str
) -> None:
    assert named in str(why(Account(functions)))


def test_role_of_a_function_that_is_deleted_first_may_go() -> None:
    assert why(Account({HERE: {"left-over": EARLIER}}), leaving=("left-over",)) is None


def test_role_of_a_version_that_another_region_rolled_back_to_stays() -> None:
    account = Account({THERE: {"websocket-connect": TODAYS}})
    account.live = {(THERE, "websocket-connect"): EARLIER}
    assert f"websocket-connect in {THERE}" in str(why(account))


def test_roles_stay_while_a_canary_runs_beside_an_older_version() -> None:
    account = Account({})
    account.canaries = {"websocket-connect": {"2": 0.1}}
    assert "the canary of websocket-connect" in str(why(account))
    account.canaries = {"websocket-connect": {}}
    assert why(account) is None


def test_roles_stay_while_a_broadcast_is_sent() -> None:
    names = Names(Settings.of({"broadcast": {"distributed": {"enabled": True}}}))
    account = Account({})
    account.running = ["arn:execution"]
    assert "a broadcast that is being sent" in str(why(account, names))
    account.running = []
    assert why(account, names) is None


@pytest.mark.parametrize(
    "action",
    [
        "ec2:DescribeRegions",
        "lambda:ListFunctions",
        "lambda:GetFunctionConfiguration",
        "states:ListExecutions",
    ],
)
def test_roles_stay_when_it_may_not_be_read_whether_they_are_in_use(action: str) -> None:
    names = Names(Settings.of({"broadcast": {"distributed": {"enabled": True}}}))
    account = Account({THERE: {"websocket-connect": TODAYS}})
    assert why(account, names) is None
    account.denied = (action,)
    assert action in str(why(account, names))
