"""How `lambda` shows functions, versions and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whatschat_ops.stack.lambdas.functions import (
        DeployedFunction,
        FunctionVersion,
        InvocationResult,
        WrittenZip,
    )
    from whatschat_ops.stack.lambdas.lifecycle import Moved


def render_zips(written: list[WrittenZip]) -> Any:
    """The zips that were written."""
    from rich.table import Table

    table = Table(
        "Function", "File", "Size", "Unzipped", "SHA-256", box=None, header_style="bold", pad_edge=False
    )
    for item in written:
        table.add_row(
            item.function,
            str(item.path),
            f"{item.size_bytes:,} B",
            f"{item.unzipped_size_bytes:,} B",
            item.code_sha256,
        )
    return table


def render_moved(moved: list[Moved]) -> str:
    """A line for each alias that was moved, or would be."""
    return "\n".join(f"{one.function}: {one.alias}: {one.old} -> {one.new} ({one.action})" for one in moved)


def render_functions(functions: list[DeployedFunction]) -> Any:
    """The deployed functions, a line for each version."""
    from rich.table import Table

    headings = ("Function", "Version", "Gets", "Code SHA-256", "Size", "Age", "Runtime", "Memory")
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for function in functions:
        if not function.versions:
            table.add_row(function.function, "none published")
        names = [function.function, *([""] * len(function.versions))]
        for name, version in zip(names, function.versions, strict=False):
            table.add_row(
                name,
                version.version,
                ", ".join(f"{alias} {weight:.0%}" for alias, weight in version.weights.items()),
                version.code_sha256[:16],
                f"{version.code_size_bytes:,} B",
                _age(version),
                version.runtime,
                f"{version.memory_mb} MB",
            )
    return table


def _age(version: FunctionVersion) -> str:
    from datetime import UTC, datetime

    seconds = max(0, int((datetime.now(UTC) - version.last_modified).total_seconds()))
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length_s:
            return f"{seconds // length_s} {unit}"
    return f"{seconds} s"


def render_invocation(result: InvocationResult) -> Any:
    """The answer of a function, and the end of its log."""
    from rich.text import Text

    text = Text()
    if result.function_error is not None:
        text.append(f"{result.function} failed ({result.function_error}):\n", "red")
    text.append(json.dumps(result.payload, indent=2, ensure_ascii=False))
    if result.log_tail is not None:
        text.append(f"\n\n{result.log_tail.rstrip()}", "dim")
    return text
