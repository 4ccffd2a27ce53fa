"""The types of the operands of DynamoDB's update expressions, and the paths that an update may change.

DynamoDB developer guide, Expressions.UpdateExpressions.html.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from whatschat_ops.local.control.correction import Correction

_WRONG_TYPE: Final = "An operand in the update expression has an incorrect data type"
_WRONG_PATH: Final = "The document path provided in the update expression is invalid for update"


def install(dynamodb: Any) -> None:
    """Let ministack reject what it would store, drop or create. It answers a ValueError with ValidationException."""
    _check_operands(dynamodb)
    _check_paths(dynamodb)


def _check_operands(dynamodb: Any) -> None:
    evaluate_any = dynamodb._eval_set_value

    def evaluate(tokens: Any, item: Any, values: Any, names: Any) -> Any:
        while tokens and tokens[0][0] == "LPAREN" and _closes(tokens, 0) == len(tokens) - 1:
            tokens = tokens[1:-1]
        if operator := _operator(tokens):
            operands = (tokens[:operator], tokens[operator + 1 :])
            left, right = (_typed(evaluate(each, item, values, names), "N") for each in operands)
            # ministack calculates: the operands are evaluated once, whatever the depth.
            calculation = [("VALUE_REF", ":left"), tokens[operator], ("VALUE_REF", ":right")]
            return evaluate_any(calculation, item, {":left": left, ":right": right}, names)
        if len(tokens) > 1 and (tokens[0][1], tokens[1][0]) == ("list_append", "LPAREN"):
            lists = dynamodb._split_by_comma(tokens[2:-1])
            found = [_typed(evaluate(each, item, values, names), "L")["L"] for each in lists]
            return {"L": [value for each in found for value in each]}
        return evaluate_any(tokens, item, values, names)

    def _closes(tokens: Any, start: int) -> Any:
        return dynamodb._find_matching_paren(tokens, start)

    # ministack's own calls, for the operands, find this name too.
    dynamodb._eval_set_value = evaluate


def _operator(tokens: Any) -> int:
    """The position of the + or - outside parentheses; 0 if there is none."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token[0] == "LPAREN") - (token[0] == "RPAREN")
        if at and depth == 0 and token[0] in ("PLUS", "MINUS"):
            return at
    return 0


def _typed(value: Any, type_: str) -> Any:
    if not isinstance(value, dict) or type_ not in value:
        raise ValueError(_WRONG_TYPE)
    return value


def _check_paths(dynamodb: Any) -> None:
    apply_any = dynamodb._apply_update_expression

    def apply(item: Any, expression: Any, values: Any, names: Any, changed: Any = None) -> Any:
        updated, paths = apply_any(item, expression, values, names, changed)
        if not all(_exists(dynamodb, item, path) for path in paths):
            raise ValueError(_WRONG_PATH)
        return updated, paths

    dynamodb._apply_update_expression = apply


def _exists(dynamodb: Any, item: Any, path: Collection[Any]) -> bool:
    """Whether what holds the last part of the path is a list, for an index, or a map."""
    *parents, last = path
    parent = dynamodb._get_at_path(item, parents) if parents else {"M": item}
    return isinstance(parent, dict) and ("L" if isinstance(last, int) else "M") in parent


UPDATE_OPERANDS: Final = (
    Correction(
        what="stores or drops the operands of an update that have a wrong type, ignores paths into other types, and creates the parents of a path",
        why="ValidationException; in a transaction the reason ValidationError",
        source="DynamoDB Developer Guide, Expressions.UpdateExpressions.html; messages as recorded in the tests of dynalite",
        replaces=("dynamodb._apply_update_expression", "dynamodb._eval_set_value"),
        apply=lambda modules, _: install(modules.dynamodb),
    ),
)
