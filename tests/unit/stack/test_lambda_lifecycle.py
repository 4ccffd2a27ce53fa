"""Canary, promotion, rollback and pruning on a fake Lambda with aliases as AWS has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.config import Settings
from whatschat_ops.errors import (
    Blocked,
    Conflict,
    Missing,
    NotFound,
    NotProvisioned,
    OpsError,
    PartlyDone,
    PermissionDenied,
    UsageError,
)
from whatschat_ops.provision import Action, Ownership, Plan, Resource, plan
from whatschat_ops.stack.kinds.alias import Alias
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.lambdas.lifecycle import Lifecycle
from whatschat_ops.stack.lambdas.live_alias import Canary, History, Routing, described, live_alias
from whatschat_ops.stack.lambdas.versions import prune
from whatschat_ops.stack.status import status_of
from whatschat_ops.stack.waiting import Waiting

SHORTS = ("connect", "disconnect", "default")
CONNECT = "websocket-connect"
ROLE = (
    "arn:aws:iam::1:role/whatschat-ops/whatschat-local/us-east-1/whatschat-websocket-lambda-local-us-east-1"
)


@dataclass
class FakeFunction:
    """Published versions, and the aliases by name."""

    versions: list[str]
    aliases: dict[str, dict[str, Any]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    """Version -> its role, where that is not the role of the others."""


@dataclass
class FakePages:
    """A paginator that gives one item a page."""

    key: str
    items: list[dict[str, Any]]

    def paginate(self, **_: Any) -> list[Mapping[str, Any]]:
        return [{self.key: [item]} for item in self.items]


@dataclass
class FakeLambda:
    """Functions with aliases. `fail` holds errors by operation (and function); `lose_answer` makes an update happen and then fail."""

    functions: dict[str, FakeFunction]
    fail: dict[str, list[OpsError]] = field(default_factory=dict)
    lose_answer: bool = False
    revisions: int = 0

    def _called(self, operation: str) -> None:
        if self.fail.get(operation):
            raise self.fail[operation].pop(0)

    def put(self, function: str, version: str, name: str = "live", **more: Any) -> dict[str, Any]:
        self.revisions += 1
        arn = f"arn:aws:lambda:us-east-1:1:function:{function}:{name}"
        alias = {
            "Name": name,
            "AliasArn": arn,
            "FunctionVersion": version,
            "RevisionId": f"r{self.revisions}",
        }
        self.functions[function].aliases[name] = alias | more
        return self.functions[function].aliases[name]

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, Any]:
        self._called("get_alias")
        try:
            return dict(self.functions[FunctionName].aliases[Name])
        except KeyError as error:
            raise NotFound("GetAlias: no such alias") from error

    def update_alias(self, FunctionName: str, Name: str, RevisionId: str, **changes: Any) -> dict[str, Any]:
        self._called("update_alias")
        self._called(f"update_alias {FunctionName}")
        if self.get_alias(FunctionName, Name)["RevisionId"] != RevisionId:
            raise Conflict("UpdateAlias: stale", aws_code="PreconditionFailedException")
        if not changes["RoutingConfig"]["AdditionalVersionWeights"]:
            del changes["RoutingConfig"]
        alias = self.put(FunctionName, changes.pop("FunctionVersion"), Name, **changes)
        if self.lose_answer:  # botocore repeats the call, with the revision of before
            raise Conflict("UpdateAlias: stale", aws_code="PreconditionFailedException")
        return dict(alias)

    def delete_function(self, FunctionName: str, Qualifier: str) -> None:
        self._called("delete_function")
        self.functions[FunctionName].versions.remove(Qualifier)

    def get_paginator(self, operation: str) -> Any:
        return _Paginator(self, operation)


@dataclass
class _Paginator:
    client: FakeLambda
    operation: str

    def paginate(self, FunctionName: str) -> list[Mapping[str, Any]]:
        self.client._called(self.operation)
        function = self.client.functions[FunctionName]
        if self.operation == "list_aliases":
            return FakePages("Aliases", list(function.aliases.values())).paginate()
        versions = [
            {"Version": version, "Role": function.roles.get(version, ROLE)}
            for version in ("$LATEST", *function.versions)
        ]
        return FakePages("Versions", versions).paginate()


@dataclass
class FakeIam:
    """IAM with these roles."""

    names: set[str] = field(default_factory=set)

    def get_role(self, RoleName: str) -> Any:
        if RoleName not in self.names:
            raise NotFound("GetRole: no such role")


@dataclass
class FakeAws:
    """An AWS with Lambda and IAM alone."""

    lambda_: FakeLambda
    region: str = "us-east-1"
    account_id: str = "1"
    iam: FakeIam = field(default_factory=FakeIam)

    def client(self, service: str) -> Any:
        return {"lambda": self.lambda_, "iam": self.iam}[service]


class Setting:
    """Three functions with the versions 1 to `newest`, of which the newest is live."""

    def __init__(self, newest: int = 3, keep: int = 10) -> None:
        self.said: list[str] = []
        versions = [str(number) for number in range(1, newest + 1)]
        self.aws = FakeLambda({f"websocket-{short}": FakeFunction(list(versions)) for short in SHORTS})
        for function in self.aws.functions:
            self.aws.put(function, str(newest))
        settings = Settings.of({"lambda": {"keep_versions": keep}})
        self.waiting = Waiting(sleep=lambda _: None, clock=lambda: 0.0, say=self.said.append)
        fake: Any = FakeAws(self.aws)
        self.fake = fake
        self.lifecycle = Lifecycle(settings, fake, self.waiting)
        self.kind = Alias(Context(fake, self.waiting))

    def live(self, function: str = CONNECT) -> Routing:
        return live_alias(function, self.aws.get_alias(function, "live")).routing

    def provision(self, version: str, keep: int = 10) -> None:
        identity = {"function_name": CONNECT, "alias_name": "live"}
        live = self.kind.read(identity)
        assert live is not None
        desired = {**identity, "version": version, "content": "0a", "keep_versions": keep}
        self.kind.update(live, desired, frozenset({"version"}))

    def step(self, version: str) -> Any:
        return self.plan(version).steps[0]

    def plan(self, version: str) -> Plan:
        resource = Resource(
            "alias", "connect", {"function_name": CONNECT, "alias_name": "live", "version": version}
        )
        return plan([resource], {"alias": self.kind}, Ownership("s"))


def test_canary_then_promotion() -> None:
    setting = Setting()
    moves = setting.lifecycle.canaries({"connect": "4"}, 10)
    assert [move.result.action for move in moves] == ["canary"]
    assert setting.live() == Routing("3"), "to say what would be done must do nothing"
    setting.lifecycle.make_moves(moves)
    assert setting.live() == Routing("3", Canary("4", 0.1))
    setting.lifecycle.make_moves(setting.lifecycle.promotions(SHORTS))
    assert setting.live() == Routing("4")
    assert setting.live("websocket-default") == Routing("3")


def test_canary_then_rollback_leaves_the_other_functions_alone() -> None:
    setting = Setting()
    setting.lifecycle.make_moves(setting.lifecycle.canaries({"connect": "4", "default": "3"}, 25))
    done = setting.lifecycle.make_moves(setting.lifecycle.rollbacks(SHORTS))
    assert [(one.function, one.action) for one in done] == [(CONNECT, "drop canary")]
    assert {setting.live(f"websocket-{short}") for short in SHORTS} == {Routing("3")}


@pytest.mark.parametrize("percent", [-1, 0, 100, 1000])
def test_canary_out_of_range_is_refused_before_anything(percent: int) -> None:
    with pytest.raises(UsageError, match=f"between 1 and 99 percent of the calls, not {percent}"):
        Setting().lifecycle.require_canary_possible(SHORTS, percent)


def test_second_canary_is_refused() -> None:
    setting = Setting()
    setting.lifecycle.make_moves(setting.lifecycle.canaries({"connect": "4"}, 10))
    with pytest.raises(Blocked, match="running already: version 4 gets 10% of the calls") as raised:
        setting.lifecycle.require_canary_possible(("connect",), 20)
    assert raised.value.hint is not None and "lambda promote connect" in str(raised.value.hint)


def test_nothing_to_promote_says_so() -> None:
    with pytest.raises(Missing, match="no canary is running"):
        Setting().lifecycle.promotions(SHORTS)


def test_function_that_is_not_deployed_is_named() -> None:
    setting = Setting()
    del setting.aws.functions[CONNECT].aliases["live"]
    for call in (
        lambda: setting.lifecycle.promotions(SHORTS),
        lambda: setting.lifecycle.rollbacks(SHORTS),
        lambda: setting.lifecycle.require_canary_possible(SHORTS, 10),
    ):
        with pytest.raises(NotFound, match="websocket-connect has no alias live") as raised:
            call()
        assert isinstance(raised.value, NotProvisioned)


def test_rollback_goes_to_the_version_that_was_live_before_not_to_a_failed_canary() -> None:
    setting = Setting()
    setting.lifecycle.make_moves(setting.lifecycle.canaries({"connect": "4"}, 10))
    setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",)))  # 4 was bad
    setting.aws.functions[CONNECT].versions += ["4", "5"]
    setting.provision("5")
    setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",)))
    assert setting.live() == Routing("3")
    setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",)))
    assert setting.live() == Routing("2")


@pytest.mark.parametrize(
    ("live", "to", "action", "error"),
    [
        ("3", "1", "roll back", None),
        ("1", "3", "roll forward", None),
        ("3", "9", "", (Missing, "has no version 9: there are 1, 2, 3")),
        ("3", "$LATEST", "", (Missing, "has no version")),
        ("3", "3", "", (UsageError, "is live already")),
    ],
)
def test_rollback_to_a_version(live: str, to: str, action: str, error: Any) -> None:
    setting = Setting()
    setting.aws.put(CONNECT, live)
    if error is not None:
        with pytest.raises(error[0], match=error[1]):
            setting.lifecycle.rollbacks(("connect",), to)
        return
    done = setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",), to))
    assert (done[0].action, setting.live()) == (action, Routing(to))


def test_rollback_to_the_main_version_of_a_canary_drops_the_canary() -> None:
    setting = Setting()
    setting.lifecycle.make_moves(setting.lifecycle.canaries({"connect": "4"}, 10))
    done = setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",), "3"))
    assert (done[0].action, setting.live()) == ("drop canary", Routing("3"))


def test_alias_that_somebody_pointed_to_latest_goes_back_to_the_newest_version() -> None:
    setting = Setting()
    setting.aws.put(CONNECT, "$LATEST")
    setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",)))
    assert setting.live() == Routing("3")


def test_version_whose_role_is_gone_is_not_rolled_back_to() -> None:
    setting = Setting()
    setting.aws.functions[CONNECT].roles["2"] = "arn:aws:iam::1:role/whatschat-ops/whatschat-local/earlier"
    with pytest.raises(Missing, match="runs with the role earlier, which does not exist any more") as caught:
        setting.lifecycle.rollbacks(("connect",))
    assert caught.value.hint is not None and caught.value.hint.argv == ("lambda", "deploy")
    setting.fake.iam.names.add("earlier")
    assert [str(move.to) for move in setting.lifecycle.rollbacks(("connect",))] == ["version 2"]


def test_first_version_has_nothing_to_roll_back_to() -> None:
    with pytest.raises(Missing, match="nothing to roll back to"):
        Setting(newest=1).lifecycle.rollbacks(SHORTS)


def test_functions_without_an_older_version_are_left_out() -> None:
    setting = Setting()
    setting.aws.functions["websocket-default"].versions = ["3"]
    assert [move.alias.function for move in setting.lifecycle.rollbacks(SHORTS)] == [
        CONNECT,
        "websocket-disconnect",
    ]


def test_plan_after_a_rollback_says_that_it_moves_forward_again() -> None:
    setting = Setting()
    assert setting.step("3").action is Action.NO_OP
    setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",)))
    step = setting.step("3")
    assert step.action is Action.UPDATE
    assert (step.changes[0].old, step.changes[0].new) == ("2", "3")
    assert step.note == "rolled back from version 3 by hand; this moves it forward again"
    setting.provision("3")
    assert setting.step("3").action is Action.NO_OP and setting.step("4").note is None


def test_plan_during_a_canary_keeps_it_and_refuses_another_version() -> None:
    setting = Setting()
    setting.lifecycle.make_moves(setting.lifecycle.canaries({"connect": "4"}, 10))
    kept = setting.step("4")
    assert kept.action is Action.NO_OP
    assert kept.note == "a canary is running: version 4 gets 10% of the calls, version 3 the rest"
    refused = setting.step("5")
    assert refused.action is Action.BLOCKED and "a canary is running" in refused.reason
    assert "lambda promote websocket-connect" in str(refused.hint)
    states = [status_of(setting.plan(version), "s").resources[0].state for version in ("4", "5")]
    assert states == ["in sync", "drifted"]


def test_alias_that_changed_since_the_plan_is_not_moved() -> None:
    setting = Setting()
    moves = setting.lifecycle.rollbacks(("connect",))
    setting.aws.put(CONNECT, "1")
    with pytest.raises(Conflict, match="changed by another client meanwhile"):
        setting.lifecycle.make_moves(moves)
    assert setting.live() == Routing("1")


def test_canary_started_after_the_plan_is_not_broken_by_apply() -> None:
    setting = Setting()
    live = setting.kind.read({"function_name": CONNECT, "alias_name": "live"})
    assert live is not None
    setting.lifecycle.make_moves(setting.lifecycle.canaries({"connect": "4"}, 10))
    desired = {
        "function_name": CONNECT,
        "alias_name": "live",
        "version": "5",
        "content": "0a",
        "keep_versions": 10,
    }
    with pytest.raises(Conflict, match="changed by another client meanwhile"):
        setting.kind.update(live, desired, frozenset({"version"}))
    assert setting.live() == Routing("3", Canary("4", 0.1))


def test_lost_answer_of_our_own_move_is_success() -> None:
    setting = Setting()
    setting.aws.lose_answer = True
    setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",)))
    assert setting.live() == Routing("2")


def test_function_that_is_being_changed_is_waited_for() -> None:
    setting = Setting()
    busy = Conflict("UpdateAlias: in progress", aws_code="ResourceConflictException")
    setting.aws.fail = {"update_alias": [busy] * 3}
    setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("connect",)))
    assert setting.live() == Routing("2")


def test_failure_in_the_middle_says_what_is_done_and_what_is_left() -> None:
    setting = Setting()
    moves = setting.lifecycle.rollbacks(SHORTS)
    setting.aws.fail = {"update_alias websocket-disconnect": [PermissionDenied("UpdateAlias: no")] * 2}
    with pytest.raises(PartlyDone, match=r"websocket-connect \(roll back\) done") as raised:
        setting.lifecycle.make_moves(moves)
    assert raised.value.hint is not None
    assert "left: websocket-disconnect, websocket-default." in str(raised.value.hint)
    with pytest.raises(PermissionDenied):
        setting.lifecycle.make_moves(setting.lifecycle.rollbacks(("disconnect",)))


def test_old_versions_are_deleted_but_not_those_behind_an_alias() -> None:
    setting = Setting(newest=8)
    setting.aws.put(CONNECT, "2", "blue", RoutingConfig={"AdditionalVersionWeights": {"3": 0.5}})
    setting.aws.functions[CONNECT].versions.append("9")
    setting.provision("9", keep=4)
    assert setting.aws.functions[CONNECT].versions == ["2", "3", "6", "7", "8", "9"]


def test_promotion_deletes_old_versions_too() -> None:
    setting = Setting(newest=5, keep=2)
    setting.aws.functions[CONNECT].versions.append("6")
    setting.lifecycle.make_moves(setting.lifecycle.canaries({"connect": "6"}, 10))
    assert len(setting.aws.functions[CONNECT].versions) == 6
    setting.lifecycle.make_moves(setting.lifecycle.promotions(("connect",)))
    assert setting.aws.functions[CONNECT].versions == ["5", "6"]


def test_few_versions_cost_no_call() -> None:
    setting = Setting(newest=3)
    denied = PermissionDenied("no")
    setting.aws.fail = {"list_aliases": [denied], "list_versions_by_function": [denied]}
    assert prune(setting.aws, setting.waiting, CONNECT, newest="3", keep=3) == []
    assert setting.said == []


@pytest.mark.parametrize(
    ("error", "said"),
    [(PermissionDenied("DeleteFunction: not allowed"), 1), (Conflict("an alias points to it"), 0)],
)
def test_version_that_cannot_be_deleted_does_not_fail_the_deployment(error: OpsError, said: int) -> None:
    setting = Setting(newest=5)
    setting.aws.fail = {"delete_function": [error]}
    setting.provision("5", keep=4)
    assert (setting.aws.functions[CONNECT].versions, len(setting.said)) == (["1", "2", "3", "4", "5"], said)


@given(
    st.integers(1, 99999).map(str),
    st.one_of(st.none(), st.integers(1, 99999).map(str)),
    st.one_of(st.none(), st.integers(1, 99999).map(str)),
)
def test_history_survives_in_the_description(version: str, before: str | None, gave_up: str | None) -> None:
    text = described(version, History(before, gave_up))
    alias = {"Name": "live", "AliasArn": "a", "FunctionVersion": version, "Description": text}
    assert live_alias("f", alias).history == History(before, gave_up)
    assert len(text) <= 256
    assert live_alias("f", {**alias, "FunctionVersion": "0"}).history == History()


def test_description_of_somebody_else_is_no_history() -> None:
    alias = {"Name": "live", "AliasArn": "a", "FunctionVersion": "3", "Description": "made by hand"}
    assert live_alias("f", alias).history == History()
