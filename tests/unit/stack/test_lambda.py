"""Functions against an AWS that is slow to agree: fresh roles, updates in progress, other clients' code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from whatschat_ops.errors import Conflict, NotFound, Rejected, TimedOut, Unusable
from whatschat_ops.provision import Live
from whatschat_ops.stack.iam_documents import trust_policy
from whatschat_ops.stack.kinds.context import Context
from whatschat_ops.stack.kinds.function import Function
from whatschat_ops.stack.lambdas.live_alias import History, described
from whatschat_ops.stack.shared_reads import SharedReads
from whatschat_ops.stack.waiting import Waiting

NOT_YET = Rejected(
    "CreateFunction: The role defined for the function cannot be assumed by Lambda. (InvalidParameterValueException)"
)
BUSY = Conflict("UpdateFunctionCode: an update is in progress (ResourceConflictException)")
DESIRED: dict[str, Any] = {
    "function_name": "f",
    "runtime": "python3.13",
    "handler": "app.handler",
    "architecture": "arm64",
    "memory_mb": 256,
    "timeout_s": 10,
    "role_arn": "arn:aws:iam::1:role/ours/r",
    "environment": {"A": "1"},
    "code_sha256": "sha-1",
    "zip": b"zip",
    "published": True,
    "tags": {"stack": "s"},
}


@dataclass
class FakeClock:
    """Time that passes only when a thread sleeps."""

    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakePages:
    """A paginator with one page."""

    page: Mapping[str, Any]

    def paginate(self, **_: Any) -> list[Mapping[str, Any]]:
        return [self.page]


@dataclass
class FakeLambda:
    """One function. Errors in `fail` are raised one by one by the operation of that name."""

    clock: FakeClock
    fail: dict[str, list[Exception]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    latest: dict[str, Any] | None = None
    versions: list[dict[str, Any]] = field(default_factory=list)
    busy_until: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    alias: dict[str, Any] | None = None

    def _called(self, operation: str) -> None:
        self.calls.append(operation)
        if self.fail.get(operation):
            raise self.fail[operation].pop(0)

    def _change(self, **changes: Any) -> None:
        if self.clock.now < self.busy_until:
            raise BUSY
        assert self.latest is not None
        self.latest.update(changes)
        self.busy_until = self.clock.now + 2.0

    def create_function(self, Publish: bool, Tags: dict[str, str], Code: Any, **configuration: Any) -> Any:
        self._called("create_function")
        arn = "arn:aws:lambda:us-east-1:1:function:f"
        self.latest = {**configuration, "CodeSha256": "sha-1", "FunctionArn": arn}
        self.tags = Tags
        self.busy_until = self.clock.now + 2.0
        if Publish:
            self.versions.append({**self.latest, "Version": "1"})
        return {**self.get_function_configuration("f"), "State": "Pending", "Version": "1"}

    def update_function_code(self, FunctionName: str, ZipFile: bytes, Architectures: list[str]) -> Any:
        self._called("update_function_code")
        self._change(CodeSha256=f"sha of {ZipFile!r}", Architectures=Architectures)
        return self.get_function_configuration("f")

    def update_function_configuration(self, **configuration: Any) -> Any:
        self._called("update_function_configuration")
        self._change(**configuration)
        return self.get_function_configuration("f")

    def publish_version(self, FunctionName: str, CodeSha256: str) -> Any:
        self._called("publish_version")
        assert self.latest is not None
        if CodeSha256 != self.latest["CodeSha256"]:
            raise Rejected("PublishVersion: CodeSha256 is different from current CodeSha256 in $LATEST")
        self._change()
        self.versions.append({**self.latest, "Version": str(len(self.versions) + 1)})
        return self.versions[-1]

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
        if self.latest is None:
            raise NotFound("Function not found")
        status = "InProgress" if self.clock.now < self.busy_until else "Successful"
        return {"State": "Active", "LastUpdateStatus": status, **self.latest}

    def get_function(self, FunctionName: str) -> dict[str, Any]:
        return {"Configuration": self.get_function_configuration(FunctionName), "Tags": self.tags}

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, Any]:
        self._called("get_alias")
        if self.alias is None:
            raise NotFound("GetAlias: no such alias")
        return {"Name": Name, "AliasArn": f"arn:aws:lambda:us-east-1:1:function:f:{Name}", **self.alias}

    def get_paginator(self, operation: str) -> FakePages:
        self._called(operation)
        assert operation == "list_versions_by_function"
        return FakePages({"Versions": [{**(self.latest or {}), "Version": "$LATEST"}, *self.versions]})


@dataclass
class FakeIam:
    """One role."""

    service: str = "lambda.amazonaws.com"

    def get_role(self, RoleName: str) -> dict[str, Any]:
        assert RoleName == "r"
        return {"Role": {"AssumeRolePolicyDocument": trust_policy(self.service)}}


@dataclass
class FakeAws:
    """The two services."""

    clients: dict[str, Any]
    region: str = "us-east-1"
    account_id: str = "1"

    def client(self, service: str) -> Any:
        return self.clients[service]


@dataclass
class Setting:
    """A function kind on fakes."""

    clock: FakeClock = field(default_factory=FakeClock)
    said: list[str] = field(default_factory=list)
    iam: FakeIam = field(default_factory=FakeIam)

    def __post_init__(self) -> None:
        self.aws = FakeLambda(self.clock)
        waiting = Waiting(sleep=self.clock.sleep, clock=lambda: self.clock.now, say=self.said.append)
        clients = FakeAws({"lambda": self.aws, "iam": self.iam})
        self.kind = Function(Context(clients, waiting))  # type: ignore[arg-type]
        self.planning = Function(Context(clients, waiting, SharedReads()))  # type: ignore[arg-type]

    def created(self) -> Live:
        return self.kind.create(DESIRED)


def test_create_publishes_and_waits_until_the_function_can_be_used() -> None:
    setting = Setting()
    live = setting.created()
    assert live.outputs["version"] == "1"
    assert live.fields["published"] is True
    assert setting.clock.now >= 2.0
    assert setting.aws.calls == ["create_function"]


def point_alias(setting: Setting, live: Live, **more: Any) -> None:
    """Make the alias, as a deployment leaves it."""
    version = live.outputs["version"]
    description = described(version, History(content=live.outputs["content"]))
    setting.aws.alias = {"FunctionVersion": version, "Description": description, **more}
    setting.clock.sleep(10)
    setting.aws.calls.clear()


def test_plan_takes_the_version_from_the_alias_that_says_what_it_is() -> None:
    setting = Setting()
    made = setting.created()
    point_alias(setting, made)
    live = setting.planning.read({"function_name": "f"})
    assert live == made
    assert setting.aws.calls == ["get_alias"]


@pytest.mark.parametrize("how", ["other configuration", "canary", "another version", "no alias"])
def test_plan_lists_the_versions_when_the_alias_does_not_say_it(how: str) -> None:
    setting = Setting()
    made = setting.created()
    point_alias(setting, made)
    assert setting.aws.alias is not None
    if how == "other configuration":
        setting.aws.update_function_configuration(MemorySize=512)
    elif how == "canary":
        setting.aws.alias["RoutingConfig"] = {"AdditionalVersionWeights": {"2": 0.1}}
    elif how == "another version":
        setting.aws.alias["FunctionVersion"] = "7"
    else:
        setting.aws.alias = None
    setting.clock.sleep(10)
    live = setting.planning.read({"function_name": "f"})
    assert live is not None and setting.aws.calls[-1] == "list_versions_by_function"
    assert live.outputs["version"] == (None if how == "other configuration" else "1")


def test_fresh_role_is_tried_again_and_the_user_is_told() -> None:
    setting = Setting()
    setting.aws.fail = {"create_function": [NOT_YET] * 8}
    setting.created()
    assert setting.aws.calls == ["create_function"] * 9
    assert len(setting.said) == 1 and "IAM" in setting.said[0]


def test_role_that_stays_unusable_fails_after_a_minute() -> None:
    setting = Setting()
    setting.aws.fail = {"create_function": [NOT_YET] * 1000}
    with pytest.raises(Rejected, match="cannot be assumed"):
        setting.created()
    assert 50 < setting.clock.now <= 60


def test_role_with_a_wrong_trust_policy_fails_at_once() -> None:
    setting = Setting(iam=FakeIam("ec2.amazonaws.com"))
    setting.aws.fail = {"create_function": [NOT_YET] * 1000}
    with pytest.raises(Unusable, match=r"does not name lambda\.amazonaws\.com"):
        setting.created()
    assert setting.clock.now == 0


def test_other_refusals_are_not_repeated() -> None:
    setting = Setting()
    setting.aws.fail = {"create_function": [Rejected("Unzipped size must be smaller")]}
    with pytest.raises(Rejected, match="Unzipped"):
        setting.created()
    assert setting.aws.calls == ["create_function"]


def test_update_goes_code_then_configuration_then_version_and_waits_between() -> None:
    setting = Setting()
    live = setting.created()
    setting.aws.calls.clear()
    desired = {**DESIRED, "zip": b"2", "code_sha256": "sha of b'2'", "memory_mb": 512}
    after = setting.kind.update(live, desired, frozenset({"code_sha256", "memory_mb"}))
    assert setting.aws.calls == ["update_function_code", "update_function_configuration", "publish_version"]
    assert (after.outputs["version"], after.fields["memory_mb"]) == ("2", 512)


def test_update_in_progress_is_waited_for() -> None:
    setting = Setting()
    live = setting.created()
    setting.aws.fail = {"update_function_code": [BUSY] * 6}
    desired = {**DESIRED, "zip": b"2", "code_sha256": "sha of b'2'"}
    after = setting.kind.update(live, desired, frozenset({"code_sha256"}))
    assert after.outputs["version"] == "2"


def test_crash_before_publishing_shows_as_not_published_and_only_publishes() -> None:
    setting = Setting()
    setting.created()
    setting.aws.update_function_configuration(MemorySize=512)
    setting.clock.sleep(10)
    live = setting.kind.read({"function_name": "f"})
    assert live is not None
    assert live.fields["published"] is False and live.outputs["version"] is None
    setting.aws.calls.clear()
    after = setting.kind.update(live, {**DESIRED, "memory_mb": 512}, frozenset({"published"}))
    assert setting.aws.calls == ["list_versions_by_function", "publish_version"]
    assert after.outputs["version"] == "2"


def test_code_of_somebody_else_in_between_is_not_published() -> None:
    setting = Setting()
    live = setting.created()
    real: Callable[..., Any] = setting.aws.update_function_configuration

    def meddle(**configuration: Any) -> Any:
        return real(**configuration, CodeSha256="theirs")

    setting.aws.update_function_configuration = meddle  # type: ignore[method-assign]
    with pytest.raises(Rejected, match="CodeSha256 is different"):
        setting.kind.update(live, {**DESIRED, "memory_mb": 512}, frozenset({"memory_mb"}))


def test_failed_update_says_why() -> None:
    setting = Setting()
    live = setting.created()
    real: Callable[..., Any] = setting.aws.update_function_configuration

    def fail(**configuration: Any) -> Any:
        answer = real(**configuration)
        assert setting.aws.latest is not None
        setting.aws.latest |= {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "the image is gone"}
        return answer

    setting.aws.update_function_configuration = fail  # type: ignore[method-assign]
    with pytest.raises(Unusable, match="the image is gone"):
        setting.kind.update(live, DESIRED, frozenset({"memory_mb"}))


def test_wait_that_never_ends_is_an_error_with_its_reason() -> None:
    clock = FakeClock()
    waiting = Waiting(sleep=clock.sleep, clock=lambda: clock.now)
    with pytest.raises(TimedOut, match="Waited 30 s in vain: the moon is not blue"):
        waiting.until("the moon is not blue", lambda: None, timeout_s=30)
    assert clock.now <= 30


def test_version_10_is_newer_than_version_9() -> None:
    setting = Setting()
    made = setting.created()
    setting.clock.sleep(10)
    assert setting.aws.latest is not None
    older = {**setting.aws.latest, "MemorySize": 1024}
    setting.aws.versions = [{**older, "Version": str(number)} for number in range(1, 10)]
    setting.aws.versions.append({**setting.aws.latest, "Version": "10"})
    live = setting.kind.read({"function_name": "f"})
    assert live is not None
    assert (live.outputs["version"], live.fields["published"]) == ("10", True)
    assert live.outputs["content"] == made.outputs["content"]
