"""How this copy was installed, and the command that adds an extra to it.

The name of the package is never given to an index, where others may own it: an extra is added from the folder, file
or address that this copy came from (PEP 610, direct_url.json), or, when that is not known or gone, by the names of what
the extra needs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

DISTRIBUTION: Final = "whatschat-ops"


class Installer(StrEnum):
    """What made the environment that this program runs in."""

    PIP = "pip"
    UV_PIP = "uv pip"
    """A virtual environment without pip in it, as `uv venv` creates."""
    UV_TOOL = "uv tool"
    UVX = "uvx"
    PIPX = "pipx"


@dataclass(frozen=True, slots=True)
class Installation:
    """`source`: the folder, file or address that pip was given, None when it came from an index or is gone."""

    installer: Installer
    source: str | None
    editable: bool = False


def extra_command(extra: str) -> str:
    """The command line that adds an extra to this copy; it works as it is, in a shell of this machine."""
    copy = this_installation()
    if copy.source is None:
        return command_for([extra], copy, requirements_of(extra), sys.executable)
    extras = sorted({extra, *present_extras()})
    return command_for(extras, copy, [], sys.executable, arguments_of(sys.argv))


def arguments_of(argv: Sequence[str]) -> Sequence[str]:
    """What this program was told to do; only its version where another program runs this code, or nothing was said."""
    is_ours = bool(argv) and Path(argv[0]).stem == DISTRIBUTION
    return (is_ours and argv[1:]) or ("--version",)


def command_for(
    extras: Sequence[str],
    copy: Installation,
    requirements: Sequence[str],
    python: str,
    arguments: Sequence[str] = ("--version",),
) -> str:
    """The command line for a copy.

    `extras` has those that are installed already, too: uv and pipx build a tool's environment again from what they are
    given. `requirements`: what the extra needs, used where the copy's source is not known. `arguments`: what to run,
    where nothing stays installed (uvx).
    """
    wanted = [*_with_extras(copy, ",".join(extras), arguments)] if copy.source else list(requirements)
    return shlex.join([*_start(copy.installer, python, known=bool(copy.source)), *wanted])


def _with_extras(copy: Installation, extras: str, arguments: Sequence[str]) -> tuple[str, ...]:
    is_path = "://" not in (copy.source or "")
    named = f"{copy.source}[{extras}]" if is_path else f"{DISTRIBUTION}[{extras}] @ {copy.source}"
    editable = copy.editable and copy.installer in (Installer.PIP, Installer.UV_PIP)
    after = (DISTRIBUTION, *arguments) if copy.installer is Installer.UVX else ()
    return (*(("--editable",) if editable else ()), named, *after)


def _start(installer: Installer, python: str, *, known: bool) -> tuple[str, ...]:
    """The start of the command line. `known`: the copy's source is named after it, else what the extra needs."""
    if installer is Installer.PIP:
        return (python, "-m", "pip", "install")
    if installer is Installer.PIPX:
        return ("pipx", "install", "--force") if known else ("pipx", "inject", DISTRIBUTION)
    if installer is Installer.UV_PIP or not known:
        return ("uv", "pip", "install", "--python", python)
    return ("uvx", "--from") if installer is Installer.UVX else ("uv", "tool", "install", "--force")


def this_installation() -> Installation:
    """What is known of this copy."""
    direct = _direct_url()
    url, vcs = str(direct.get("url", "")), direct.get("vcs_info")
    # PEP 610: without what PEP 508 wants before and behind it. pip refuses `git+file:` until 23.3 (PEP 508 wants a host).
    if isinstance(vcs, dict) and not url.startswith("file:"):
        return Installation(_installer(Path(sys.prefix)), f"{vcs['vcs']}+{url}@{vcs['commit_id']}")
    source = _path(url) if url.startswith("file:") else url
    if not source or (url.startswith("file:") and not Path(source).exists()):
        return Installation(_installer(Path(sys.prefix)), None)
    folder = direct.get("dir_info")
    return Installation(
        _installer(Path(sys.prefix)), source, isinstance(folder, dict) and bool(folder.get("editable"))
    )


def requirements_of(extra: str) -> list[str]:
    """What the extra needs, as the metadata of this copy says: `aiortc<2,>=1.14`."""
    lines = importlib.metadata.requires(DISTRIBUTION) or []
    parts = (line.partition(";") for line in lines)
    return [requirement.strip() for requirement, _, marker in parts if f"extra == '{extra}'" in marker]


def present_extras() -> list[str]:
    """The extras of which everything is installed."""
    try:
        extras = importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [extra for extra in extras if all(map(_is_installed, requirements_of(extra)))]


def _is_installed(requirement: str) -> bool:
    name = re.match(r"[\w.-]+", requirement)
    return name is not None and any(importlib.metadata.distributions(name=name[0]))


def _direct_url() -> dict[str, object]:
    try:
        text = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:  # run from a clone that is not installed
        return {"url": Path(__file__).parents[1].as_uri(), "dir_info": {"editable": True}}
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def _path(url: str) -> str:
    path = unquote(urlsplit(url).path)
    return path[1:] if sys.platform == "win32" and path.startswith("/") else path


def _installer(prefix: Path) -> Installer:
    if (prefix / "uv-receipt.toml").exists():
        return Installer.UV_TOOL
    if (prefix / "pipx_metadata.json").exists():
        return Installer.PIPX
    if any(part.startswith("archive-v") for part in prefix.parts):  # uv's cache, where uvx runs tools
        return Installer.UVX
    return Installer.PIP if importlib.util.find_spec("pip") else Installer.UV_PIP
