"""What is asked of `lines` (lines.py), in SQL that DuckDB and Amazon Athena both understand and answer alike.

Only what was measured to be the same in both: sums, counts, minima and maxima, CASE, whole numbers. Division of whole numbers is
not (DuckDB's has a fraction), so there is none: minutes and units are sums of milliseconds and bytes, already rounded, that
`measuring.py` divides. Sums do not depend on the order of lines, and nothing is kept for more than one connection or event at a
time, so both engines do it in partitions that fit into memory.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from whatschat_ops.quotas import MAX_CONNECTION_S, MAX_MESSAGE_BYTES, METERED_MESSAGE_BYTES

LONGEST_MS: Final = MAX_CONNECTION_S * 1000
LATE_MS: Final = 60_000
"""Ours: `$disconnect` of a connection that was cut at two hours may be written so much later."""
MINUTE_MS: Final = 60_000
UNIT: Final = METERED_MESSAGE_BYTES
MOST_UNITS: Final = MAX_MESSAGE_BYTES // METERED_MESSAGE_BYTES


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
SELECT count(*), count(kind), min(least(t_ms, coalesce(connected_ms, t_ms))), max(t_ms)
FROM {lines}
""",
    ("rows", "used", "first_ms", "last_ms"),
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


def messages(interval: Interval) -> Question:
    """Events of the interval by route: how many, and what their functions say of sizes. An event counts once."""
    return Question(_MESSAGES.format(**_of(interval)), MESSAGE_FIELDS)


def sessions(interval: Interval) -> Question:
    """One row: the time that connections were open within the interval, at least and at most, and what was unusual."""
    return Question(_SESSIONS.format(**_of(interval)), SESSION_FIELDS)


def _of(interval: Interval) -> dict[str, str | int]:
    return {"lines": "{lines}", "since": interval.since_ms, "until": interval.until_ms}


MESSAGE_FIELDS: Final = (
    "kind", "route", "has_access", "has_function", "is_paired", "events", "copies", "timeless", "refused",
    "sized", "bytes_in", "unit_bytes_in", "sent", "bytes_out", "least_unit_bytes_out", "most_unit_bytes_out",
)  # fmt: skip

_MESSAGES: Final = f"""
WITH events AS (
    SELECT event,
        max(CASE WHEN kind <> 'FUNCTION' THEN kind ELSE '' END) AS kind,
        max(route) AS route,
        max(CASE WHEN kind <> 'FUNCTION' THEN t_ms END) AS logged_ms,
        max(t_ms) AS t_ms,
        sum(CASE WHEN kind = 'FUNCTION' THEN 1 ELSE 0 END) AS functions,
        sum(CASE WHEN kind = 'FUNCTION' THEN 0 ELSE 1 END) AS accesses,
        min(CASE WHEN is_paired THEN 1 ELSE 0 END) AS is_paired,
        max(CASE WHEN kind = 'CONNECT' AND NOT accepted THEN 1 ELSE 0 END) AS refused,
        max(bytes_in) AS bytes_in,
        max(sent) AS sent,
        max(bytes_out) AS bytes_out
    FROM {{lines}}
    WHERE kind IS NOT NULL
    GROUP BY event
), sized AS (
    SELECT *,
        CASE WHEN bytes_in > 0 THEN bytes_in + {UNIT - 1} ELSE {UNIT} END AS raised_in,
        CASE WHEN bytes_out > 0 THEN bytes_out + {UNIT - 1} ELSE 0 END AS raised_out,
        CASE WHEN bytes_out > 0 THEN bytes_out - 1 ELSE 0 END AS lowered_out
    FROM events
    WHERE coalesce(logged_ms, t_ms, {{since}}) >= {{since}} AND coalesce(logged_ms, t_ms, {{since}}) < {{until}}
), metered AS (
    SELECT *,
        raised_in - raised_in % {UNIT} AS units_in,
        raised_out - raised_out % {UNIT} AS units_out,
        sent * {UNIT} + lowered_out - lowered_out % {UNIT} AS more_units_out
    FROM sized
)
SELECT kind, route,
    CASE WHEN accesses > 0 THEN 1 ELSE 0 END AS has_access,
    CASE WHEN functions > 0 THEN 1 ELSE 0 END AS has_function,
    is_paired,
    count(*),
    sum(CASE WHEN accesses > 1 THEN accesses - 1 ELSE 0 END + CASE WHEN functions > 1 THEN functions - 1 ELSE 0 END),
    sum(CASE WHEN logged_ms IS NULL AND t_ms IS NULL THEN 1 ELSE 0 END),
    sum(refused),
    count(bytes_in),
    coalesce(sum(bytes_in), 0),
    coalesce(sum(CASE WHEN bytes_in IS NOT NULL THEN units_in END), 0),
    coalesce(sum(sent), 0),
    coalesce(sum(bytes_out), 0),
    coalesce(sum(CASE WHEN units_out > sent * {UNIT} THEN units_out ELSE sent * {UNIT} END), 0),
    coalesce(sum(CASE WHEN more_units_out < sent * {UNIT * MOST_UNITS} THEN more_units_out
        ELSE sent * {UNIT * MOST_UNITS} END), 0)
FROM metered
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
"""

SESSION_FIELDS: Final = ("shape", "is_reused", "connections", "least_ms", "most_ms", "minute_ms")

_SESSIONS: Final = f"""
WITH lives AS (
    SELECT connection, connected_ms,
        CASE WHEN connected_ms IS NULL AND kind <> 'MESSAGE' THEN t_ms END AS lone_ms,
        min(CASE WHEN kind = 'CONNECT' THEN t_ms END) AS opened_ms,
        max(CASE WHEN kind = 'DISCONNECT' THEN t_ms END) AS closed_ms,
        min(t_ms) AS first_ms,
        max(t_ms) AS last_ms
    FROM {{lines}}
    WHERE kind IN ('DISCONNECT', 'MESSAGE') OR (kind = 'CONNECT' AND accepted)
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
        sum(CASE WHEN lone_ms IS NOT NULL AND opened_ms IS NOT NULL THEN 1 ELSE 0 END) AS starts,
        sum(CASE WHEN lone_ms IS NOT NULL AND closed_ms IS NOT NULL THEN 1 ELSE 0 END) AS ends,
        max(CASE WHEN least_connected_ms < most_connected_ms THEN 1 ELSE 0 END) AS is_reused
    FROM known
    GROUP BY 1, 2
), begun AS (
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
