"""The package manager of a Node.js folder, and the workspace that it belongs to.

Takes the folder; reads package.json, lock files and workspace files from there upwards, and runs nothing. The manager is the one that
`packageManager` names, else the one whose lock file is there; without either it is npm.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from whatschat_ops.errors import ConfigError, OpsError

LOCK_FILES: Final[Mapping[str, str]] = {
    "npm-shrinkwrap.json": "npm",
    "package-lock.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
SETTINGS_FILES: Final[Mapping[str, str]] = {"pnpm-workspace.yaml": "pnpm", ".yarnrc.yml": "yarn"}
"""Tell the package manager of a project that was not installed yet."""

INSTALL: Final[Mapping[str, tuple[str, ...]]] = {
    # Development dependencies too, also under NODE_ENV=production: the compiler is one of them.
    "npm": ("install", "--include=dev", "--no-audit", "--no-fund"),
    "pnpm": ("install", "--prod=false"),
    "yarn": ("install", "--production=false", "--non-interactive"),
    "yarn berry": ("install",),
}
LINKERS: Final = ("node-modules", "pnpm")
"""`nodeLinker` of yarn 2 and later that gives a node_modules folder."""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder, the root of its workspace (the folder itself without one), and what installs its packages."""

    folder: Path
    root: Path
    manager: str
    """`npm`, `pnpm` or `yarn`."""
    install_arguments: tuple[str, ...]
    lock_file: Path | None

    def command(self, step: str) -> list[str]:
        """What a step runs, with the program's path. Raises OpsError when it is not installed."""
        return [program(self.manager), *self.arguments(step)]

    def arguments(self, step: str) -> tuple[str, ...]:
        """Of the package manager, for a step."""
        return self.install_arguments if step == "install" else ("run", step)


def open_project(folder: Path, manifest: Mapping[str, Any]) -> Project:
    """The project of a folder. Raises ConfigError for a manager that is not supported, or when it is not clear."""
    root = _workspace_root(folder)
    lock_files = _lock_files(folder) or _lock_files(root)
    manager, version = _named_manager(folder, root, manifest) or (_locked_manager(root, lock_files), "")
    if manager not in ("npm", "pnpm", "yarn"):
        raise ConfigError(
            f"The package manager of {folder} is {manager}; npm, pnpm and yarn can be run here.",
            hint="Build the zip with it, set lambda.source.zip to its path, and lambda.source.steps to [].",
        )
    lock_file = next((path for path in lock_files if LOCK_FILES[path.name] == manager), None)
    berry = manager == "yarn" and _is_berry(root, lock_file, version)
    if berry:
        _require_node_modules(root)
    return Project(folder, root, manager, INSTALL["yarn berry" if berry else manager], lock_file)


def program(name: str) -> str:
    """The path of a program. Raises OpsError when it is not installed."""
    path = shutil.which(name)
    if path is None:
        how = "nodejs.org" if name == "npm" else f"npm (npm install --global {name}) or by `corepack enable`"
        raise OpsError(
            f"The application's Lambda folder cannot be built: {name} is not on the PATH.",
            hint=f"Install {'Node.js' if name == 'npm' else name} from {how}, or leave lambda.source.path empty to deploy "
            "the built-in handlers.",
        )
    return path


def read_manifest(folder: Path) -> dict[str, Any]:
    """The package.json of a folder; empty when there is none that can be read."""
    try:
        read = json.loads((folder / "package.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _workspace_root(folder: Path) -> Path:
    for parent in (folder, *folder.parents):
        if (parent / "pnpm-workspace.yaml").is_file() or (parent != folder and _has_member(parent, folder)):
            return parent
    return folder


def _has_member(parent: Path, folder: Path) -> bool:
    listed = read_manifest(parent).get("workspaces") or []
    patterns = listed.get("packages", []) if isinstance(listed, dict) else listed
    name = folder.relative_to(parent).as_posix()
    return any(fnmatch.fnmatch(name, str(pattern).removeprefix("./").strip("/")) for pattern in patterns)


def _named_manager(folder: Path, root: Path, manifest: Mapping[str, Any]) -> tuple[str, str] | None:
    for found in (manifest, read_manifest(root) if root != folder else {}):
        name, _, version = str(found.get("packageManager") or "").partition("@")
        if name:
            return name, version
    return None


def _lock_files(folder: Path) -> list[Path]:
    return [path for name in LOCK_FILES if (path := folder / name).is_file()]


def _locked_manager(root: Path, lock_files: list[Path]) -> str:
    managers = sorted({LOCK_FILES[path.name] for path in lock_files})
    if len(managers) > 1:
        raise ConfigError(
            f"{lock_files[0].parent} has lock files of {' and '.join(managers)}: {', '.join(path.name for path in lock_files)}.",
            hint="Delete those that are not used, or name the package manager in package.json (packageManager).",
        )
    settings = (name for file, name in SETTINGS_FILES.items() if (root / file).is_file())
    return managers[0] if managers else next(settings, "npm")


def _is_berry(root: Path, lock_file: Path | None, version: str) -> bool:
    if version:
        return not version.startswith(("0.", "1."))
    return (root / ".yarnrc.yml").is_file() or (
        lock_file is not None and "__metadata:" in lock_file.read_text(encoding="utf-8", errors="replace")
    )


def _require_node_modules(root: Path) -> None:
    linker = os.environ.get("YARN_NODE_LINKER") or yaml_file(root / ".yarnrc.yml").get("nodeLinker", "pnp")
    if linker not in LINKERS:
        raise ConfigError(
            f"{root} uses Yarn Plug'n'Play (nodeLinker: {linker}), whose packages Lambda cannot load from a zip.",
            hint="Set `nodeLinker: node-modules` in .yarnrc.yml and run: yarn install",
        )


def yaml_file(path: Path) -> dict[str, Any]:
    """The top level of a YAML file; empty when there is none that can be read."""
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return read if isinstance(read, dict) else {}


def files_of_managers(project: Project) -> Iterator[Path]:
    """What decides an installation beside package.json: lock files, settings, and the managers' own record of node_modules."""
    for folder in dict.fromkeys((project.folder, project.root)):
        names = (
            *LOCK_FILES,
            "package.json",
            "pnpm-workspace.yaml",
            ".npmrc",
            ".yarnrc",
            ".yarnrc.yml",
            ".pnpmfile.cjs",
        )
        installed = (".package-lock.json", ".pnpm/lock.yaml", ".yarn-integrity", ".yarn-state.yml")
        yield from (folder / name for name in names)
        yield from (folder / "node_modules" / name for name in installed)
