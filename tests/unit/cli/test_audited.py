"""Every command either leaves an audit entry of what it changes, or changes nothing in AWS: which is said here."""

from __future__ import annotations

import importlib
import inspect
from datetime import datetime, timedelta, timezone
from typing import Final

import pytest

from whatschat_ops.cli.audited import declaration
from whatschat_ops.cli.auditing import outcome_words
from whatschat_ops.cli.command import COMMON
from whatschat_ops.cli.commands import Command, every_command
from whatschat_ops.stack.secret_rotation import Rotated

COMMANDS: Final = {path: entry for path, entry in every_command() if isinstance(entry, Command)}

AUDITED: Final = {
    "provision", "destroy", "unlock", "table create", "table delete",
    "lambda deploy", "lambda promote", "lambda rollback", "lambda invoke",
    "iam attach", "iam detach", "token secret rotate",
    "ws send", "ws load", "ws broadcast", "ws broadcasts delete", "ws broadcasts stop", "ws connections delete", "ws prune", "ws disconnect",
    "chime meeting create", "chime meeting delete", "chime meeting sweep", "chime check",
    "chime attendee create", "chime attendee batch", "chime attendee capabilities", "chime attendee delete",
    "call test", "cost budget delete", "cost budget set", "cost verify", "doctor",
    "migrate start", "migrate advance", "migrate hold", "migrate rollback",
}  # fmt: skip
"""Those that send AWS requests which change something. `local/test_secrets_walk.py` holds the others to it."""


def function_of(path: str) -> object:
    module, _, name = COMMANDS[path].function.partition(":")
    return getattr(importlib.import_module(f"whatschat_ops.cli.{module}"), name)


def test_exactly_these_commands_are_audited() -> None:
    assert {path for path in COMMANDS if declaration(function_of(path))} == AUDITED  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(AUDITED))
def test_declared_target_is_made_of_the_commands_own_options(path: str) -> None:
    function = function_of(path)
    declared = declaration(function)  # type: ignore[arg-type]
    assert declared is not None
    own = set(inspect.signature(function).parameters)  # type: ignore[arg-type]
    assert set(declared.target.values()) <= own
    assert "reason" not in own | set(COMMON)


def test_outcome_has_times_in_utc_and_nothing_that_there_is_not() -> None:
    until = datetime(2026, 11, 30, 18, 9, 9, 525932, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    fields = ("parameter", "previous_accepted_until")
    assert outcome_words(Rotated("/jwt", until, until), fields) == (
        "parameter: /jwt, previous_accepted_until: 2026-11-30T12:24:09Z"
    )
    assert outcome_words(Rotated("/jwt", until, None), fields) == "parameter: /jwt"
