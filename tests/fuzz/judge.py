"""What a command line may come to. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from whatschat_ops.errors import ExitCode

EXIT_CODES: Final = frozenset(int(code) for code in ExitCode)
CODE_OF: Final = {"usage": 2, "config": 2, "checks_failed": 3, "partly_done": 4, "interrupted": 130}
"""The exit code of an error by its code in JSON; every other is 1."""


@dataclass(frozen=True)
class Ended:
    """How a run ended. `code` is None for one that hung or ended with an exception, whose words are in `escaped`."""

    code: int | None
    stdout: str
    stderr: str
    escaped: str = ""
    hung: bool = False


@dataclass(frozen=True)
class Finding:
    """What is wrong with a run. `kind` groups; `signature` says which one of its kind."""

    kind: str
    signature: str


def judge(arguments: Sequence[str], ended: Ended, expected: int | None = None) -> Finding | None:
    """What is wrong with how it ended, if anything."""
    if ended.hung:
        return Finding("hang", " ".join(arguments[:2]))
    if ended.code is None:
        return Finding("traceback", _last_line(ended.escaped))
    said = ended.stdout + ended.stderr
    if found := re.search(r"Something went wrong inside whatschat-ops: ([^\n]*)", said):
        return Finding("internal error", _normalised(found[1]))
    if "Traceback (most recent call last)" in said and "--debug" not in arguments:
        return Finding("traceback", _last_line(said))
    if ended.code not in EXIT_CODES:
        return Finding("exit code", f"{ended.code}")
    if expected is not None and ended.code != expected:
        return Finding("exit code", f"{ended.code} instead of {expected}")
    return _in_words(arguments, ended)


def _in_words(arguments: Sequence[str], ended: Ended) -> Finding | None:
    """Whether what it says fits its exit code."""
    failed = re.search(r"^Error: ", ended.stderr, re.MULTILINE)
    if ended.code == 0 and failed:
        return Finding("exit code", "0 with an error")
    if ended.code and not (ended.stdout or ended.stderr):
        return Finding("exit code", f"{ended.code} without a word")
    if not _is_json(arguments):
        return None
    documents = _documents(ended.stdout)
    if documents is None:
        return Finding("not JSON", f"{' '.join(arguments[:3])}: {ended.stdout[:60]!r}")
    for document in documents:
        error = document.get("error") if isinstance(document, dict) and len(documents) == 1 else None
        if isinstance(error, dict) and set(error) == {"code", "message", "hint", "argv"}:
            wanted = CODE_OF.get(error["code"], 1)
            if ended.code != wanted:
                return Finding("exit code", f"{ended.code} with {error['code']} in JSON")
    return None


def _is_json(arguments: Sequence[str]) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options and not {"--help", "-h", "--version"} & set(arguments)


def _documents(text: str) -> list[object] | None:
    """The one document of a text, or those of its lines; None if they are none."""
    try:
        return [json.loads(text)] if text.strip() else []
    except ValueError:
        pass
    except RecursionError:
        return []
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return None


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    places = [line.strip() for line in lines if "whatschat_ops" in line and line.strip().startswith("File")]
    return _normalised(f"{lines[-1] if lines else ''} {places[-1] if places else ''}")


def _normalised(text: str) -> str:
    """Without what differs from one run to the next of the same kind."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|\d+", "#", text)
    return text.encode("ascii", "backslashreplace").decode()[:160]
