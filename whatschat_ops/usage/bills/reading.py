"""Paths -> a bill: which files of an export are its data, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.errors import UsageError
from whatschat_ops.files import read_bytes
from whatschat_ops.usage.bills.bill import Bill
from whatschat_ops.usage.bills.explorer import bill_of
from whatschat_ops.usage.bills.owned import Owned
from whatschat_ops.usage.bills.rows import add_up
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
            hint=f"Name the files of an export, or Cost Explorer's answer, with {flag}.",
        )
    with engine() as database:
        if tables:
            return add_up(database, tables, owned, there)
        return bill_of([(Path(each.name).name, _content(each, database.folder, there)) for each in answers])


def _content(source: Input, folder: Path, aws: Aws | None) -> bytes:
    with source.here(folder, aws) as path:
        return read_bytes(path, flag="--bill", most_bytes=MOST_ANSWER_BYTES)
