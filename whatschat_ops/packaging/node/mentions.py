"""What a folder's sources say about files outside of the folder, which a build step may read.

Takes a text and where it lies; says how far its paths lead. It is a search for `..`, absolute paths and programs that look elsewhere,
and is meant to find too much rather than too little: what is found costs time, what is not found makes a stale zip.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UPWARDS: Final = re.compile(
    rb"""(?<![.\w])(?<!file:)(?<!link:)(?<!portal:)\.\.(?:(?:[/\\]+|["'`]\s*,\s*["'`])\.\.)*(?=[/\\"'`\s;&)]|$)"""
)
"""`../..` in one string, `"..", ".."` as arguments of `path.join`, `cd ..`; but not the packages that package.json links."""

OF_THIS_FILE: Final = re.compile(rb"\b(?:import|export|from|require|__dirname|__filename)\b|import\.meta")
"""Near a path: it begins at the file, not at the working directory."""

NEAR_BYTES: Final = 80

ABSOLUTE: Final = re.compile(rb"""["'`=\s](/[\w@.][^"'`\s]*)""")
ELSEWHERE: Final = re.compile(
    rb"""\bgit (?:rev-parse|describe|log|status|show|tag|branch)\b|["'`]git["'`]|\bhomedir\(|["'`]~/|\$HOME\b"""
)
ELSEWHERE_IN_SCRIPTS: Final = re.compile(
    rb"\b(?:curl|wget|make|nx|turbo|lerna|lage|rush)\b|--(?:prefix|filter|workspaces?|dir|cwd)\b|\s-[CwF]\s"
)
"""In a package.json: programs that work on more than one folder, and options that name another one."""

VARIABLE: Final = re.compile(
    rb"""\bprocess\.env(?:\.|\[["'`])(\w+)|import\.meta\.env\.(\w+)|\$\{?([A-Z][A-Z0-9_]+)\b"""
)


@dataclass(frozen=True, slots=True)
class Mentions:
    """Of some texts. `levels`: how many folders above their own one they look; a very large number for anywhere."""

    levels: int = 0
    variables: frozenset[str] = frozenset()
    """Environment variables."""

    def __or__(self, other: Mentions) -> Mentions:
        return Mentions(max(self.levels, other.levels), self.variables | other.variables)


ANYWHERE: Final = 1_000


def mentions(text: bytes, name: str, folder: Path) -> Mentions:
    """What the text of the file `name` (relative to the folder) mentions."""
    if b"\0" in text[:8_000] or name.endswith(".md"):
        return Mentions()
    depth = name.count("/")
    described = name.endswith((".json", ".jsonc", ".yaml", ".yml"))
    levels = 0
    for found in UPWARDS.finditer(text):
        before = text[max(found.start() - NEAR_BYTES, 0) : found.start()].rpartition(b"\n")[2]
        after = text[found.end() : found.end() + NEAR_BYTES].partition(b"\n")[0]
        begins_here = described or OF_THIS_FILE.search(before) or b"import.meta" in after
        levels = max(levels, found[0].count(b"..") - (depth if begins_here else 0))
    if ELSEWHERE.search(text) or (
        posixpath.basename(name) == "package.json" and ELSEWHERE_IN_SCRIPTS.search(text)
    ):
        levels = ANYWHERE
    if any(_is_outside(path.decode("utf-8", "replace"), folder) for path in set(ABSOLUTE.findall(text))):
        levels = ANYWHERE
    variables = {(first or second or third).decode() for first, second, third in VARIABLE.findall(text)}
    return Mentions(levels, frozenset(variables))


def _is_outside(path: str, folder: Path) -> bool:
    try:
        return Path(path).is_file() and not Path(path).is_relative_to(folder)
    except OSError:  # too long a name
        return False
