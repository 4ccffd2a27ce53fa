"""The policy of whoever runs `doctor`: the actions of the checks, on the resources that the operator's policy names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from whatschat_ops.config import Names, Settings
from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.doctor.areas.stack import READS_OF_STATUS
from whatschat_ops.doctor.catalogue import CHECKS
from whatschat_ops.stack.arns import Place
from whatschat_ops.stack.iam_documents import Document, allow, document
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.policies import policy_of

COMPONENT: Final = "doctor"
_OPERATORS: Final = ("operator", "operator-monitoring", "operator-migration", "chime")
_OPTIONAL: Final = ("cloudwatch:", "events:", "s3:", "scheduler:", "sns:", "states:")
"""Services of parts that the settings turn on: all that the operator may read of them."""
_READING: Final = re.compile(r"\w+:(Describe|Get|List)")


def doctor_policy(settings: Settings, place: Place) -> Document:
    """What the checks read. An action that no policy of the operator has stands on the functions' log groups, or on `*`."""
    needed = {action for check in CHECKS for action in check.actions}
    statements = [
        kept
        for component in _OPERATORS
        for statement in policy_of(component, settings, place, "*")["Statement"]
        if (kept := _only(statement, needed))
    ]
    had = {action for statement in statements for action in statement["Action"]}
    # What a plan asks of parts that these settings leave out is in no policy, and not needed.
    return document(
        *_distinct(statements), *_more(sorted(needed - had - {*READS_OF_STATUS}), Names(settings), place)
    )


def _only(statement: Document, needed: set[str]) -> Document | None:
    kept = [action for action in statement["Action"] if action in needed or _is_optional(action)]
    return {**statement, "Action": kept} if kept else None


def _is_optional(action: str) -> bool:
    return action.startswith(_OPTIONAL) and bool(_READING.match(action))


def _distinct(statements: list[Document]) -> Iterator[Document]:
    """Each once; a later one of the same name is of another policy."""
    seen: list[Any] = []
    for number, statement in enumerate(statements):
        what = (statement["Action"], statement["Resource"])
        if what not in seen:
            seen.append(what)
            yield {**statement, "Sid": f"{statement['Sid']}{number}"}


def _more(actions: list[str], names: Names, place: Place) -> Iterator[Document]:
    groups = [LogGroup.arn.of(place, names.function_log_group(short)) for short in ROUTE_FUNCTIONS.values()]
    logs = [action for action in actions if action.startswith("logs:")]
    if logs:
        yield allow("DoctorLogs", logs, [f"{group}{end}" for group in groups for end in ("", ":*")])
    others = [
        action for action in actions if not action.startswith(("logs:", "sts:"))
    ]  # anyone may ask who he is
    if others:
        yield allow("DoctorAnywhere", others, "*")
