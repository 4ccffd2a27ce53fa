"""Every command has the same options: this decorator adds them and hands the command a `Run`.

    @command(app)
    def mint(run: Run, user: Annotated[str, typer.Option("--user")]) -> None:
        '''Make a token.'''

`Run` is made of the options: settings are loaded on first use, AWS is reached on first use, so that a command
pays only for what it needs. The options may stand before or after the command's own name.
"""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whatschat_ops.cli.terminal.output import Output

if TYPE_CHECKING:
    from whatschat_ops.aws import Aws
    from whatschat_ops.config import LoadedSettings, Names, Settings

_PANEL = "Options of every command"

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ShowSecretsOption = Annotated[bool, typer.Option("--show-secrets", help="Show secrets instead of asterisks.")]


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What the shared options said; None means not given."""

    env: str | None = None
    config: Path | None = None
    profile: str | None = None
    region: str | None = None
    json: bool | None = None
    quiet: bool | None = None
    verbose: bool | None = None
    debug: bool | None = None

    def over(self, outer: CommonOptions) -> CommonOptions:
        """These options, filled up with those given before the command's name."""
        given = {name: getattr(self, name) for name in COMMON if getattr(self, name) is not None}
        return replace(outer, **given)

    @property
    def place(self) -> dict[str, str]:
        """The options that say which environment is meant, as they were given."""
        named = {"-e": self.env, "--config": self.config, "--profile": self.profile, "--region": self.region}
        return {option: str(value) for option, value in named.items() if value is not None}

    @property
    def place_words(self) -> str:
        """The same as they are typed."""
        return " ".join(f"{option} {shlex.quote(value)}" for option, value in self.place.items())


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
COMMON_PARAMETERS = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
    for name, annotation in _ANNOTATIONS.items()
]


@dataclass(slots=True)
class Run:
    """One run of the program: its options, its output, and (on demand) its settings and its AWS."""

    options: CommonOptions
    out: Output
    command_path: str = ""
    """The command as it was called, for example `whatschat-ops table create`."""
    _loaded: LoadedSettings | None = field(default=None, repr=False)
    _aws: Aws | None = field(default=None, repr=False)

    def fill_place(self, given: Mapping[str, str]) -> None:
        """Go where another run was (its `full_place`), as far as the options do not say otherwise. Before settings are loaded."""
        wanted = CommonOptions(
            env=given.get("-e"),
            config=Path(given["--config"]) if "--config" in given else None,
            profile=given.get("--profile"),
            region=given.get("--region"),
        )
        self.options = self.options.over(wanted)
        self.out.place = self.options.place_words

    def full_place(self) -> dict[str, str]:
        """What leads another run to these settings, from any directory."""
        path = self.loaded.path
        return self.options.place | ({"--config": str(path.absolute())} if path is not None else {})

    @property
    def loaded(self) -> LoadedSettings:
        """The settings with their origins, loaded on first use. Raises ConfigError."""
        if self._loaded is None:
            from whatschat_ops.config import load_settings

            flags = {
                "aws.region": ("--region", self.options.region),
                "aws.profile": ("--profile", self.options.profile),
            }
            self._loaded = load_settings(
                self.options.env,
                path=self.options.config,
                flags={key: item for key, item in flags.items() if item[1] is not None},
            )
        return self._loaded

    @property
    def settings(self) -> Settings:
        """The settings of the chosen environment."""
        return self.loaded.settings

    @property
    def names(self) -> Names:
        """The AWS names of the chosen environment."""
        from whatschat_ops.config import Names

        return Names(self.settings)

    @property
    def aws(self) -> Aws:
        """AWS for the chosen environment. Starts the embedded AWS if that is what it is and it does not run."""
        if self._aws is None:
            from whatschat_ops.aws import connect
            from whatschat_ops.cli.target import aws_target

            self._aws = connect(aws_target(self.loaded, self.out))
        return self._aws


def command(
    app: typer.Typer, name: str | None = None, **typer_options: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function whose first parameter is a `Run` as a command of `app`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        app.command(name, **typer_options)(_with_common_options(function))
        return function

    return register


def _with_common_options(function: Callable[..., None]) -> Callable[..., None]:
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    @functools.wraps(function)
    def wrapper(ctx: typer.Context, **values: Any) -> None:
        options = CommonOptions(**{key: values.pop(key) for key in COMMON})
        outer = ctx.find_root().obj
        options = options.over(outer) if isinstance(outer, CommonOptions) else options
        run = make_run(options, show_secrets=values.get("show_secrets", False))
        run.command_path = ctx.command_path
        function(run, **values)

    parameters = [context, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *COMMON_PARAMETERS]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del wrapper.__wrapped__
    return wrapper


_current: list[Run] = []


def make_run(options: CommonOptions, *, show_secrets: bool = False) -> Run:
    """A `Run`, remembered so that an error is printed the way the user asked for."""
    output = Output(
        as_json=bool(options.json),
        quiet=bool(options.quiet),
        verbose=bool(options.verbose or options.debug),
        show_secrets=show_secrets,
        place=options.place_words,
    )
    _current.append(Run(options, output))
    return _current[-1]


def current_run() -> Run | None:
    """The run that is going on, if options were parsed at all."""
    return _current[-1] if _current else None


def forget_runs() -> None:
    """Begin anew: one process may run many command lines (tests do)."""
    _current.clear()
