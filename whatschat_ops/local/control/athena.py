"""Athena runs queries on DuckDB, where that is installed, and refuses what it would not run.

ministack turns tables of Glue into files for DuckDB; without DuckDB it answers every query with `mock_value`. The SQL is
DuckDB's: a function that Athena alone has fails, and the query with it.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from whatschat_ops.installation import extra_command
from whatschat_ops.local.control.modules import require_names
from whatschat_ops.local.control.request_checks import Refusal, checked, first_of, refused
from whatschat_ops.local.control.wire import Handler, Response, operation

REPLACES: Final = (
    "athena._execute_query",
    "athena._datum_text",
    "athena._executions",
    "athena._materialize_table_files",
    "athena._rewrite_data_paths",
    "athena._run_duckdb",
    "athena._save_query_results",
)
_CODE: Final = "InvalidRequestException"
_STATEMENTS: Final = re.compile(r"\s*(SELECT|WITH|CREATE\s+EXTERNAL\s+TABLE|DROP\s+TABLE)\b", re.IGNORECASE)
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
_scanned_bytes: ContextVar[list[int] | None] = ContextVar("whatschat_scanned_bytes", default=None)


def completed(handler: Handler) -> Handler:
    """The handler of Athena, with these checks, results where AWS puts them, and the bytes that were read."""
    with_checks = checked(
        handler,
        {"StartQueryExecution": first_of(_engine_problem, _PARAMETERS, _statement_problem)},
    )
    installed = False

    async def handle(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Response:
        nonlocal installed
        if operation(path, headers, body) == "StartQueryExecution":
            if not installed:
                _install(import_module("ministack.services.athena"))
                installed = True
            body = _with_slash(body)
        return await with_checks(method, path, headers, body, query_params)

    return handle


_PARAMETERS: Final = refused("ExecutionParameters", "ResultReuseConfiguration", code=_CODE)


def _engine_problem(_: Mapping[str, Any]) -> Refusal | None:
    if importlib.util.find_spec("duckdb") is not None:
        return None
    return _CODE, (
        "StartQueryExecution: the embedded AWS does not run queries without DuckDB. Install it with: "
        + extra_command("local")
    )


def _statement_problem(given: Mapping[str, Any]) -> Refusal | None:
    query = _LITERAL.sub("''", str(given.get("QueryString") or "")).strip().rstrip(";")
    if not _STATEMENTS.match(query) or ";" in query:
        return _CODE, (
            "QueryString: the embedded AWS does not run this statement: one SELECT, WITH, CREATE EXTERNAL TABLE or "
            "DROP TABLE. Databases are created in AWS Glue."
        )
    return None


def _confined(query: str, folders: Sequence[str]) -> str:
    """The SQL for DuckDB that runs the query and opens files in these folders only.

    DuckDB documentation, "Securing DuckDB": neither the query nor a statement after it can undo these settings.
    """
    listed = ", ".join("'" + folder.replace("'", "''") + "'" for folder in folders)
    return (
        f"SET allowed_directories = [{listed}]; SET enable_external_access = false; "
        f"SET lock_configuration = true; {query}"
    )


def _with_slash(body: bytes) -> bytes:
    """The request with an output location that ends in a slash: Athena puts one behind it, ministack does not."""
    try:
        document = json.loads(body)
        location = document["ResultConfiguration"]["OutputLocation"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return body
    if not isinstance(location, str) or location.endswith("/"):
        return body
    document["ResultConfiguration"]["OutputLocation"] = f"{location}/"
    return json.dumps(document).encode()


def _install(athena: Any) -> None:
    require_names(SimpleNamespace(athena=athena), REPLACES)
    execute, save, materialize, rewrite, run = (
        athena._execute_query,
        athena._save_query_results,
        athena._materialize_table_files,
        athena._rewrite_data_paths,
        athena._run_duckdb,
    )

    async def execute_query(query_id: str, *arguments: Any) -> None:
        scanned: list[int] = []
        _scanned_bytes.set(scanned)  # in the context of this query's task
        await execute(query_id, *arguments)
        athena._executions[query_id]["Statistics"]["DataScannedInBytes"] = sum(scanned)

    async def save_query_results(query_id: str) -> None:
        """In the object that GetQueryExecution names, not in a folder of that name."""
        result = athena._executions[query_id]["ResultConfiguration"]
        location = result["OutputLocation"]
        result["OutputLocation"] = location.rpartition("/")[0]
        try:
            await save(query_id)
        finally:
            result["OutputLocation"] = location

    def materialize_table_files(*arguments: Any) -> list[str]:
        files: list[str] = materialize(*arguments)
        scanned = _scanned_bytes.get()
        if scanned is not None:
            scanned.extend(Path(file).stat().st_size for file in files)
        return files

    async def rewrite_data_paths(*arguments: Any) -> tuple[str, Any, list[str]]:
        query, buckets, folders = await rewrite(*arguments)
        return _confined(query, folders), buckets, folders

    async def run_duckdb(*arguments: Any) -> dict[str, Any]:
        """With values as text, which can be saved: DuckDB gives dates and decimals."""
        found: dict[str, Any] = await run(*arguments)
        for row in found["rows"]:
            row[:] = [None if value is None else athena._datum_text(value) for value in row]
        return found

    athena._execute_query = execute_query
    athena._save_query_results = save_query_results
    athena._materialize_table_files = materialize_table_files
    athena._rewrite_data_paths = rewrite_data_paths
    athena._run_duckdb = run_duckdb
