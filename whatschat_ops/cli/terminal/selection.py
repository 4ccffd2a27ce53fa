"""What `--query` selects from the JSON of a result: JMESPath, as in the AWS CLI (jmespath.org)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whatschat_ops.errors import UsageError


def selection(expression: str) -> Callable[[Any], Any]:
    """The function that selects. Raises UsageError, before anything is done, for what is no expression.

    The function raises UsageError where the expression asks for what the document cannot give: `sum()` of words.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as error:
        raise _refused(expression, error) from error

    def select(document: Any) -> Any:
        try:
            return compiled.search(document)
        except JMESPathError as error:
            raise _refused(expression, error) from error

    return select


def _refused(expression: str, error: Exception) -> UsageError:
    cause = " ".join(str(error).split())
    return UsageError(
        f"--query: {expression!r} cannot be used: {cause}",
        hint="The syntax of JMESPath: https://jmespath.org",
    )
