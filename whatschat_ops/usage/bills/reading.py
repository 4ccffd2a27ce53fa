"""Paths -> a bill: which files of an export are its data, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.errors import Unusable, UsageError
from whatschat_ops.files import read_bytes
from whatschat_ops.usage.bills.bill import Bill
from whatschat_ops.usage.bills.explorer import bill_of
from whatschat_ops.usage.bills.owned import Owned
from whatschat_ops.usage.bills.rows import OTHER_BILL, add_up, because
from whatschat_ops.usage.engine.database import engine
from whatschat_ops.usage.engine.inputs import S3, Input, inputs

TABLES: Final = (".parquet", ".csv", ".csv.gz", ".csv.zst")
"""What Data Exports write, and what people make of it; beside them lie manifests in JSON."""
MOST_ANSWER_BYTES: Final = 256 * 1024 * 1024
"""Ours: of Cost Explorer's answers, which are read as a whole."""


def read_bill(path: str, owned: Owned, aws: Callable[[], Aws], *, flag: str = "--bill") -> Bill:
    """The bill of a file, a folder, a glob or an address in S3. `aws` is called for S3. Raises UsageError, Unusable, OpsError."""
    there = aws() if path.startswith(S3) else None
    found = inputs([path], there, flag=flag)
    tables = [each for each in found if each.name.lower().endswith(TABLES)]
    answers = [each for each in found if each.name.lower().endswith(".json")]
    if not tables and not answers:
        raise UsageError(
            f"{path} has no file of a bill: they end in {', '.join(TABLES)} or .json.",
            hint=OTHER_BILL,
        )
    with engine() as database:
        if tables:
            bill = add_up(database, tables, owned, there)
        else:
            bill = bill_of(
                [(Path(each.name).name, _content(each, database.folder, there)) for each in answers]
            )
    if bill.rejects and not bill.lines:
        raise Unusable(f"No row of the bill can be added up{because(bill.rejects)}.", hint=OTHER_BILL)
    return bill


def _content(source: Input, folder: Path, aws: Aws | None) -> bytes:
    with source.here(folder, aws) as path:
        return read_bytes(path, flag="--bill", most_bytes=MOST_ANSWER_BYTES)
