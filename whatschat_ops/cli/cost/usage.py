"""`cost usage`: logs as Parquet, which later commands read much faster than the logs themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.files import ARGUMENT

if TYPE_CHECKING:
    from whatschat_ops.cli.terminal.tables import Facts
    from whatschat_ops.usage.logs.importing import Imported

FOLDER: Final = "--output"


def import_(
    run: Run,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files, folders, globs or s3://BUCKET/PREFIX of logs"),
    ],
    output: Annotated[
        Path,
        typer.Option(
            FOLDER, "-o", metavar="DIR", help="Folder of the import; files that are in it are skipped"
        ),
    ],
) -> None:
    """Convert logs to Parquet once.

    Reads access logs and the functions' logs: JSON lines, exports of CloudWatch Logs and what logs tail -o json wrote, also as gz or
    zst. A file that is imported already is skipped, one that has changed is replaced; an import that was ended continues
    with the same command. Other commands read the folder in place of the logs.

    Example:
        whatschat-ops cost usage import logs/ -o usage/
        whatschat-ops cost actual --from logs=usage/
    """
    from whatschat_ops.usage.engine.database import engine
    from whatschat_ops.usage.engine.inputs import S3, inputs
    from whatschat_ops.usage.logs.importing import import_logs, without_imports
    from whatschat_ops.usage.logs.lines import wanted_lines

    aws = run.aws if any(path.startswith(S3) for path in paths) else None
    those = without_imports(inputs(paths, aws, flag=ARGUMENT))
    with engine() as database, run.out.status("Importing logs"):
        found = import_logs(database, those, wanted_lines(), output, flag=FOLDER, aws=aws)
    run.out.result(found, _render)


def _render(found: Imported) -> Facts:
    from whatschat_ops.cli.terminal.tables import Facts
    from whatschat_ops.plurals import counted

    already = f", {counted(found.skipped, 'file')} imported before" if found.skipped else ""
    changed = f" ({found.replaced:,} changed since)" if found.replaced else ""
    rejected = sum(each.count for each in found.rejects)
    return Facts(
        {
            "Folder": found.folder,
            "Imported": f"{counted(found.files, 'file')}{changed}{already}",
            "Lines": f"{found.rows:,}",
            "Size": f"{found.read_bytes:,} bytes read, {found.folder_bytes:,} in the folder",
            "Rejected": f"{rejected:,}",
            **{
                each.reason: f"{each.count:,}" + "".join(f": {sample}" for sample in each.samples[:1])
                for each in found.rejects
            },
        }
    )
