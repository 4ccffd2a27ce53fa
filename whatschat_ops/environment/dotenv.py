"""The text of a .env file: a new one, or variables merged into an existing one.

Input: variables, and the text of an existing file. Output: text, and what changed. Read as node's dotenv reads it
(lib/main.js of 16.6 and 17.4); written in the part on which it, docker compose and python-dotenv agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whatschat_ops.environment.variables import Variable
from whatschat_ops.errors import UsageError
from whatschat_ops.redaction import Secret

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=\\-]*")
_ASSIGNMENT = re.compile(
    r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z0-9_.-]+)(?:[ \t]*=|:(?=[ \t]))[ \t]*(?P<rest>.*)"
)
_COMMENTED = re.compile(r"[ \t]*#[ \t]*(?P<name>[A-Z][A-Z0-9_]*)[ \t]*=[ \t]*(?P<rest>.*)")
_IN_QUOTES = r"""'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|`(?:\\`|[^`])*`"""
_QUOTED = re.compile(rf"(?:{_IN_QUOTES})(?=[^\S\r\n]*(?:#[^\r\n]*)?(?:[\r\n]|\Z))")
"""Only where nothing but a comment follows: in `A="x"y` the quotes are part of the value."""
_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE_OF_DOTENV = re.compile(
    rf"^\s*(?:export\s+)?([A-Za-z0-9_.-]+)(?:\s*=\s*?|:\s+?)((?:\s*(?:{_IN_QUOTES}))|[^#\n]+)?\s*(?:#.*)?$",
    re.MULTILINE,
)
_SURROUNDED = re.compile(r"""(['"`])(.*)\1""", re.DOTALL)
_REFERENCE = re.compile(r"(?<!\\)\$(?:\{([^{}]+)\}|([A-Za-z0-9_]+))")


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
    rest = value.replace("\\$", "")  # no parser touches it
    if not set(rest) & set("'\\\n\r"):  # nothing is special in single quotes, not even $; but see backslashes
        return f"'{value}'"
    if not set(rest) & set('"\\$`\n\r'):
        return f'"{value}"'
    raise UsageError(
        "A value with line breaks, both kinds of quotes, or a backslash and quotes cannot be written to a .env file: "
        "parsers read it differently.",
        hint="Change the value, or write the variable into the file by hand.",
    )


def escaped(value: str) -> str:
    """`value` for a file whose reader expands variables: Next.js reads with dotenv-expand, which turns `\\$` into `$`.

    Checked with dotenv-expand 8 to 13 and @next/env 13 to 16, which read `\\\\$` in two ways. Raises UsageError for it.
    """
    if "\\$" in value:
        raise UsageError(
            r"A value with \$ cannot be written to a file that Next.js reads: its versions read it differently.",
            hint="Change the value.",
        )
    return value.replace("$", "\\$")


def expanded(values: Mapping[str, str]) -> dict[str, str]:
    """The values as a reader sees them that expands variables: from the file itself, with `${NAME:-default}`, and `\\$`."""

    def of(found: re.Match[str]) -> str:
        name, _, default = (found[1] or found[2]).partition(":-")
        return values.get(name) or default

    return {name: _REFERENCE.sub(of, value).replace("\\$", "$") for name, value in values.items()}


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
    newline = next((end for end in ("\r\n", "\n", "\r") if end in existing), "\n")
    lines = _logical_lines(existing)
    outcome: dict[str, list[Variable]] = {"added": [], "changed": [], "unchanged": []}
    for variable in variables:
        outcome[_set(lines, variable)].append(variable)
    text = "".join(lines)
    missing = [variable for variable in outcome["added"] if not variable.absent]
    if missing:
        gap = "" if not text else newline if text.endswith(("\n", "\r")) else newline * 2
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
    lines = _LINE_OF_DOTENV.finditer(_LINE_END.sub("\n", text))
    return {found[1]: _unquoted((found[2] or "").strip()) for found in lines}


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
    found = _LINE_END.search(text, position)
    return found.end() if found else len(text)


def _with_value(line: str, variable: Variable) -> str:
    """The assignment with the variable's value; `export`, spaces and a comment after it are kept."""
    if variable.value is None:
        return f"# {line}"
    match = _ASSIGNMENT.match(line)
    if match is None:  # an empty placeholder, commented out
        return f"{variable.name}={quote(_text(variable.value))}{line[len(line.rstrip()) :]}"
    value = _text(variable.value)
    rest = line[match.start("rest") :]
    written = _written_value(rest)
    if _unquoted(written) == value:
        return line
    after = rest[len(written) :]
    return line[: match.start("rest")] + quote(value) + (f" {after}" if after.startswith("#") else after)


def _written_value(rest: str) -> str:
    """The value in what stands after `=`, with its quotes; without a comment after it."""
    quoted = _QUOTED.match(rest)
    return quoted.group() if quoted else re.split(r"[#\r\n]", rest, maxsplit=1)[0].rstrip()


def _unquoted(written: str) -> str:
    quoted = _SURROUNDED.fullmatch(written)
    value = quoted[2] if quoted else written
    return value.replace("\\n", "\n").replace("\\r", "\r") if written.startswith('"') else value
