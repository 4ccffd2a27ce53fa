"""Every command has the same options: they are added to its own here, and it gets a `Run`.

    def mint(run: Run, user: Annotated[str, typer.Option("--user", metavar="USER")]) -> None:
        '''Create a token for a user.'''

A command that changes something in AWS says so with `@audited` (`audited.py`), and has `--reason`, too.

The run is on Typer's context, where `main` put it. The options may stand before or after the command's own name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.models import ArgumentInfo, ParameterInfo

from whatschat_ops.cli.audited import declaration
from whatschat_ops.cli.help_pages import COMMON_PANEL
from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.cli.terminal.pager import PAGED
from whatschat_ops.errors import UsageError

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation")]


def _common(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=COMMON_PANEL, **settings)


_ANNOTATIONS: dict[str, Any] = {
    "env": Annotated[
        str | None,
        _common(
            "--env",
            "-e",
            envvar="WHATSCHAT_ENV",
            metavar="NAME",
            help="Environment [default: local]",
        ),
    ],
    "config": Annotated[
        Path | None, _common("--config", help="Configuration file [default: configs/<env>.yaml]")
    ],
    "profile": Annotated[str | None, _common("--profile", metavar="NAME", help="AWS profile")],
    "region": Annotated[str | None, _common("--region", metavar="REGION", help="AWS Region")],
    "json": Annotated[bool | None, _common("--json", help="Print the result as JSON")],
    "query": Annotated[
        str | None,
        _common(
            "--query", metavar="EXPRESSION", help="Print what a JMESPath expression selects from the JSON"
        ),
    ],
    "show_secrets": Annotated[
        bool | None, _common("--show-secrets", help="Show secrets instead of asterisks")
    ],
    "quiet": Annotated[bool | None, _common("--quiet", "-q", help="Print results and warnings only")],
    "verbose": Annotated[bool | None, _common("--verbose", "-v", help="Print more details")],
    "debug": Annotated[bool | None, _common("--debug", help="Print a traceback when a command fails")],
}
COMMON = tuple(_ANNOTATIONS)


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


REASON = "reason"
_REASON_PARAMETER = _parameter(
    REASON,
    Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the audit log")],
)
COMMON_PARAMETERS = [_parameter(name, annotation) for name, annotation in _ANNOTATIONS.items()]
_CONTEXT = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def root_callback(app: typer.Typer, version: Any) -> None:
    """Give the program itself the options of every command, and `--version`, whose annotation is `version`."""

    def root(ctx: typer.Context, **values: Any) -> None:
        _run_of(ctx).take(_taken(values))

    version_option = _parameter("version", version, default=False)
    app.callback()(_with_parameters(root, [_CONTEXT, version_option, *COMMON_PARAMETERS]))


def with_common_options(function: Callable[..., None]) -> Callable[..., None]:
    """The function of a command, whose first parameter is a `Run`, as Typer is to see and call it."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    declared = declaration(function)

    @functools.wraps(function)
    def wrapper(ctx: typer.Context, **values: Any) -> None:
        run = _run_of(ctx)
        run.take(_taken(values))
        run.command_path = ctx.command_path
        _require_ids(ctx)
        run.out.paged = declared is None and ctx.command_path.split()[-1] in PAGED
        if declared is None:
            function(run, **values)
            return
        from whatschat_ops.cli.auditing import auditing

        with auditing(run, declared, values, values.pop(REASON)):
            function(run, **values)

    del wrapper.__wrapped__  # its signature would be read instead of ours
    options = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    options += [_REASON_PARAMETER] if declared else []
    return _with_parameters(wrapper, [_CONTEXT, *options, *COMMON_PARAMETERS])


def _with_parameters(
    function: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """The function with the signature that Typer is to see."""
    for parameter in parameters:
        _name_value(parameter)
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return function


def _name_value(parameter: inspect.Parameter) -> None:
    """Give the value of an option or argument a name for the help, where it has none: TEXT, N, FILE, or its choices."""
    kind, info = _kind_and_info(parameter.annotation)
    if info is None or info.metavar is not None or kind is bool:
        return
    if get_origin(kind) is Literal or issubclass(kind, Enum):
        info.metavar = "|".join(get_args(kind) or [choice.value for choice in kind])
    elif isinstance(info, ArgumentInfo):
        info.metavar = parameter.name.upper()
    else:
        info.metavar = {Path: "FILE", int: "N", float: "N"}.get(kind, "TEXT")


def _kind_and_info(annotation: Any) -> tuple[Any, ParameterInfo | None]:
    """The type of one value, without None and list, and what describes the parameter to Typer."""
    if get_origin(annotation) is not Annotated:
        return annotation, None
    kind, info = get_args(annotation)
    if type(None) in get_args(kind):
        kind = get_args(kind)[0]
    return (get_args(kind)[0] if get_origin(kind) is list else kind), info


def _run_of(ctx: typer.Context) -> Run:
    run: Run = ctx.find_root().ensure_object(Run)
    return run


_IDS = frozenset({"USER", "ID", "CONNECTION|USER", "MEETING", "ATTENDEE", "RUN"})


def _require_ids(ctx: Any) -> None:
    """Raise UsageError for an empty id: AWS would answer with the name of a key, and some commands would take it for none."""
    for parameter in ctx.command.params:
        kind, value = (parameter.metavar or "").strip("[]."), ctx.params.get(parameter.name)
        if kind in _IDS and (value == "" or (isinstance(value, list) and "" in value)):
            name = parameter.opts[0] if parameter.param_type_name == "option" else kind
            raise UsageError(f"{name} is empty: it needs an id.")


def _taken(values: dict[str, Any]) -> CommonOptions:
    """The options of every command, taken out of all that were given."""
    return CommonOptions(**{name: values.pop(name) for name in COMMON})
