"""What users install a wheel with, each as its command lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Argv = tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """`{wheel}`, `{python}` and `{home}` stand in its command lines for what they are. `program`: how the program is then run."""

    name: str
    installer: str
    """As `--version --json` names it."""
    install: tuple[Argv, ...]
    program: Argv
    uninstall: Argv


WAYS: Final = (
    Way(
        "`pip`, in a virtual environment",
        "pip",
        (("{python}", "-m", "venv", "{home}/venv"), ("{home}/venv/bin/pip", "install", "--quiet", "{wheel}")),
        ("{home}/venv/bin/whatschat-ops",),
        ("{home}/venv/bin/pip", "uninstall", "--yes", "whatschat-ops"),
    ),
    Way(
        "`pipx install`",
        "pipx",
        (("pipx", "install", "--python", "{python}", "{wheel}"),),
        ("{home}/.local/bin/whatschat-ops",),
        ("pipx", "uninstall", "whatschat-ops"),
    ),
    Way(
        "`uv tool install`",
        "uv tool",
        (("uv", "tool", "install", "--quiet", "--python", "{python}", "{wheel}"),),
        ("{home}/.local/bin/whatschat-ops",),
        ("uv", "tool", "uninstall", "whatschat-ops"),
    ),
    Way(
        "`uvx --from`",
        "uvx",
        (),
        ("uvx", "--quiet", "--python", "{python}", "--from", "{wheel}", "whatschat-ops"),
        (),
    ),
)
