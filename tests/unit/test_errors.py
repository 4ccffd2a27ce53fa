"""Errors of AWS in the words of a caller."""

from __future__ import annotations

from whatschat_ops.errors import NotFound, NotProvisioned


def test_an_error_in_other_words_keeps_code_and_operation() -> None:
    error = NotFound("no", aws_code="ResourceNotFoundException", operation="DescribeTable")

    found = NotProvisioned.of(error, "The table does not exist.")

    assert type(found) is NotProvisioned
    assert found.message == "The table does not exist."
    assert (found.aws_code, found.operation) == ("ResourceNotFoundException", "DescribeTable")
