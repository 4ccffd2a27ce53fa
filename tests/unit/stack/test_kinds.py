"""What the kinds declare: their ARNs both ways, and all that one module has to say of a kind."""

from __future__ import annotations

import pytest

from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.kinds import KINDS

PLACE = Place("eu-west-1", "123456789012")
WITH_ARN = [kind for kind in KINDS.values() if kind.arn is not None]


@pytest.mark.parametrize("kind", WITH_ARN, ids=lambda kind: kind.name)
def test_name_is_found_again_in_the_arn_of_its_kind_alone(kind: type) -> None:
    declared = KINDS[kind.name]  # type: ignore[attr-defined]
    assert declared.arn is not None
    name = "/whatschat/x" if declared.name == "secret" else "whatschat-x"
    arn = declared.arn.of(PLACE, name)
    assert {other.name: other.name_in(arn) for other in WITH_ARN if other.name_in(arn) is not None} == {
        declared.name: name
    }


@pytest.mark.parametrize("kind", KINDS)
def test_operators_actions_are_checked_on_an_arn(kind: str) -> None:
    declared = KINDS[kind]
    if declared.operator_on is not None:
        assert declared.operator_actions
        assert KINDS[declared.operator_on].operator_sid
    elif declared.operator_actions:
        assert declared.operator_sid


@pytest.mark.parametrize("kind", KINDS)
def test_identity_is_made_of_fields(kind: str) -> None:
    assert set(KINDS[kind].identity) <= KINDS[kind].fields.keys()
