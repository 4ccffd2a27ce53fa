"""`env`: the application's environment variables for a provisioned stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whatschat_ops.cli.command import ShowSecretsOption
from whatschat_ops.cli.run import Run

if TYPE_CHECKING:
    from whatschat_ops.environment.render import Side, WrittenFile

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Update this file and keep its other lines"),
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Overwrite the file given with --output")]


def backend(
    run: Run,
    output: OutputOption = None,
    replace: ReplaceOption = False,
    show_secrets: ShowSecretsOption = False,
) -> None:
    """Write the .env of the backend.

    Endpoint, table, Chime and Region of the provisioned stack. The JWT secret and the AWS keys are left for you to fill in,
    unless you add --show-secrets.

    Example: whatschat-ops env render backend --output apps/server/.env
    """
    from whatschat_ops.environment.render import Side

    _render(run, Side.BACKEND, output, replace=replace, with_secrets=show_secrets)


def frontend(run: Run, output: OutputOption = None, replace: ReplaceOption = False) -> None:
    """Write the .env.local of the frontend.

    Endpoint and modes. It contains no secrets.

    Example: whatschat-ops env render frontend --output apps/web/.env.local
    """
    from whatschat_ops.environment.render import Side

    _render(run, Side.FRONTEND, output, replace=replace, with_secrets=False)


def _render(run: Run, side: Side, output: Path | None, *, replace: bool, with_secrets: bool) -> None:
    from whatschat_ops.environment.render import read_environment, to_text, write_environment
    from whatschat_ops.errors import UsageError

    if replace and output is None:
        raise UsageError("--replace needs --output.", hint="Name the file to write, or remove --replace.")
    file = read_environment(side, run.settings, run.aws, with_secrets=with_secrets)
    if output is not None:
        run.out.result(write_environment(file, output, replace=replace), _summary)
    elif run.out.as_json:
        run.out.result(file, lambda shown: str(shown))
    else:
        run.out.text(to_text(file))


def _summary(written: WrittenFile) -> str:
    changes = {"added": written.added, "changed": written.changed}
    said = "; ".join(f"{verb} {', '.join(names)}" for verb, names in changes.items() if names)
    return f"{written.path}: {said or 'nothing to change'}."
