"""Answers of AWS as dictionaries that say which field is missing, instead of a bare KeyError.

AWS always sends the fields that we subscribe; what does not send them is not AWS, or something on the way cut them off.
"""

from __future__ import annotations

from typing import Any, NoReturn

from whatschat_ops.aws.errors import CHECK_ENDPOINT
from whatschat_ops.errors import Unavailable


class IncompleteAnswer(Unavailable, KeyError):
    """An answer lacks a field that AWS always sends."""

    __str__ = Unavailable.__str__


class Answer(dict[str, Any]):
    """An answer, or a structure in one. Subscripting a missing field raises IncompleteAnswer."""

    operation = ""

    def __missing__(self, field: str) -> NoReturn:
        raise IncompleteAnswer(
            f"{self.operation}: the answer has no {field}, which AWS always sends.",
            hint=CHECK_ENDPOINT,
            operation=self.operation,
        )


def answer_of(operation: str, value: Any) -> Any:
    """The value, with an `Answer` for each dictionary in it."""
    if isinstance(value, dict):
        made = Answer({key: answer_of(operation, item) for key, item in value.items()})
        made.operation = operation
        return made
    return [answer_of(operation, item) for item in value] if isinstance(value, list) else value
