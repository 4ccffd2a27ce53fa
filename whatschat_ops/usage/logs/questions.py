"""What is asked of `lines` (lines.py), in SQL that DuckDB and Amazon Athena both understand and answer alike.

Only what was measured to be the same in both: sums, counts, minima and maxima, CASE, whole numbers. Division of whole numbers is
not (DuckDB's has a fraction), so there is none: times are sums of milliseconds. Where there are many rows, what is counted is
counted and not summed: a sum of DuckDB has 128 bits, which is slow. Sums do not depend on the order of lines, and nothing is kept for more than one connection or event at a
time, so both engines do it in partitions that fit into memory.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from whatschat_ops.quotas import MAX_CONNECTION_S
from whatschat_ops.usage.logs.lines import CONNECT, DISCONNECT, FUNCTION, REPORT, UNIT

LONGEST_MS: Final = MAX_CONNECTION_S * 1000
LATE_MS: Final = 60_000
"""Ours: `$disconnect` of a connection that was cut at two hours may be written so much later."""
MINUTE_MS: Final = 60_000


class Interval(NamedTuple):
    """From `since_ms` until before `until_ms`."""

    since_ms: int
    until_ms: int


class Question(NamedTuple):
    """SQL with the names of what it answers, in order."""

    sql: str
    fields: tuple[str, ...]


SPAN: Final = Question(
    """
SELECT count(*), count(kind), min(t_ms), min(connected_ms), max(t_ms),
    count(CASE WHEN kind > 1 AND connected_ms IS NULL THEN 1 END), count(CASE WHEN kind = 1 THEN 1 END),
    count(CASE WHEN kind = 0 THEN 1 END)
FROM {lines}
""",
    ("rows", "used", "first_ms", "first_connected_ms", "last_ms", "without_start", "functions", "reports"),
)

IS_UNIQUE: Final = Question(
    """
SELECT CASE WHEN count(*) > 0 THEN 0 ELSE 1 END
FROM (SELECT event FROM {lines} WHERE kind > 0 GROUP BY event HAVING count(*) > 1) AS repeated
""",
    ("is_unique",),
)
"""Whether each event has one line: no duplicates, and not the lines of both API Gateway and functions."""

REUSED: Final = Question(
    """
SELECT count(*)
FROM (SELECT connection FROM {lines} WHERE kind > 0 GROUP BY connection HAVING min(connected_ms) < max(connected_ms)) AS reused
""",
    ("connections",),
)

NOTES: Final = Question(
    """
SELECT note, CASE WHEN kind IS NULL THEN 1 ELSE 0 END, count(*), min(sample), max(sample)
FROM {lines}
WHERE note IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
""",
    ("reason", "is_reject", "count", "first", "last"),
)


def messages(interval: Interval, *, is_unique: bool = False) -> Question:
    """Events of the interval by route: how many, and what their functions say of sizes. An event counts once.

    `is_unique`: each has one line only, which is known and saves most of the work.
    """
    events = _LINES_AS_EVENTS if is_unique else _EVENTS
    return Question(_MESSAGES.replace("{events}", events).format(**_of(interval)), MESSAGE_FIELDS)


def sessions(interval: Interval, *, is_plain: bool = False) -> Question:
    """The time that connections were open within the interval, at least and at most, by what is known of them.

    `is_plain`: every line has its `connectedAt`, and every connection one, which saves half of the work.
    """
    lives = _PLAIN_LIVES if is_plain else _LIVES
    return Question(_SESSIONS.replace("{lives}", lives).format(**_of(interval)), SESSION_FIELDS)


def invocations(interval: Interval) -> Question:
    """Invocations of the interval that Lambda reported, by memory. A report counts once."""
    return Question(
        _INVOCATIONS.format(**_of(interval)), ("memory_mb", "count", "copies", "timeless", "billed_ms")
    )


def _of(interval: Interval) -> dict[str, str | int]:
    return {"lines": "{lines}", "since": interval.since_ms, "until": interval.until_ms}


MESSAGE_FIELDS: Final = (
    "kind", "has_function", "route", "events", "copies", "timeless", "sized", "told", "sized_out", "bytes_in", "units_in",
    "sent", "bytes_out", "least_units_out", "most_units_out",
)  # fmt: skip
"""`kind` is API Gateway's, or FUNCTION where it has no line of the event."""

_EVENTS: Final = """
    SELECT event,
        max(kind) AS kind,
        min(kind) AS least_kind,
        count(*) AS copies,
        min(t_ms) AS t_ms,
        max(route) AS route,
        max(bytes_in) AS bytes_in,
        max(bytes_out) AS bytes_out,
        max(sent) AS sent,
        max(least_units_out) AS least_units_out,
        max(most_units_out) AS most_units_out
    FROM {lines}
    WHERE kind > 0
    GROUP BY event
"""

_LINES_AS_EVENTS: Final = """
    SELECT kind, kind AS least_kind, 1 AS copies, t_ms, route, bytes_in, bytes_out, sent, least_units_out, most_units_out
    FROM {lines}
    WHERE kind > 0
"""

_MESSAGES: Final = f"""
WITH events AS ({{events}}), within AS (
    SELECT *, CASE WHEN least_kind = {FUNCTION} THEN 1 ELSE 0 END AS has_function
    FROM events
    WHERE t_ms IS NULL OR (t_ms >= {{since}} AND t_ms < {{until}})
)
SELECT kind, has_function, route, count(*),
    sum(copies) - count(*) - count(CASE WHEN kind > {FUNCTION} AND has_function = 1 THEN 1 END),
    count(*) - count(t_ms),
    count(bytes_in),
    count(sent),
    count(bytes_out),
    coalesce(sum(bytes_in), 0),
    count(bytes_in) + count(CASE WHEN bytes_in > {UNIT} THEN 1 END) + count(CASE WHEN bytes_in > {2 * UNIT} THEN 1 END)
        + count(CASE WHEN bytes_in > {3 * UNIT} THEN 1 END),
    coalesce(sum(sent), 0),
    coalesce(sum(bytes_out), 0),
    coalesce(sum(least_units_out), 0),
    coalesce(sum(most_units_out), 0)
FROM within
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
"""

_INVOCATIONS: Final = f"""
SELECT memory_mb, count(*), sum(copies) - count(*), count(*) - count(t_ms), sum(billed_ms)
FROM (
    SELECT event, max(memory_mb) AS memory_mb, max(billed_ms) AS billed_ms, min(t_ms) AS t_ms, count(*) AS copies
    FROM {{lines}}
    WHERE kind = {REPORT}
    GROUP BY event
) AS reports
WHERE t_ms IS NULL OR (t_ms >= {{since}} AND t_ms < {{until}})
GROUP BY 1
ORDER BY 1
"""

SESSION_FIELDS: Final = ("shape", "is_reused", "connections", "least_ms", "most_ms", "minute_ms")

_LIVES: Final = f"""
WITH lives AS (
    SELECT connection, connected_ms,
        CASE WHEN connected_ms IS NULL AND kind <= {DISCONNECT} THEN t_ms END AS lone_ms,
        min(CASE WHEN kind = {CONNECT} THEN t_ms END) AS opened_ms,
        max(CASE WHEN kind = {DISCONNECT} THEN t_ms END) AS closed_ms,
        min(t_ms) AS first_ms,
        max(t_ms) AS last_ms
    FROM {{lines}}
    WHERE kind = {CONNECT} OR kind >= {DISCONNECT}
    GROUP BY 1, 2, 3
), known AS (
    SELECT *,
        min(connected_ms) OVER (PARTITION BY connection) AS least_connected_ms,
        max(connected_ms) OVER (PARTITION BY connection) AS most_connected_ms
    FROM lives
), joined AS (
    SELECT connection,
        CASE WHEN connected_ms IS NULL AND least_connected_ms = most_connected_ms THEN most_connected_ms
            ELSE connected_ms END AS connected_ms,
        min(opened_ms) AS opened_ms, max(closed_ms) AS end_ms, min(first_ms) AS first_ms, max(last_ms) AS last_ms,
        count(CASE WHEN lone_ms IS NOT NULL AND opened_ms IS NOT NULL THEN 1 END) AS starts,
        count(CASE WHEN lone_ms IS NOT NULL AND closed_ms IS NOT NULL THEN 1 END) AS ends,
        max(CASE WHEN least_connected_ms < most_connected_ms THEN 1 ELSE 0 END) AS is_reused
    FROM known
    GROUP BY 1, 2
)
"""

_PLAIN_LIVES: Final = f"""
WITH joined AS (
    SELECT connection, connected_ms,
        min(CASE WHEN kind = {CONNECT} THEN t_ms END) AS opened_ms,
        max(CASE WHEN kind = {DISCONNECT} THEN t_ms END) AS end_ms,
        min(t_ms) AS first_ms,
        max(t_ms) AS last_ms,
        0 AS starts, 0 AS ends, 0 AS is_reused
    FROM {{lines}}
    WHERE kind = {CONNECT} OR kind >= {DISCONNECT}
    GROUP BY 1, 2
)
"""

_SESSIONS: Final = f"""
{{lives}}, begun AS (
    SELECT *, coalesce(connected_ms, opened_ms) AS start_ms, CASE WHEN starts > ends THEN starts ELSE ends END AS times
    FROM joined
), shaped AS (
    SELECT *,
        CASE WHEN connected_ms IS NULL AND times > 1 THEN 'unclear'
            WHEN start_ms IS NULL AND end_ms IS NULL THEN 'fragment'
            WHEN start_ms IS NULL THEN 'headless'
            WHEN end_ms IS NULL THEN 'open'
            WHEN end_ms < start_ms THEN 'backwards'
            WHEN end_ms - start_ms > {LONGEST_MS + LATE_MS} THEN 'long'
            ELSE 'whole' END AS shape
    FROM begun
), bounded AS (
    SELECT shape, is_reused,
        CASE WHEN shape IN ('whole', 'long', 'open') THEN start_ms WHEN shape = 'backwards' THEN end_ms
            ELSE first_ms END AS least_start_ms,
        CASE WHEN shape = 'long' THEN start_ms + {LONGEST_MS} WHEN shape = 'unclear' THEN first_ms
            WHEN end_ms IS NULL THEN last_ms ELSE end_ms END AS least_end_ms,
        CASE WHEN shape IN ('whole', 'long', 'open') THEN start_ms WHEN shape = 'backwards' THEN end_ms
            WHEN shape = 'unclear' THEN first_ms ELSE last_ms - {LONGEST_MS} END AS most_start_ms,
        CASE WHEN shape IN ('whole', 'long', 'headless') THEN end_ms WHEN shape = 'backwards' THEN end_ms + {LONGEST_MS}
            WHEN shape = 'fragment' THEN first_ms + {LONGEST_MS} WHEN shape = 'unclear' THEN first_ms + times * {LONGEST_MS}
            WHEN last_ms > start_ms + {LONGEST_MS} THEN last_ms ELSE start_ms + {LONGEST_MS} END AS most_end_ms
    FROM shaped
), clipped AS (
    SELECT shape, is_reused,
        CASE WHEN least_start_ms > {{since}} THEN least_start_ms ELSE {{since}} END AS least_start_ms,
        CASE WHEN least_end_ms < {{until}} THEN least_end_ms ELSE {{until}} END AS least_end_ms,
        CASE WHEN most_start_ms > {{since}} THEN most_start_ms ELSE {{since}} END AS most_start_ms,
        CASE WHEN most_end_ms < {{until}} THEN most_end_ms ELSE {{until}} END AS most_end_ms
    FROM bounded
    WHERE most_end_ms >= {{since}} AND most_start_ms < {{until}}
), lasting AS (
    SELECT shape, is_reused,
        CASE WHEN least_end_ms > least_start_ms THEN least_end_ms - least_start_ms ELSE 0 END AS least_ms,
        CASE WHEN shape = 'fragment' AND most_end_ms - most_start_ms > {LONGEST_MS} THEN {LONGEST_MS}
            WHEN most_end_ms > most_start_ms THEN most_end_ms - most_start_ms ELSE 0 END AS most_ms
    FROM clipped
)
SELECT shape, is_reused, count(*), sum(least_ms),
    sum(CASE WHEN most_ms > least_ms THEN most_ms ELSE least_ms END),
    sum(most_ms + {MINUTE_MS - 1} - (most_ms + {MINUTE_MS - 1}) % {MINUTE_MS})
FROM lasting
GROUP BY 1, 2
ORDER BY 1, 2
"""
"""A life of a connection id is what lines with one `connectedAt` say. Lines without one (of an older format) belong to the only
life that others of the connection know; where there is none, each CONNECT and DISCONNECT is a start and an end."""
