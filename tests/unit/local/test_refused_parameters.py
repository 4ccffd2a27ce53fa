"""The table of parameters that nothing reads: its names are those of the service models, and each is refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from whatschat_ops.local.control.refused_parameters import REFUSED, WHOLE, checks

ROWS = [
    (service, operation, member)
    for service, (_, operations) in REFUSED.items()
    for operation, members in operations.items()
    for member in members
]


def nested(path: str, value: Any) -> dict[str, Any]:
    """A document with that value at that place."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


@pytest.mark.parametrize(("service", "operation", "member"), ROWS)
def test_refused_member_is_one_of_the_service_model(service: str, operation: str, member: str) -> None:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    shape = model.operation_model(operation).input_shape
    for name in () if member == WHOLE else member.split("."):
        shape = shape.members[name]


@pytest.mark.parametrize(("service", "operation", "member"), ROWS)
def test_member_of_the_table_is_refused_by_its_name(service: str, operation: str, member: str) -> None:
    given = {} if member == WHOLE else nested(member, "x")
    named = operation if member == WHOLE else member
    code, message = checks(service)[operation](given) or ("", "")
    assert code == REFUSED[service][0]
    assert message.startswith(f"{named}: the embedded AWS does not ")


def test_member_that_asks_for_nothing_is_not_refused() -> None:
    refuses = checks("logs")["CreateLogGroup"]
    assert refuses({"logGroupName": "g", "deletionProtectionEnabled": False}) is None


def test_member_of_a_form_is_refused() -> None:
    refusal = checks("sts")["AssumeRole"]({"TransitiveTagKeys.member.1": "team"})
    assert refusal == (
        "ValidationError",
        "TransitiveTagKeys: the embedded AWS does not support this parameter.",
    )
