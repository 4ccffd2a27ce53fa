"""Makes docs/widths.md: what the commonest commands print on terminals of 40, 80 and 120 columns.

    python docs/widths.py

Runs them on an embedded AWS of its own. tests/component/test_widths.py holds that no figure and no id is cut.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from docs.screens import Stand, stand, steady

PAGE = Path(__file__).with_name("widths.md")
WIDTHS = (120, 80, 40)
COMMANDS = (
    "whoami",
    "status",
    "lambda list",
    "ws connections list",
    "ws broadcasts list",
    "chime meeting list",
    "audit list",
    "metrics show --last 10m",
    "doctor --only ST001,WS001,WS020,WS042",
    "cost estimate --messages 10M --users 1000",
)
HEADER = """\
# The commonest commands on terminals of 120, 80 and 40 columns

Written by `python docs/widths.py`, which runs them on an embedded AWS of its own. Labels shrink first, columns that others can be told apart without go next, and below about 60
columns a row becomes a block of lines. No figure is cut, and no id that tells rows apart; words break between words only. Ids, times and durations are
replaced by others that are as long.
"""


def page(stand: Stand) -> Iterator[str]:
    """The page, line by line."""
    yield HEADER
    for command in COMMANDS:
        yield f"## `{command}`\n"
        for columns in WIDTHS:
            yield f"{columns} columns:\n\n```text\n{text(stand, command, columns)}\n```\n"


def text(stand: Stand, command: str, columns: int) -> str:
    """What a command writes to a terminal of that width, without colours."""
    stand.environment["NO_COLOR"] = "1"
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stand.screen(*command.split(), columns=columns))
    return "\n".join(
        line.rstrip() for line in steady(printed).replace(str(stand.directory), "/home/me").splitlines()
    )


def main() -> None:
    """Write the page."""
    with (
        tempfile.TemporaryDirectory() as directory,
        stand(Path(directory)) as running,
        ExitStack() as sockets,
    ):
        for user in ("alice", "bob", "carol"):
            sockets.enter_context(running.socket(user))
        running.run("ws", "broadcast", "--type", "notice", "We restart at noon.", "--yes")
        running.run("chime", "meeting", "create", "--user", "alice", "--attendee", "bob")
        PAGE.write_text("\n".join(page(running)), encoding="utf-8")
    sys.stdout.write("Wrote docs/widths.md.\n")


if __name__ == "__main__":
    main()
