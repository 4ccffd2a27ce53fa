"""The text of a .env file: a new one, or variables merged into an existing one.

Input: variables, and the text of an existing file. Output: text, and what changed. The syntax is the part on which node's dotenv, docker compose and python-dotenv agree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from whatschat_ops.environment.variables import Variable
from whatschat_ops.errors import UsageError
from whatschat_ops.redaction import Secret

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=\\-]*")
_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*(?P<rest>.*)")
_COMMENTED = re.compile(r"[ \t]*#[ \t]*(?P<name>[A-Z][A-Z0-9_]*)[ \t]*=[ \t]*(?P<rest>.*)")
_QUOTED = re.compile(r"""(?P<quote>["'`])(?:\\.|(?!(?P=quote))[^\\])*(?P=quote)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged file: its text, and the names of the variables that were added, changed or unchanged.

    `left_alone` are those with a value of the file's own: of other programs, and placeholders that are filled in.
    """

    text: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    left_alone: tuple[str, ...]


def quote(value: str) -> str:
    """`value` as written after `=`. Raises UsageError for a value that parsers read differently."""
    if _PLAIN.fullmatch(value):
        return value
    if not set(value) & set(
        "'\\\n\r"
    ):  # nothing is special in single quotes, not even $; but see backslashes
        return f"'{value}'"
    if not set(value) & set('"\\$`\n\r'):
        return f'"{value}"'
    raise UsageError(
        "A value with line breaks, both kinds of quotes, or a backslash and quotes cannot be written to a .env file: "
        "parsers read it differently."
    )


def render(variables: Sequence[Variable], *, title: str = "") -> str:
    """A whole file. Variables without a value are commented out."""
    lines = [f"# {title}"] if title else []
    for variable in variables:
        if variable.section:
            lines += ["", f"# {variable.section}"]
        if not variable.absent:
            lines += _written(variable)
    return "\n".join(lines).lstrip("\n") + "\n"


def merge(existing: str, variables: Sequence[Variable]) -> Merge:
    """`existing` with the variables set in place, or added at the end; other lines are unchanged.

    A placeholder never replaces a value, and is added only if the file does not have the name.
    An `absent` variable is commented out.
    """
    newline = "\r\n" if "\r\n" in existing else "\n"
    lines = _logical_lines(existing)
    outcome: dict[str, list[Variable]] = {"added": [], "changed": [], "unchanged": []}
    for variable in variables:
        outcome[_set(lines, variable)].append(variable)
    text = "".join(lines)
    missing = [variable for variable in outcome["added"] if not variable.absent]
    if missing:
        gap = "" if not text else newline if text.endswith(newline) else newline * 2
        text += gap + render(missing).replace("\n", newline)
    names = {verb: tuple(variable.name for variable in found) for verb, found in outcome.items()}
    given = {variable.name for variable in variables if variable.value is not None or variable.absent}
    return Merge(
        text,
        tuple(variable.name for variable in missing),
        names["changed"],
        names["unchanged"],
        tuple(name for name, value in read_values(existing).items() if value and name not in given),
    )


def read_values(text: str) -> dict[str, str]:
    """Variable -> its value, as node's dotenv reads it: the last assignment of a name counts."""
    matches = (_ASSIGNMENT.match(line) for line in _logical_lines(text))
    return {match["name"]: _value(match.string[match.start("rest") :]) for match in matches if match}


def _written(variable: Variable) -> list[str]:
    comment = [f"# {variable.comment}"] if variable.comment else []
    if variable.value is None:
        return [*comment, f"# {variable.name}="]
    return [*comment, f"{variable.name}={quote(_text(variable.value))}"]


def _text(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _set(lines: list[str], variable: Variable) -> str:
    """Set one variable in `lines`, in place. Returns `added` (not in the file: nothing done), `changed` or `unchanged`."""
    active = _places(lines, _ASSIGNMENT, variable.name)
    if variable.value is None and not (variable.absent and active):
        return "unchanged" if active or _places(lines, _COMMENTED, variable.name) else "added"
    places = active or [
        place for place in _places(lines, _COMMENTED, variable.name) if not _value_of_comment(lines[place])
    ]
    before = [lines[place] for place in places]
    for place in places:
        lines[place] = _with_value(lines[place], variable)
    if not places:
        return "added"
    return "unchanged" if before == [lines[place] for place in places] else "changed"


def _places(lines: Sequence[str], pattern: re.Pattern[str], name: str) -> list[int]:
    matches = ((place, pattern.match(line)) for place, line in enumerate(lines))
    return [place for place, match in matches if match and match["name"] == name]


def _value_of_comment(line: str) -> str:
    match = _COMMENTED.match(line)
    return match["rest"].strip() if match else ""


def _logical_lines(text: str) -> list[str]:
    """Lines with their line ends; a quoted value that spans several lines is one."""
    lines: list[str] = []
    position = 0
    while position < len(text):
        end = _line_end(text, position)
        match = _ASSIGNMENT.match(text[position:end])
        quoted = _QUOTED.match(text, position + match.start("rest")) if match else None
        if quoted and quoted.end() > end:
            end = _line_end(text, quoted.end())
        lines.append(text[position:end])
        position = end
    return lines


def _line_end(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def _with_value(line: str, variable: Variable) -> str:
    """The assignment with the variable's value; `export`, spaces and a comment after it are kept."""
    if variable.value is None:
        return f"# {line}"
    match = _ASSIGNMENT.match(line)
    if match is None:  # an empty placeholder, commented out
        return f"{variable.name}={quote(_text(variable.value))}{line[len(line.rstrip()) :]}"
    value = _text(variable.value)
    rest = line[match.start("rest") :]
    if _value(rest) == value:
        return line
    return line[: match.start("rest")] + quote(value) + rest[len(_written_value(rest)) :]


def _value(rest: str) -> str:
    """The value in what stands after `=`."""
    written = _written_value(rest)
    if _QUOTED.match(rest):
        return written[1:-1]
    return "" if written.startswith("#") else written  # a comment only


def _written_value(rest: str) -> str:
    """The value as it is written, with its quotes; without a comment after it."""
    quoted = _QUOTED.match(rest)
    return quoted.group() if quoted else re.split(r"\s+#|\s*$", rest, maxsplit=1)[0]
