"""The options of `ws broadcast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whatschat_ops.choices import EngineName

_WHO = "Recipients"
_HOW = "Sending"


Many = list[str] | None
TypeOption = Annotated[
    str | None,
    typer.Option(
        "--type",
        "-t",
        metavar="TYPE",
        help="Send a message of this type with the text as its content",
        show_default=False,
    ),
]
TextOption = Annotated[bool, typer.Option("--text", help="Send the text unchanged, even if it is not JSON")]
NoIdOption = Annotated[
    bool, typer.Option("--no-id", help="Do not add the id that lets clients drop duplicates")
]
UsersOption = Annotated[
    Many,
    typer.Option(
        "--user", "-u", metavar="USER", help="Send to this user's connections", rich_help_panel=_WHO
    ),
]
UsersFileOption = Annotated[
    Path | None,
    typer.Option(
        "--users-file",
        help="Send to these users: a file with one id per line, or - for standard input",
        rich_help_panel=_WHO,
    ),
]
ConnectionsOption = Annotated[
    Many, typer.Option("--connection", metavar="ID", help="Send to this connection", rich_help_panel=_WHO)
]
ExcludeOption = Annotated[
    Many,
    typer.Option("--exclude-user", metavar="USER", help="Skip this user's connections", rich_help_panel=_WHO),
]
SampleOption = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="N|P%",
        help="Send to a random sample: exactly N connections, or about P percent",
        rich_help_panel=_WHO,
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option(
        "--rate",
        min=0.1,
        help="Posts per second [default: the account's limit in the Region]",
        rich_help_panel=_HOW,
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency", min=1, max=500, help="Posts in flight [default: 256]", rich_help_panel=_HOW
    ),
]
EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="Send from this machine, or from Lambda functions for more throughput",
        rich_help_panel=_HOW,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=1_000,
        help="Workers at once of --engine distributed, also of a broadcast that is resumed [default: the settings']",
        rich_help_panel=_HOW,
    ),
]
DetachOption = Annotated[
    bool,
    typer.Option(
        "--detach", help="Start with --engine distributed, and do not follow it", rich_help_panel=_HOW
    ),
]
TolerateOption = Annotated[
    str,
    typer.Option(
        "--tolerate-failures",
        metavar="N|P%",
        help="Exit with 0 if no more than this fail: a number or a percentage",
        rich_help_panel=_HOW,
    ),
]
ResumeOption = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="RUN",
        help="Resume an interrupted run by its id, or the latest",
        rich_help_panel=_HOW,
    ),
]
RetryOption = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="With --resume, also retry the connections that failed",
        rich_help_panel=_HOW,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only show the number of recipients, the duration and the cost")
]
