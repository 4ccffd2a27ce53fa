"""The audit entry of a command that is declared to change something in AWS.

A command that was declined, only showed what it would do or found nothing to do has sent no request that changes
something, and leaves no entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final

import typer

from whatschat_ops.audit import AuditedAction, Outcome
from whatschat_ops.cli.audited import Audited
from whatschat_ops.cli.run import Run
from whatschat_ops.errors import PROGRAM, ExitCode, OpsError, PartlyDone

MOST_SHOWN: Final = 10


@contextmanager
def auditing(run: Run, declared: Audited, values: Mapping[str, Any], reason: str | None) -> Iterator[None]:
    """Run a command inside: `values` are its options and arguments. Raises what the command raises."""
    target = {key: _plain(values[name]) for key, name in declared.target.items() if values[name]}
    action = ".".join(run.command_path.removeprefix(PROGRAM).split())
    run.audit = AuditedAction(
        action,
        target,
        reason,
        log=run.audit_log,
        caller=lambda: run.aws.caller_arn,
        warn=run.out.warn,
        ensure_table=action == "provision",
    )
    outcome, why = Outcome.FAILED, "interrupted"
    try:
        yield
        outcome, why = Outcome.SUCCEEDED, ""
    except PartlyDone as error:
        outcome, why = Outcome.PARTLY_DONE, error.message
        raise
    except OpsError as error:
        why = error.message
        raise
    except typer.Exit as error:
        outcome, why = _OF_CODE.get(ExitCode(error.exit_code), Outcome.FAILED), ""
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise
    finally:
        run.audit.end(
            outcome, "; ".join(filter(None, (why, outcome_words(run.out.last_result, declared.shows))))
        )


_OF_CODE: Final = {
    ExitCode.DONE: Outcome.SUCCEEDED,
    ExitCode.CHANGES: Outcome.SUCCEEDED,
    ExitCode.PARTLY_DONE: Outcome.PARTLY_DONE,
}


def outcome_words(result: Any, names: Sequence[str]) -> str:
    """Fields of a result in words: `closed: 2, gone: 0`; of a list, those of each."""
    results = result if isinstance(result, list | tuple) else [result]
    lines = [
        ", ".join(
            f"{name}: {_words(getattr(each, name))}"
            for name in names
            if getattr(each, name, None) is not None
        )
        for each in results[:MOST_SHOWN]
    ]
    more = [f"and {len(results) - MOST_SHOWN} more"] if len(results) > MOST_SHOWN else []
    return "; ".join(filter(None, [*lines, *more]))


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        more = [f"and {len(value) - MOST_SHOWN} more"] if len(value) > MOST_SHOWN else []
        return " ".join([*map(str, value[:MOST_SHOWN]), *more])
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return str(value)


def _plain(value: Any) -> Any:
    """An option's value as DynamoDB stores it."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
