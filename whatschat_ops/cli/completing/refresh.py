"""Reads what may be named in a stack, for completion: `python -m whatschat_ops.cli.completing.refresh FILE [options]`.

A few requests that read, whatever the size of the table; an embedded AWS that does not run is not started. No output of this
process is seen: what fails leaves the file as it was.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from pathlib import Path
from typing import Final

from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.errors import OpsError

MOST: Final = 400
"""Values of a kind: more are no help on a terminal."""


def main(arguments: list[str]) -> None:
    """Write the users, connections and open meetings of a stack into a file."""
    file, *options = arguments
    given = dict(zip(options[::2], options[1::2], strict=True))
    run = Run()
    run.take(
        CommonOptions(
            env=given.get("--env"),
            config=Path(given["--config"]) if "--config" in given else None,
            profile=given.get("--profile"),
            region=given.get("--region"),
            quiet=True,
        )
    )
    if may_be_asked(run):
        from whatschat_ops.files import write_whole

        write_whole(Path(file), json.dumps(values_in(run)), mode=0o600)


def may_be_asked(run: Run) -> bool:
    """Whether the AWS of the settings is there without being started."""
    from whatschat_ops.cli.target import is_embedded

    if not is_embedded(run.settings):
        return True
    from whatschat_ops.local.service import status

    return status().running


def values_in(run: Run) -> dict[str, list[str]]:
    """Kind -> values; the newest connections and meetings that a page or two of rows have."""
    found: dict[str, list[str]] = {}
    with contextlib.suppress(OpsError):
        rows = list(itertools.islice(run.connections().scan(), MOST))
        found["connections"] = sorted(row.connection_id for row in rows)
        found["users"] = sorted({row.user_id for row in rows})
    with contextlib.suppress(OpsError):
        records = run.chime().list_meetings(check=False)
        found["meetings"] = [each.external_meeting_id for each in records if not each.status.over][:MOST]
    return found


if __name__ == "__main__":
    with contextlib.suppress(OpsError, OSError):
        main(sys.argv[1:])
