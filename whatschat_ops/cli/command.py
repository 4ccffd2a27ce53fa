"""Every command has the same options: this decorator adds them and hands the command a `Run`.

    @command(app)
    def mint(run: Run, user: Annotated[str, typer.Option("--user")]) -> None:
        '''Make a token.'''

The run is on Typer's context, where `main` put it. The options may stand before or after the command's own name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from whatschat_ops.cli.run import CommonOptions, Run

_PANEL = "Options of every command"

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ShowSecretsOption = Annotated[bool, typer.Option("--show-secrets", help="Show secrets instead of asterisks.")]


_ANNOTATIONS: dict[str, Any] = {
    "env": Annotated[
        str | None,
        typer.Option(
            "--env",
            "-e",
            envvar="WHATSCHAT_ENV",
            help="Environment (default: local).",
            rich_help_panel=_PANEL,
        ),
    ],
    "config": Annotated[
        Path | None,
        typer.Option(
            "--config", help="Configuration file (default: configs/<env>.yaml).", rich_help_panel=_PANEL
        ),
    ],
    "profile": Annotated[str | None, typer.Option("--profile", help="AWS profile.", rich_help_panel=_PANEL)],
    "region": Annotated[str | None, typer.Option("--region", help="AWS Region.", rich_help_panel=_PANEL)],
    "json": Annotated[
        bool | None, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=_PANEL)
    ],
    "quiet": Annotated[
        bool | None,
        typer.Option("--quiet", "-q", help="Print results and warnings only.", rich_help_panel=_PANEL),
    ],
    "verbose": Annotated[
        bool | None,
        typer.Option("--verbose", "-v", help="Say more about what happens.", rich_help_panel=_PANEL),
    ],
    "debug": Annotated[
        bool | None,
        typer.Option("--debug", help="Show a traceback when something fails.", rich_help_panel=_PANEL),
    ],
}
COMMON = tuple(_ANNOTATIONS)


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


COMMON_PARAMETERS = [_parameter(name, annotation) for name, annotation in _ANNOTATIONS.items()]
_CONTEXT = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def command(
    app: typer.Typer, name: str | None = None, **typer_options: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function whose first parameter is a `Run` as a command of `app`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name, **typer_options)(_with_common_options(function))
        return function

    return register


def root_callback(app: typer.Typer, version: Any) -> None:
    """Give the program itself the options of every command, and `--version`, whose annotation is `version`."""

    def root(ctx: typer.Context, **values: Any) -> None:
        _run_of(ctx).take(_taken(values))

    version_option = _parameter("version", version, default=False)
    app.callback()(_with_parameters(root, [_CONTEXT, version_option, *COMMON_PARAMETERS]))


def _with_common_options(function: Callable[..., None]) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    @functools.wraps(function)
    def wrapper(ctx: typer.Context, **values: Any) -> None:
        run = _run_of(ctx)
        run.take(_taken(values), show_secrets=values.get("show_secrets", False))
        run.command_path = ctx.command_path
        function(run, **values)

    del wrapper.__wrapped__  # its signature would be read instead of ours
    options = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    return _with_parameters(wrapper, [_CONTEXT, *options, *COMMON_PARAMETERS])


def _with_parameters(
    function: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """The function with the signature that Typer is to see."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return function


def _run_of(ctx: typer.Context) -> Run:
    run: Run = ctx.find_root().ensure_object(Run)
    return run


def _taken(values: dict[str, Any]) -> CommonOptions:
    """The options of every command, taken out of all that were given."""
    return CommonOptions(**{name: values.pop(name) for name in COMMON})
