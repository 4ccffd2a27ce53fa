"""The SQL of the questions: what DuckDB and Athena both understand, as Athena's dialect reads it."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from whatschat_ops.usage.logs.athena import ddl
from whatschat_ops.usage.logs.questions import (
    IS_UNIQUE,
    NOTES,
    REUSED,
    SPAN,
    Interval,
    Question,
    messages,
    sessions,
)

WHOLE = Interval(1, 2)
QUESTIONS = {
    "span": SPAN,
    "notes": NOTES,
    "is_unique": IS_UNIQUE,
    "reused": REUSED,
    "messages": messages(WHOLE),
    "messages of unique lines": messages(WHOLE, is_unique=True),
    "sessions": sessions(WHOLE),
    "plain sessions": sessions(WHOLE, is_plain=True),
}
SHARED = {"Count", "Sum", "Min", "Max", "Coalesce", "Case", "If", "And", "Or"}
"""Functions that mean the same in both. No division, no times, no quantiles, no JSON."""


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_question_is_the_same_statement_in_both_dialects(question: Question) -> None:
    sql = question.sql.replace("{lines}", "lines")
    of_athena = sqlglot.parse_one(sql, dialect="athena")
    assert sqlglot.parse_one(sql, dialect="duckdb").sql("athena") == of_athena.sql("athena")
    assert {type(each).__name__ for each in of_athena.find_all(exp.Func)} <= SHARED
    assert list(of_athena.find_all(exp.Div, exp.IntDiv, exp.Values, exp.Cast)) == []
    assert isinstance(of_athena, exp.Select)
    assert len(of_athena.selects) == len(question.fields)


def test_table_is_one_of_athena() -> None:
    (table,) = sqlglot.parse(ddl("s3://bucket/usage/lines/"), dialect="athena")
    assert isinstance(table, exp.Create)
    assert "LOCATION 's3://bucket/usage/lines/'" in table.sql("athena")
