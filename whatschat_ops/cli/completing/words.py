"""What the word under the cursor may be: a command, an option, or a value of some kind.

Pure, over the grammar that `docs/generate.py` writes from the program itself:

    "ws broadcast": {"options": {"--user": ["USER", "Only these users"], "--dry-run": ["", "..."]}, "arguments": ["MESSAGE"],
                     "commands": {}}

An option with the kind "" takes no value. The options of every command are those of the program, "".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

Grammar = Mapping[str, Mapping[str, Any]]

GRAMMAR: Final = Path(__file__).with_name("grammar.json")
_PLACE: Final = {
    "-e": "--env",
    "--env": "--env",
    "--config": "--config",
    "--profile": "--profile",
    "--region": "--region",
}


class Candidate(NamedTuple):
    """A word that fits, and what it means."""

    word: str
    meaning: str = ""


class Wanted(NamedTuple):
    """What may stand under the cursor: `candidates`, or a value of `kind` (`--user USER`, `USER`), or a path.

    `before` is put before a value: `--env=`. `place` are the options that select an environment: `--env` -> its value.
    """

    candidates: tuple[Candidate, ...] = ()
    kind: str = ""
    before: str = ""
    place: Mapping[str, str] = {}


def read_grammar() -> Grammar:
    """The grammar of this program."""
    grammar: Grammar = json.loads(GRAMMAR.read_text(encoding="utf-8"))
    return grammar


def wanted(grammar: Grammar, words: Sequence[str]) -> Wanted:
    """What the last of the words, which may be unfinished or empty, may become. `words` begin behind the program's name."""
    *given, current = words
    path, arguments, pending, place = _read(grammar, given)
    node, options = grammar[path], _options(grammar, path)
    if pending:
        return _value(pending, options[pending][0], place)
    name, equals, _ = current.partition("=")
    if equals and options.get(name, [""])[0]:
        return _value(name, options[name][0], place)._replace(before=f"{name}=")
    if current.startswith("-") and "--" not in given:
        return Wanted(tuple(Candidate(option, text) for option, (_, text) in options.items()), place=place)
    if node["commands"] and not arguments:
        return Wanted(tuple(Candidate(*entry) for entry in node["commands"].items()), place=place)
    kinds = node["arguments"]
    if not kinds:
        return Wanted(place=place)
    # The last argument may be repeated, or it may not: a value too many is an error that the command explains.
    return _value("", kinds[min(arguments, len(kinds) - 1)], place)


def _read(grammar: Grammar, given: Sequence[str]) -> tuple[str, int, str, dict[str, str]]:
    """The command, how many arguments it has, the option that waits for its value, and the options of the environment."""
    path, arguments, pending, only_arguments = "", 0, "", False
    place: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        kind = _options(grammar, path).get(name, [""])[0]
        if pending:
            _note(place, pending, word)
            pending = ""
        elif only_arguments:
            arguments += 1
        elif word == "--":
            only_arguments = True
        elif word.startswith("-") and len(word) > 1:
            if kind and equals:
                _note(place, name, value)
            elif kind:
                pending = name
        elif word in grammar[path]["commands"] and not arguments:
            path = f"{path} {word}".strip()
        else:
            arguments += 1
    return path, arguments, pending, place


def _options(grammar: Grammar, path: str) -> dict[str, list[str]]:
    return {**grammar[path]["options"], **grammar[""]["options"]}


def _note(place: dict[str, str], option: str, value: str) -> None:
    if option in _PLACE:
        place[_PLACE[option]] = value


def _value(option: str, kind: str, place: Mapping[str, str]) -> Wanted:
    if (
        "|" in kind
        and kind.replace("|", "").replace("-", "").replace("_", "").isalnum()
        and kind == kind.lower()
    ):
        return Wanted(tuple(map(Candidate, kind.split("|"))), place=place)
    return Wanted(kind=f"{option} {kind}".strip(), place=place)
