"""Faults that no test finds, by (path, after): why that is so, or why it does no harm."""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str], str] = {
    ("handlers/default.py", "if len(data) > 2 * MAX_MESSAGE_BYTES:"): (
        "The post itself refuses such a message, and the sender gets the same answer: one query is made for nothing"
    ),
    ("aws/session.py", "if http_response.status_code >= 400:"): (
        "A redirect has no body that AWS writes, so the check for answers of something else than AWS refuses it before"
    ),
}
