"""How `lambda` shows functions, versions and answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from whatschat_ops.cli.terminal.lines import Lines, Styled
from whatschat_ops.cli.terminal.tables import Column, Table, figures
from whatschat_ops.cli.terminal.times import duration

if TYPE_CHECKING:
    from whatschat_ops.stack.lambdas.functions import (
        DeployedFunction,
        InvocationResult,
        WrittenZip,
    )
    from whatschat_ops.stack.lambdas.lifecycle import Moved


def render_zips(written: list[WrittenZip]) -> Table:
    """The zips that were written."""
    return Table(
        (Column("Function"), Column("File"), *figures("Size", "Unzipped"), Column("SHA-256")),
        [
            (
                item.function,
                str(item.path),
                f"{item.size_bytes:,} B",
                f"{item.unzipped_size_bytes:,} B",
                item.code_sha256,
            )
            for item in written
        ],
    )


def render_moved(moved: list[Moved]) -> str:
    """A line for each alias that was moved, or would be."""
    return "\n".join(f"{one.function}: {one.alias}: {one.old} -> {one.new} ({one.action})" for one in moved)


def render_functions(functions: list[DeployedFunction]) -> Table:
    """The deployed functions, a line for each version."""
    return Table(_FUNCTION_COLUMNS, [row for function in functions for row in _function_rows(function)])


_FUNCTION_COLUMNS: Final = (
    Column("Function"),
    *figures("Version"),
    Column("Gets"),
    Column("Code SHA-256"),
    *figures("Size"),
    Column("Age"),
    Column("Runtime", optional=True),
    Column("Memory", right=True, optional=True),
)


def _function_rows(function: DeployedFunction) -> Iterator[tuple[str, ...]]:
    if not function.versions:
        yield (function.function, "none published")
    now = datetime.now(UTC)
    for version in function.versions:
        yield (
            function.function,
            version.version,
            ", ".join(f"{alias} {weight:.0%}" for alias, weight in version.weights.items()),
            version.code_sha256[:16],
            f"{version.code_size_bytes:,} B",
            duration((now - version.last_modified).total_seconds()),
            version.runtime,
            f"{version.memory_mb} MB",
        )


def render_invocation(result: InvocationResult) -> Lines:
    """The answer of a function, and the end of its log."""
    failed = f"{result.function} failed ({result.function_error}):"
    return Lines(
        [
            *([Styled(failed, "red")] if result.function_error is not None else []),
            Styled(json.dumps(result.payload, indent=2, ensure_ascii=False)),
            *([Styled(""), Styled(result.log_tail.rstrip(), "dim")] if result.log_tail is not None else []),
        ]
    )
