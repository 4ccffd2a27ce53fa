"""One digest over everything that decides a build, so that a kept one is used only if building again would give the same.

Reads the folder's sources with their modes, what installs the packages (lock files wherever they are, settings, versions of the tools),
packages that are linked from elsewhere, and what the sources mention outside of the folder. A folder whose sources look further
than its workspace or repository has no digest: it is built every time.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from whatschat_ops.packaging.content import walk
from whatschat_ops.packaging.node.manager import Project, files_of_managers, read_manifest
from whatschat_ops.packaging.node.mentions import Mentions, mentions
from whatschat_ops.packaging.node.reach import table

FORMAT: Final = "2"
"""Of what is kept; another one repeats every build."""

NOT_SOURCES: Final = frozenset({"node_modules", ".git"})
BUILT: Final = frozenset({"dist"})
"""Folders that the `build` script makes."""

CACHES: Final = frozenset({".next", ".turbo", ".cache", ".nx", "coverage", "__pycache__", ".venv"})
"""Folders of a repository that are no sources and can be large."""

CONFIGURATIONS: Final = (
    "tsconfig*.json",
    "jsconfig.json",
    "*.config.*",
    ".babelrc*",
    ".swcrc",
    ".browserslistrc",
    ".env*",
    ".npmrc",
)
"""Files that compilers look for in the folders above, without being told."""

DEPENDENCY_TABLES: Final = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def build_key(project: Project, chosen: str, *, builds: bool, packs: bool, runs: bool) -> str | None:
    """The digest; None when the steps may read what cannot be told.

    `chosen` are the settings; `builds`: the folder makes its own `dist`; `packs`: and its own zip, wherever; `runs`: scripts of the folder are run.
    """
    digest = _Digest(project.folder, (FORMAT, str(project.folder.resolve()), chosen, *_versions(project)))
    digest.add_sources(NOT_SOURCES | BUILT if builds else NOT_SOURCES, packs=packs)
    digest.add(
        path for path in (*files_of_managers(project), *_configurations(project.folder)) if path.is_file()
    )
    for linked in _linked(project.folder):
        digest.add([linked] if linked.is_file() else files(linked, NOT_SOURCES))
    if runs:
        if digest.found.levels > 0:
            above = _folders_above(project)
            if digest.found.levels > len(above):
                return None
            digest.add(files(above[-1], NOT_SOURCES | CACHES, without_folder=project.folder))
        digest.add_variables()
    return digest.text


class _Digest:
    """A SHA-256 over files, and what their texts mention."""

    def __init__(self, folder: Path, begin: Iterable[str]) -> None:
        self._folder = folder
        self._hash = hashlib.sha256("\n".join(begin).encode("utf-8", "surrogateescape"))
        self.found = Mentions()

    @property
    def text(self) -> str:
        """A part of it that is long enough for a name."""
        return self._hash.hexdigest()[:32]

    def add_sources(self, without: frozenset[str], *, packs: bool) -> None:
        """The folder's own files, which are also read for what they mention."""
        for path in files(self._folder, without):
            if path.suffix != ".zip" or not (packs or path.parent == self._folder):
                name = path.relative_to(self._folder).as_posix()
                self.found |= mentions(self._add(path), name, self._folder)

    def add(self, paths: Iterable[Path]) -> None:
        """Other files."""
        for path in paths:
            self._add(path)

    def add_variables(self) -> None:
        """The environment variables that were mentioned."""
        values = [f"{name}={os.environ.get(name)}" for name in sorted({*self.found.variables, "NODE_ENV"})]
        self._hash.update("\n".join(values).encode("utf-8", "surrogateescape"))

    def _add(self, path: Path) -> bytes:
        link = str(path.readlink()).encode() + b" " if path.is_symlink() else b""
        content = path.read_bytes()
        name = os.path.relpath(path, self._folder).replace(os.sep, "/").encode("utf-8", "surrogateescape")
        is_program = bool(path.stat().st_mode & stat.S_IXUSR)
        self._hash.update(
            b"%d %s %d %d " % (len(name), name, is_program, len(link + content)) + link + content
        )
        return content


def files(folder: Path, without: frozenset[str], *, without_folder: Path | None = None) -> Iterator[Path]:
    """Every file below the folder, sorted by name, without the folders of these names and without dead links."""
    return walk(folder, lambda path: path.name in without or path == without_folder)


def stamp(path: str) -> list[int]:
    """Size, time and mode of a file: what changes when it is written. Empty when it is gone."""
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns, found.st_mode]


def _versions(project: Project) -> list[str]:
    """Of Node.js and the package manager; empty text for one that is not installed."""
    path = os.environ.get("PATH", "")
    return [_version(name, project.folder, path) for name in ("node", project.manager)]


@cache
def _version(name: str, folder: Path, search_path: str) -> str:
    found = shutil.which(name, path=search_path)
    if found is None:
        return ""
    path = Path(found).resolve()
    for parent in path.parents[:3]:  # npm's own package.json: to ask it takes 0.3 s
        manifest = read_manifest(parent)
        if manifest.get("name") == name:
            return f"{name} {manifest.get('version')}"
    done = subprocess.run(
        [path, "--version"], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return f"{name} {done.stdout.decode('utf-8', 'replace').strip()}"


def _folders_above(project: Project) -> list[Path]:
    """The folders from the parent up to the root of the workspace or of the repository."""
    top = project.root if project.root != project.folder else _repository(project.folder)
    return [parent for parent in project.folder.parents if parent.is_relative_to(top)]


def _repository(folder: Path) -> Path:
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def _configurations(folder: Path) -> Iterator[Path]:
    for parent in folder.parents:
        if parent.stat().st_mode & stat.S_IWOTH or not os.access(parent, os.R_OK):
            continue  # /tmp: what others write there is no part of a project
        for path in sorted(parent.iterdir()):
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in CONFIGURATIONS) and os.access(
                path, os.R_OK
            ):
                yield path


def _linked(folder: Path) -> list[Path]:
    """Packages outside of node_modules that the folder uses, directly and through others: folders, and archives."""
    found: list[Path] = []
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        for path in _links_of(current):
            if path not in (folder, *found):
                found.append(path)
                waiting.append(path)
    return sorted(found)


def _links_of(folder: Path) -> Iterator[Path]:
    manifest = read_manifest(folder)
    specs: Mapping[str, Any] = {
        name: spec for kind in DEPENDENCY_TABLES for name, spec in table(manifest, kind).items()
    }
    for name, spec in specs.items():
        scheme, _, target = str(spec).partition(":")
        if scheme in ("file", "link", "portal") and (folder / target).exists():
            yield (folder / target).resolve()
        for parent in (folder, *folder.parents):
            place = parent / "node_modules" / name
            if place.is_symlink() and place.is_dir() and "node_modules" not in place.resolve().parts:
                yield place.resolve()
