"""Files of a bill -> sums, by DuckDB; what cannot be added up is counted with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.errors import Unusable
from whatschat_ops.pricing.amounts import plain
from whatschat_ops.usage.bills.bill import KINDS, Bill, BillLine, Kind, Owner
from whatschat_ops.usage.bills.formats import COLUMNS, FORMATS, NEEDED
from whatschat_ops.usage.bills.owned import Owned
from whatschat_ops.usage.engine.database import Engine
from whatschat_ops.usage.engine.inputs import Input
from whatschat_ops.usage.engine.staging import Wanted, stage
from whatschat_ops.usage.measured import Finding, Findings

AMOUNT: Final = "DECIMAL(38, 12)"
"""AWS's amounts have up to ten decimals; a sum of these is exact."""
OTHER_BILL: Final = "Name the files of an export, or Cost Explorer's answer, with --bill."
_NAMED_ACCOUNTS: Final = 5
_FIELDS: Final = tuple(name for name in COLUMNS if not name.startswith("is_"))
_TAG: Final = r"regexp_extract(tags, '(?i)whatschat.?ops.?stack[''\"]?\s*[=:,]\s*[''\"]?([\w.-]+)', 1)"
_OWNER: Final = f"""
    CASE WHEN coalesce(nullif(tag, ''), {_TAG}) = $1 THEN $4
         WHEN coalesce(nullif(tag, ''), {_TAG}) <> '' THEN $5
         WHEN regexp_matches(resource, $2) THEN $4
         WHEN regexp_matches(resource, $3) THEN $5
         ELSE $6 END
"""
_REASON: Final = f"""
    CASE WHEN currency NOT IN ('', 'USD') THEN 'a currency other than USD'
         WHEN cost = '' THEN 'a row without a cost'
         WHEN TRY_CAST(cost AS {AMOUNT}) IS NULL THEN 'a cost that is not a number'
         WHEN quantity <> '' AND TRY_CAST(quantity AS {AMOUNT}) IS NULL THEN 'a quantity that is not a number'
         WHEN starts <> '' AND TRY_CAST(starts AS TIMESTAMPTZ) IS NULL THEN 'a date that cannot be read'
         WHEN starts = '' AND charge IN ('Usage', 'DiscountedUsage') THEN 'usage without a date'
         WHEN usage_type = '' AND charge IN ('Usage', 'DiscountedUsage') THEN 'usage without a usage type'
    END
"""
"""Why a row is not added up; NULL if it is."""
_SUMS: Final = f"""
    SELECT service, usage_type, operation, region, rate_code, charge,
        CAST(CAST(nullif(starts, '') AS TIMESTAMPTZ) AS DATE), unit, owner,
        sum(CAST(nullif(quantity, '') AS {AMOUNT})), sum(CAST(cost AS {AMOUNT})), count(*), min(description)
    FROM sound GROUP BY ALL ORDER BY ALL
"""


def add_up(database: Engine, files: Sequence[Input], owned: Owned, aws: Aws | None = None) -> Bill:
    """The bill that is in these files. Raises Unusable for two formats, and when nothing can be read."""
    texts = ", ".join(f"trim(coalesce({name}, '')) AS {name}" for name in _FIELDS)
    marks = ", ".join(f"{name} IS NOT NULL AS {name}" for name in COLUMNS if name.startswith("is_"))
    query = f"SELECT {texts}, {marks} FROM {{rows}}"
    staged = stage(database, files, Wanted(COLUMNS, query, NEEDED), "texts", aws)
    rejects, handled = staged.rejects, Findings()
    form = _format(database, rejects)
    _judge(database, owned, rejects, handled)
    lines = tuple(map(_line, database.rows(_SUMS)))
    return Bill(form, len(files), staged.rows, lines, rejects.found, handled.found, _of_accounts(database))


def _of_accounts(database: Engine) -> tuple[str, ...]:
    """What to say when the usage that is, or may be, the stack's is of several accounts."""
    query = "SELECT DISTINCT account FROM sound WHERE account <> '' AND owner <> $1 ORDER BY 1"
    accounts = [str(account) for (account,) in database.rows(query, [Owner.OTHER.value])]
    if len(accounts) < 2:
        return ()
    named = ", ".join(accounts[:_NAMED_ACCOUNTS]) + (", ..." if len(accounts) > _NAMED_ACCOUNTS else "")
    return (f"The bill is of {len(accounts):,} accounts, whose usage is added up: {named}.",)


def _format(database: Engine, rejects: Findings) -> str:
    formats = [str(row[0]) for row in database.rows(FORMATS)]
    if len(formats) > 1:
        raise Unusable(
            f"The files are {' and '.join(formats)}: together they would count the same usage twice.",
            hint="Name the files of one format.",
        )
    if not formats:
        raise Unusable(f"The files have no rows of a bill{because(rejects.found)}.", hint=OTHER_BILL)
    return formats[0]


def because(found: Sequence[Finding]) -> str:
    """Why rows were rejected, with samples, after what that led to."""
    return "".join(f"; {each.reason}: {', '.join(each.samples)}" for each in found)


def _judge(database: Engine, owned: Owned, rejects: Findings, handled: Findings) -> None:
    """Makes the tables of judged rows and of sound ones; counts the others, and those that were delivered more than once."""
    database.rows(f"""
        CREATE TEMP TABLE judged AS SELECT *, {_REASON} AS reason
        FROM (SELECT *, CASE correction WHEN 'Correction' THEN correction ELSE kind END AS charge FROM texts)
    """)
    bad = database.rows("""
        SELECT reason, count(*), list(concat_ws(', ', usage_type, quantity, cost, nullif(currency, 'USD'), starts))[:3]
        FROM judged WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1
    """)
    for reason, count, samples in bad:
        rejects.add(reason, *samples, count=count)
    once = f"QUALIFY id = '' OR row_number() OVER (PARTITION BY {', '.join(_FIELDS)}) = 1"
    database.rows(
        f"CREATE TEMP TABLE sound AS SELECT *, {_OWNER} AS owner FROM judged WHERE reason IS NULL {once}",
        [owned.tag, owned.pattern, owned.others, Owner.STACK.value, Owner.OTHER.value, Owner.UNKNOWN.value],
    )
    (good,) = database.one("SELECT count(*) FROM judged WHERE reason IS NULL")
    (kept,) = database.one("SELECT count(*) FROM sound")
    handled.add("a line that was delivered more than once: it counts once", count=good - kept)


def _line(row: tuple[Any, ...]) -> BillLine:
    service, usage_type, operation, region, code, charge, day, unit, owner, quantity, cost, rows, text = row
    kind = KINDS.get(charge, Kind.OTHER)
    quantity = None if quantity is None else plain(quantity)
    return BillLine(
        service, usage_type, operation, region, code, kind, day, unit, quantity, plain(cost), rows, Owner(owner), text
    )  # fmt: skip
