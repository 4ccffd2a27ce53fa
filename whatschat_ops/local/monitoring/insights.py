"""CloudWatch Logs Insights: which queries the embedded AWS carries out. Pure.

ministack runs `fields` of the system fields, three forms of `filter`, `sort @timestamp` and `limit`, and ignores every
other command and condition: such a query is refused instead.
"""

from __future__ import annotations

import re
from typing import Final

_SYSTEM_FIELD: Final = r"@(?:timestamp|message|logStream|log|ptr)"
_CARRIED_OUT: Final = tuple(
    re.compile(stage, re.IGNORECASE)
    for stage in (
        rf"fields\s+{_SYSTEM_FIELD}(?:\s*,\s*{_SYSTEM_FIELD})*",
        rf"filter\s+{_SYSTEM_FIELD}\s*=\s*'(?:\\'|[^'])*'",
        rf"filter\s+{_SYSTEM_FIELD}\s+like\s+/(?:\\.|[^/])*/i?",
        r"filter\s+toMillis\(@timestamp\)\s*(?:<=|>=|<|>|!=|=)\s*-?\d+",
        r"sort\s+@timestamp(?:\s+(?:asc|desc))?",
        r"limit\s+\d+",
    )
)
_STAGE: Final = re.compile(r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|/(?:\\.|[^/\\])*/|[^|'"/])+""")


def refusal(query: str, language: str | None) -> str | None:
    """Why the embedded AWS does not run a query, or None if it runs all of it."""
    if language not in (None, "CWLI"):
        return f"Queries in {language} are refused: the embedded AWS does not run the languages SQL and PPL of OpenSearch."
    stages = [stage.strip() for stage in _STAGE.findall(query)]
    for stage in stages:
        if not any(form.fullmatch(stage) for form in _CARRIED_OUT):
            return (
                f"The query command '{stage}' is refused: the embedded AWS does not run more of Logs Insights than fields "
                "(system fields), filter (@field = '…', @field like /…/, toMillis(@timestamp)), sort @timestamp and limit."
            )
    commands = [stage.split()[0].lower() for stage in stages]
    if commands != sorted(commands, key=["fields", "filter", "sort", "limit"].index) or any(
        commands.count(command) > 1 for command in ("fields", "sort", "limit")
    ):
        return (
            "The order of the query commands is refused: the embedded AWS does not run Logs Insights but as "
            "fields, filter, sort, limit."
        )
    return None
