"""Runs one command line, and turns every failure into words and an exit code."""

from __future__ import annotations

import os
import traceback
from typing import Any, Final

import typer

from whatschat_ops.cli.command import COMMON
from whatschat_ops.cli.program import build_program
from whatschat_ops.cli.run import CommonOptions, Run
from whatschat_ops.cli.terminal.redacting import redacted_streams
from whatschat_ops.cli.terminal.streams import ReaderGone, guarded_streams
from whatschat_ops.errors import PROGRAM, ExitCode, Interrupted, OpsError, UsageError
from whatschat_ops.files import refused

# Typer brings its own copy of Click since 0.2x and used the installed one before: this is the class of either.
_CliUsageError: type[Exception] = typer.BadParameter.__mro__[1]


def run_command_line(arguments: list[str]) -> int:
    """Run one command line. Returns the exit code; prints what failed."""
    with guarded_streams(), redacted_streams():
        try:
            return _run_command_line(arguments)
        except ReaderGone:
            return ExitCode.DONE


def _run_command_line(arguments: list[str]) -> int:
    run = Run()
    try:
        _require_text(run, arguments)
        result = _call(run, arguments)
    except (typer.Abort, KeyboardInterrupt):
        return _fail(run, Interrupted("Interrupted."))
    except _CliUsageError as error:
        from whatschat_ops.cli.usage_errors import as_usage_error

        run.take(_given_options(error, arguments))
        return _fail(run, as_usage_error(error, arguments))
    except OpsError as error:
        return _fail(run, error)
    except OSError as error:
        return _fail(run, refused(error))
    except ReaderGone:
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug
        return _fail(run, _as_bug(error))
    if result == ExitCode.INTERRUPTED:  # newer versions of Typer turn Ctrl-C into this
        return _fail(run, Interrupted("Interrupted."))
    return result if isinstance(result, int) else ExitCode.DONE


def _call(run: Run, arguments: list[str]) -> Any:
    if sorted(arguments) == ["--json", "--version"]:
        from whatschat_ops.cli.version import this_version

        run.take(CommonOptions(json=True))
        return run.out.result(this_version(), str)
    try:
        return build_program().main(args=arguments, prog_name=PROGRAM, standalone_mode=False, obj=run)
    except _CliUsageError as error:
        if type(error).__name__ != "NoArgsIsHelpError":
            raise
        typer.echo(error.format_message())  # type: ignore[attr-defined]  # a bare group: the message is its help
        return ExitCode.USAGE


_READ_VARIABLES: Final = ("AWS_", "CONNECTIONS_TABLE", "JWT_SECRET", "NEXT_PUBLIC_", "WHATSCHAT_")


def _require_text(run: Run, arguments: list[str]) -> None:
    """Raise UsageError for bytes that are not UTF-8 in an argument, or in a variable that may be read."""
    bad = [_shown_bytes(argument) for argument in arguments if not _is_text(argument)]
    names = [
        name for name, value in os.environ.items() if name.startswith(_READ_VARIABLES) and not _is_text(value)
    ]
    if not bad and not names:
        return
    run.take(CommonOptions(json="--json" in arguments or None, debug="--debug" in arguments or None))
    what = f"The argument {bad[0]}" if bad else f"The environment variable {names[0]}"
    raise UsageError(
        f"{what} is not UTF-8 text.", hint="Write it in UTF-8; see the terminal's encoding with: locale"
    )


def _is_text(value: str) -> bool:
    """Python takes bytes that it cannot decode for halves of surrogate pairs (PEP 383)."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _shown_bytes(value: str) -> str:
    return repr(os.fsencode(value).decode("ascii", "backslashreplace")).replace("\\\\", "\\")


def _given_options(error: Any, arguments: list[str]) -> CommonOptions:
    """The options before the mistake, and of those behind it, which were not read, how to show an error."""
    parsed = error.ctx.find_root().params if error.ctx else {}
    shown = {"json": "--json" in arguments or None, "debug": "--debug" in arguments or None}
    return CommonOptions(**{name: parsed.get(name) for name in COMMON} | shown)


def _as_bug(error: Exception) -> OpsError:
    if (
        type(error).__name__ == "ParamValidationError"
    ):  # botocore's: the value would be refused, so nothing was sent
        what = " ".join(str(error).split("\n")[1:]) or str(error)
        return UsageError(f"AWS does not take such a value: {what}")
    return OpsError(
        f"Something went wrong inside whatschat-ops: {type(error).__name__}: {error}",
        hint="Run it again with --debug and report what it prints.",
    )


def _fail(run: Run, error: OpsError) -> int:
    if run.options.debug:
        traceback.print_exc(file=run.out.stderr)
    from whatschat_ops.cli.advice import hint_of

    error.hint = hint_of(error, run.command_path.partition(" ")[2])
    run.out.fail(error)
    return error.exit_code
