"""The options of `ws broadcast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whatschat_ops.choices import EngineName

_WHO = "Who gets it"
_HOW = "How it is sent"


Many = list[str] | None
TypeOption = Annotated[
    str | None,
    typer.Option(
        "--type", "-t", help="Make it a message of this type: a text becomes its content.", show_default=False
    ),
]
TextOption = Annotated[bool, typer.Option("--text", help="Send the text as it is, JSON or not.")]
NoIdOption = Annotated[bool, typer.Option("--no-id", help="Add no id for clients to drop duplicates by.")]
UsersOption = Annotated[
    Many,
    typer.Option("--user", "-u", help="This user's connections; may be repeated.", rich_help_panel=_WHO),
]
UsersFileOption = Annotated[
    Path | None,
    typer.Option(
        "--users-file",
        help="The connections of these users: one id in a line; - for standard input.",
        rich_help_panel=_WHO,
    ),
]
ConnectionsOption = Annotated[
    Many, typer.Option("--connection", help="This connection; may be repeated.", rich_help_panel=_WHO)
]
ExcludeOption = Annotated[
    Many,
    typer.Option(
        "--exclude-user", help="Not this user's connections; may be repeated.", rich_help_panel=_WHO
    ),
]
SampleOption = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="N|P%",
        help="Only so many, or so much, of them, chosen at random.",
        rich_help_panel=_WHO,
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate",
        min=0.1,
        help="Posts per second (default: the account's limit in the Region).",
        rich_help_panel=_HOW,
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency", min=1, max=500, help="Posts in flight (default: 256).", rich_help_panel=_HOW
    ),
]
EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="distributed: Lambda functions send, for more than one machine can.",
        rich_help_panel=_HOW,
    ),
]
TolerateOption = Annotated[
    str,
    typer.Option(
        "--tolerate-failures",
        metavar="N|P%",
        help="Exit with 0 if no more than this failed.",
        rich_help_panel=_HOW,
    ),
]
ResumeOption = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        help="Go on with a run that was interrupted; latest: the last one.",
        rich_help_panel=_HOW,
    ),
]
RetryOption = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="With --resume: also try those again that failed.",
        rich_help_panel=_HOW,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only say how many would get it, how long, and for how much.")
]
