"""An answer that lacks a field says which one."""

from __future__ import annotations

import copy
import json

import pytest

from whatschat_ops.aws.answers import IncompleteAnswer, answer_of

ANSWER = {"Parameter": {"Name": "a", "Tags": [{"Key": "k"}]}, "Empty": {}, "None": None}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ((), "Version"),
        (("Parameter",), "LastModifiedDate"),
        (("Parameter", "Tags", 0), "Value"),
        (("Empty",), "x"),
    ],
)
def test_missing_field_is_named_with_its_operation(path: tuple[str | int, ...], field: str) -> None:
    found = answer_of("GetParameter", ANSWER)
    for step in path:
        found = found[step]
    with pytest.raises(IncompleteAnswer) as caught:
        found[field]
    assert caught.value.message == f"GetParameter: the answer has no {field}, which AWS always sends."
    assert str(caught.value) == caught.value.message
    assert isinstance(caught.value, KeyError)  # who expects one still gets it


def test_answer_is_a_dictionary_like_any_other() -> None:
    found = answer_of("GetParameter", ANSWER)
    assert found == ANSWER
    assert json.loads(json.dumps(found)) == ANSWER
    assert copy.deepcopy(found) == ANSWER
    assert found.get("Version") is None
    assert "Version" not in found
