"""The grammar of update and projection expressions."""

from __future__ import annotations

import pytest

from whatschat_ops.local.control.update_expressions import MAX_DEPTH, projection_problem, update_problem

NAMES = {"#n": "name", "#m": "m"}


@pytest.mark.parametrize(
    "expression",
    [
        "SET a = :a",
        "set a = :a, b.c[2].d = b.c[1] remove e, f[0] add g :g delete h :h",
        "SET a = if_not_exists(a, :zero) + :one, l = list_append(if_not_exists(l, :empty), :new)",
        "SET a = (if_not_exists(#n, :d) - :x)",
        "SET #n = :a, b = :b, #m.x = m.y",
        "REMOVE a[0], a[1], b.c, b.d",
        "SET a=:a\n\tREMOVE b",
    ],
)
def test_expression_of_the_grammar_is_accepted(expression: str) -> None:
    assert update_problem(expression, NAMES, {}) is None


@pytest.mark.aws("recorded: the expected messages of the tests of moto and dynalite, from DynamoDB")
@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("SET a = :a SET b = :b", 'The "SET" section can only be used once in an update expression;'),
        ("ADD a :a add b :b", 'The "ADD" section can only be used once in an update expression;'),
        ("SET", 'Syntax error; token: "<EOF>", near: "SET"'),
        ("", 'Syntax error; token: "<EOF>", near: ""'),
        ("SET a = :a b = :b", 'Syntax error; token: "b", near: ":a b ="'),
        ("SET a :a", 'Syntax error; token: ":a", near: "a :a"'),
        ("SET a = :a,", 'Syntax error; token: "<EOF>", near: ","'),
        ("SET a = :a + :b + :c", 'Syntax error; token: "+", near: ":b + :c"'),
        ("SET a = foo(:a)", "Invalid function name; function: foo"),
        ("SET a[x] = :a", 'Syntax error; token: "x", near: "[x]"'),
        ("ADD a b", 'Syntax error; token: "b", near: "a b"'),
        ("SET a = list_append(a)", 'Syntax error; token: ")", near: "a)"'),
        ("PUT a = :a", 'Syntax error; token: "PUT", near: "PUT a"'),
        ("SET a = :a, a = :b", "overlap [a] [a]"),
        ("SET m = :a REMOVE #m.x", "overlap [m] [m, x]"),
        ("SET a[1].b = :a, a[1] = :b", "overlap [a, [1], b] [a, [1]]"),
        ("SET m.x = :a, m[0] = :b", "conflict [m, x] [m, [0]]"),
    ],
)
def test_expression_outside_the_grammar_is_rejected_in_words_of_aws(expression: str, problem: str) -> None:
    if problem.startswith(("overlap", "conflict")):
        what, one, two = problem.replace("] [", "]|[").replace(" [", "|[", 1).split("|")
        problem = (
            f"Two document paths {what} with each other; must remove or rewrite one of these paths; "
            f"path one: {one}, path two: {two}"
        )
    assert update_problem(expression, NAMES, {}) == f"Invalid UpdateExpression: {problem}"


def test_projection_is_a_list_of_paths() -> None:
    assert projection_problem("a, b.c, #n[0]", NAMES) is None
    assert projection_problem("a b", NAMES) == (
        'Invalid ProjectionExpression: Syntax error; token: "b", near: "a b"'
    )


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("list_append(:a, ", ")")])
def test_deeply_nested_value_is_refused(opening: str, closing: str) -> None:
    def problem(depth: int) -> str | None:
        return update_problem(f"SET a = {opening * depth}:a{closing * depth}", NAMES, {})

    assert problem(MAX_DEPTH - 1) is None
    for depth in (MAX_DEPTH, 4_000 // len(opening + closing)):
        assert problem(depth) == (
            "Invalid UpdateExpression: the embedded AWS does not read values nested more than 50 levels deep"
        )


def test_parentheses_side_by_side_are_not_nested() -> None:
    assert update_problem("SET " + ", ".join(f"a{n} = (:a)" for n in range(MAX_DEPTH)), NAMES, {}) is None
