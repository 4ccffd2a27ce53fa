"""Athena without DuckDB, and text in quotes that is no SQL."""

from __future__ import annotations

import asyncio
import importlib.util
import json

import pytest

from whatschat_ops.installation import extra_command
from whatschat_ops.local.control.athena import _statement_problem, completed
from whatschat_ops.local.control.wire import Response


async def forgotten(*request: object) -> Response:
    """ministack, which must not be asked."""
    raise AssertionError


@pytest.mark.difference(
    "Athena",
    aws="runs queries",
    here="without DuckDB, which the extra `local` installs, StartQueryExecution is refused with InvalidRequestException",
)
def test_queries_without_duckdb_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "duckdb" else find_spec(name)
    )
    headers = {"x-amz-target": "AmazonAthena.StartQueryExecution"}
    body = json.dumps({"QueryString": "SELECT 1"}).encode()

    async def ask() -> Response:
        return await completed(forgotten)("POST", "/", headers, body, {})

    status, _, answer = asyncio.run(ask())
    assert status == 400
    assert json.loads(answer) == {
        "__type": "InvalidRequestException",
        "message": "StartQueryExecution: the embedded AWS does not run queries without DuckDB. Install it with: "
        + extra_command("local"),
    }


def test_text_of_a_query_is_not_taken_for_its_statements() -> None:
    assert _statement_problem({"QueryString": "select 'it''s; read_csv(x)' from t;"}) is None
    assert _statement_problem({"QueryString": "WITH a AS (SELECT 1) SELECT * FROM a"}) is None
    assert _statement_problem({}) is not None
