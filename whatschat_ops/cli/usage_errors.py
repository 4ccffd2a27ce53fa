"""What is said of a command line that cannot be read: in one sentence, with what was meant, and the command whose help says more."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from whatschat_ops.choices import did_you_mean
from whatschat_ops.cli.commands import COMMANDS, Entry, Group
from whatschat_ops.errors import Hint, UsageError

_Path = tuple[str, ...]


def as_usage_error(error: Any, arguments: Sequence[str]) -> UsageError:
    """Typer's refusal of a command line (a UsageError of its copy of Click) as one of ours."""
    from whatschat_ops.quotas import CONNECTION_ID_PATTERN

    path = tuple(error.ctx.command_path.split()[1:]) if error.ctx else path_in(arguments)
    ids = [
        argument
        for argument in arguments
        if argument.startswith("-") and re.fullmatch(CONNECTION_ID_PATTERN, argument)
    ]
    if ids and "--" not in arguments:  # API Gateway's ids may begin with a dash, as options do
        return UsageError(f"{ids[0]} looks like an option.", hint=Hint((*path, "--", ids[0])))
    message = error.format_message()
    unknown = next((word for word in arguments if message.startswith(f"No such command {word!r}.")), None)
    if unknown is not None:  # it is quoted as Python quotes it
        return _unknown_command(path, unknown, arguments)
    words = _unknown_option(error) if type(error).__name__ == "NoSuchOption" else _in_plain_words(error)
    return UsageError(words, hint=Hint((*path, "--help")))


def path_in(arguments: Iterable[str], commands: Mapping[str, Entry] = COMMANDS) -> _Path:
    """The command that a line names, as far as it names one: `-q ws send --to` -> `ws send`."""
    path: _Path = ()
    for before, word in itertools.pairwise(("", *arguments)):
        entry = commands.get(word)
        if entry is None or before in _TAKE_A_VALUE:
            continue
        path = (*path, word)
        if not isinstance(entry, Group):
            break
        commands = entry.commands
    return path


_TAKE_A_VALUE: Final = frozenset({"-e", "--env", "--config", "--profile", "--region", "--query"})
"""Options before the name of a command, whose value may be that of a command: `-e local`."""


def _unknown_command(group: _Path, word: str, arguments: Sequence[str]) -> UsageError:
    from whatschat_ops.cli.guesses import meant, tree_of

    command = meant(tree_of(COMMANDS), group, word, arguments[arguments.index(word) + 1 :])
    if command is None:
        return UsageError(f"No such command {word!r}.", hint=Hint((*group, "--help")))
    named = " ".join(part for part in command if part != "--help" or len(command) == 1)
    return UsageError(f"No such command {word!r}. Did you mean '{named}'?", hint=Hint(command))


_NOT_ONE_OF: Final = re.compile(r"'([^']*)' is not one of (.+)")
_VALIDATOR_WORDS: Final = (
    (r"Value error, ", ""),
    (r"Input should be a valid integer, unable to parse string as an integer", "it is not a whole number"),
    (r"Input should be a valid number, unable to parse string as a number", "it is not a number"),
    (r"Input should be (greater|less) than or equal to", lambda found: f"it must be at {'least' if found[1] == 'greater' else 'most'}"),
    (r"Input should be", "it must be"),
)  # fmt: skip


def _unknown_option(error: Any) -> str:
    known = [name for each in error.ctx.command.get_params(error.ctx) for name in each.opts]
    return f"No such option: {error.option_name}.{did_you_mean(error.option_name, known)}"


def _in_plain_words(error: Any) -> str:
    """Typer repeats what pydantic says of a value, which is meant for programmers, and names an argument by its values."""
    message: str = error.format_message()
    for pattern, words in _VALIDATOR_WORDS:
        message = re.sub(pattern, words, message)
    param = getattr(error, "param", None)
    if param is not None and param.param_type_name == "argument" and "|" in (param.metavar or ""):
        message = message.replace(f"'{param.metavar}'", param.name.upper(), 1)
    if message.startswith("Missing"):
        return re.sub(r"[\n\t]+", " ", message)
    given = _NOT_ONE_OF.search(message)
    return message + (did_you_mean(given[1], re.findall(r"'([^']*)'", given[2])) if given else "")
