"""The table of corrections: what it replaces in ministack, and what happens when ministack no longer has it."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whatschat_ops.errors import LocalError
from whatschat_ops.local.account_quotas import AccountQuotas
from whatschat_ops.local.control import cloudformation, corrections
from whatschat_ops.local.control.async_invocations import AsyncInvocations
from whatschat_ops.local.control.authorization import Authorization
from whatschat_ops.local.control.correction import Correction, Parts
from whatschat_ops.local.control.corrections import CORRECTIONS, install
from whatschat_ops.local.control.lambda_bridge import CodeBlobs, FunctionRunner
from whatschat_ops.local.control.modules import READS, Modules, require_names
from whatschat_ops.local.control.saved_state import SavedState
from whatschat_ops.local.control.telemetry import Telemetry

CONTROL = Path(corrections.__file__).parent
SERVICES = (
    "secretsmanager",
    "athena",
    "dynamodb",
    "iam",
    "s3",
    "ssm",
    "kms",
    "lambda",
    "apigateway",
    "cloudformation",
    "cognito-identity",
    "states",
    "logs",
    "events",
    "sns",
    "sts",
)
MODULES = tuple(field.name for field in fields(Modules))


class FakeModule:
    """A module of ministack with the given names, which records assignments."""

    _name: str
    assigned: set[str]

    def __init__(self, name: str, names: set[str]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "assigned", set())
        for attribute in names:
            object.__setattr__(self, attribute, self._value(attribute))

    @staticmethod
    def _value(attribute: str) -> Any:
        if attribute == "SERVICE_HANDLERS":
            return Recorder(dict.fromkeys(SERVICES, str))
        return Recorder({}) if attribute == "_COLLECTORS" else str

    def __setattr__(self, attribute: str, value: Any) -> None:
        self.assigned.add(f"{self._name}.{attribute}")
        object.__setattr__(self, attribute, value)


class Recorder(dict[str, Any]):
    """A mapping that records which keys are assigned."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.assigned: set[str] = set()

    def __setitem__(self, key: str, value: Any) -> None:
        self.assigned.add(key)
        super().__setitem__(key, value)


def needed() -> set[str]:
    """Everything that the control plane needs of ministack, as `module.name`."""
    replaced = (name.partition("[")[0] for row in CORRECTIONS for name in row.replaces)
    return {*READS, *replaced}


def fake_modules(names: set[str]) -> Modules:
    return Modules(
        **{
            module: FakeModule(
                module, {name.partition(".")[2] for name in names if name.startswith(f"{module}.")}
            )
            for module in MODULES
        }
    )


def parts(modules: Modules) -> Parts:
    telemetry = Telemetry(None, None, lambda *_: None, lambda *_: (), lambda _: None)
    return Parts(
        4566,
        telemetry,
        Authorization(modules),
        FunctionRunner(lambda _: None),
        CodeBlobs(),
        AsyncInvocations(lambda _: None, lambda *_: None, None, clock=time.time),  # type: ignore[arg-type,return-value]
        SavedState(modules, lambda _: None, lambda _: None),
        lambda _: None,
        time.time,
        AccountQuotas(Path("absent")),
        lambda *_: True,
    )


def assigned_by(row: Correction) -> set[str]:
    """What one row actually replaces, in the format of `replaces`."""
    modules = fake_modules(needed())
    row.apply(modules, parts(modules))
    names = {name for module in MODULES for name in getattr(modules, module).assigned}
    wrapped: set[str] = getattr(
        modules.app.SERVICE_HANDLERS, "assigned", set()
    )  # the whole mapping may be another
    if wrapped == set(SERVICES):
        names.add("app.SERVICE_HANDLERS")
    else:
        names |= {f"app.SERVICE_HANDLERS[{service}]" for service in wrapped}
    if modules.tagging._COLLECTORS:
        names.add("tagging._COLLECTORS")
    return names


@pytest.mark.parametrize("row", CORRECTIONS, ids=lambda row: row.replaces[0])
def test_row_replaces_exactly_the_names_that_it_lists(row: Correction) -> None:
    assert assigned_by(row) == set(row.replaces)


def test_every_row_says_what_why_and_where_it_is_documented() -> None:
    assert all(row.what and row.why and row.source and row.replaces for row in CORRECTIONS)


def test_missing_names_are_all_listed_and_nothing_is_changed() -> None:
    gone = {"lambda_svc._update_code", "apigateway._create_route", "stepfunctions._map_runs"}
    modules = fake_modules(needed() - gone)
    with pytest.raises(LocalError) as caught:
        install(modules, parts(modules))
    assert all(name in caught.value.message for name in gone)
    assert "it has no" in caught.value.message
    assert str(caught.value.hint) == "pip install 'ministack==1.5.33'"
    assert all(not getattr(modules, module).assigned for module in MODULES)


def test_a_missing_key_of_a_mapping_is_named_with_its_mapping() -> None:
    modules = fake_modules(needed())
    del modules.app.SERVICE_HANDLERS["states"]
    with pytest.raises(LocalError, match=r"app\.SERVICE_HANDLERS\[states\]"):
        install(modules, parts(modules))


def test_ministack_with_every_name_is_corrected() -> None:
    modules = fake_modules(needed())
    install(modules, parts(modules))
    assert all(getattr(modules, module).assigned for module in ("iam_evaluator", "lambda_svc", "apigateway"))


def test_names_of_cloudformation_are_checked_when_it_is_imported() -> None:
    provisioners = SimpleNamespace(_RESOURCE_HANDLERS={"AWS::S3::Bucket": {}})
    with pytest.raises(LocalError, match=r"_RESOURCE_HANDLERS\[AWS::DynamoDB::Table\]"):
        require_names(SimpleNamespace(provisioners=provisioners), cloudformation.REPLACES)


def uses(tree: ast.AST) -> Iterator[str]:
    """`module.name` for each attribute of an expression that is named like one of ministack's modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = (
                owner.id
                if isinstance(owner, ast.Name)
                else owner.attr
                if isinstance(owner, ast.Attribute)
                else ""
            )
            if name.lstrip("_") in MODULES:
                yield f"{name.lstrip('_')}.{node.attr}"


def test_the_names_that_are_checked_are_those_that_the_source_uses() -> None:
    used = {
        name for file in CONTROL.glob("*.py") for name in uses(ast.parse(file.read_text(encoding="utf-8")))
    }
    replaced = needed() - set(READS)
    assert used - replaced == set(READS)
