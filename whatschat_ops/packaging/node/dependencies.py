"""The packages that a zip lacks, laid out so that each module gets the file that it gets in the folder.

Takes the zip's own content and its folder; gives what to add. A package comes whole, with all that its package.json asks for, because
code may compute names. The layout is that of the disk, symbolic links included, whoever made it (npm, pnpm, yarn): what lies in the
folder keeps its path, what lies outside (a workspace's packages and node_modules) goes below `.workspace`, with links to it.

Lambda's Node.js runtimes bring the AWS SDK v3 (docs.aws.amazon.com/lambda, "Building Lambda functions with Node.js",
"Runtime-included SDK versions"), in a version that changes under the function; the embedded AWS brings none.
"""

from __future__ import annotations

import fnmatch
import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from whatschat_ops.packaging.archive import SYMBOLIC_LINK
from whatschat_ops.packaging.content import ZipContent, add_file, walk
from whatschat_ops.packaging.node.reach import Reach, optional_names, package_root, table, trace
from whatschat_ops.packaging.node.resolution import NODE_MODULES, Found, Resolver
from whatschat_ops.packaging.node.tree import Tree

UNUSED_SUFFIXES: Final = (".d.ts", ".d.mts", ".d.cts", ".map", ".tsbuildinfo")
"""Of packages; for compilers and debuggers, Lambda runs without them."""

OTHERS: Final = (NODE_MODULES, ".git")
"""Folders of a package that are no files of it."""

WORKSPACE: Final = ".workspace"
"""Folder in the zip of what lies outside of the packaged folder."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What to add to a zip."""

    content: ZipContent
    sources: tuple[str, ...]
    """The files of this machine that it was made of."""
    packages: tuple[str, ...]
    """Their names."""
    reach: Reach
    places: dict[str, str]
    """File of this machine -> its path in the zip, for what the code reaches."""


@dataclass(slots=True)
class _Packages:
    """Packages by the folder that they really lie in, and the ways on which they were found."""

    folders: set[str] = field(default_factory=set)
    ways: set[tuple[str, str]] = field(default_factory=set)
    """(folder that asks, `.../node_modules/name`)"""


def find_dependencies(
    own: ZipContent,
    folder: Path,
    manifest: dict[str, Any],
    entries: Iterable[str],
    runtime: str,
    *,
    everything: bool,
) -> Dependencies:
    """What the entries reach in the folder and the zip lacks; `everything`: and all production dependencies."""
    root = os.path.realpath(folder).replace(os.sep, "/")
    resolver = Resolver(Tree(own, root, on_disk=True), runtime)
    production = _closure(resolver, [(root, name) for name in _declared(manifest)])
    reach = trace(
        resolver,
        [f"{root}/{entry}" for entry in entries],
        lambda found: _folder(resolver, found) in production.folders,
        manifest,
    )
    packages = _reached_packages(resolver, reach)
    if everything:
        packages.folders |= production.folders
        packages.ways |= production.ways
    return _laid_out(resolver, root, packages, reach)


def _declared(manifest: dict[str, Any]) -> list[str]:
    """What a package.json asks for in production, and gets from every package manager."""
    peers = set(table(manifest, "peerDependencies")) - optional_names(manifest)
    return sorted({*table(manifest, "dependencies"), *table(manifest, "optionalDependencies"), *peers})


def _closure(resolver: Resolver, asked: list[tuple[str, str]]) -> _Packages:
    """The packages of these names, as the folders get them, with all that they ask for."""
    packages = _Packages()
    while asked:
        folder, name = asked.pop()
        place = resolver.package(name, folder)
        if place is None or resolver.tree.packed(place):
            continue
        packages.ways.add((folder, place))
        real = resolver.tree.real(place)
        if real not in packages.folders:
            packages.folders.add(real)
            asked += [(real, needed) for needed in _declared(resolver.manifest(real))]
    return packages


def _folder(resolver: Resolver, found: Found) -> str:
    return resolver.tree.real(found.package or found.path)


def _reached_packages(resolver: Resolver, reach: Reach) -> _Packages:
    packages = _Packages()
    for edge, found in reach.found:
        if found.package is None or resolver.tree.packed(found.package):
            continue
        packages.ways.add((posixpath.dirname(edge.asker), found.package))
        real = _folder(resolver, found)
        if real not in packages.folders:
            packages.folders.add(real)
            needed = _closure(resolver, [(real, name) for name in _declared(resolver.manifest(real))])
            packages.folders |= needed.folders
            packages.ways |= needed.ways
    return packages


def _laid_out(resolver: Resolver, root: str, packages: _Packages, reach: Reach) -> Dependencies:
    tree = resolver.tree
    files = {file: file for folder in packages.folders - {root} for file in _package_files(folder, resolver)}
    reached = {found.path for _, found in reach.found if not tree.packed(found.path)}
    files |= {file: file for file in reached}
    for file in reached:  # says whether a file is an ECMAScript module
        scope = resolver.scope(posixpath.dirname(file))
        if scope is not None and not tree.packed(f"{scope}/package.json"):
            files[f"{scope}/package.json"] = f"{scope}/package.json"
    place = _Places(root, [*files, *(way for _, way in packages.ways)])
    content = ZipContent({})
    for file in sorted(files):
        add_file(content, Path(file), place.of(file))
    for folder, way in sorted(packages.ways):
        _add_link(content, place.of_way(folder, way), place.of(tree.real(way)))
    names = {way.rpartition(f"/{NODE_MODULES}/")[2] for _, way in packages.ways}
    places = {path: place.of(path) for path in (*reach.optional_by_file, *reached)}
    return Dependencies(content, tuple(sorted(files)), tuple(sorted(names)), reach, places)


class _Places:
    """Paths of this machine -> paths in the zip."""

    def __init__(self, root: str, paths: Iterable[str]) -> None:
        self._root = root
        outside = [path for path in paths if not self._inside(path)]
        self._common = os.path.commonpath([root, *outside]).replace(os.sep, "/")

    def of(self, path: str) -> str:
        if self._inside(path):
            return path[len(self._root) + 1 :]
        return f"{WORKSPACE}/{posixpath.relpath(path, self._common)}"

    def of_way(self, folder: str, way: str) -> str:
        """Where the same way begins in the zip: beyond the folder there is nothing above its node_modules."""
        if self._inside(folder) and not self._inside(way):
            return f"{NODE_MODULES}/{way.rpartition(f'/{NODE_MODULES}/')[2]}"
        return self.of(way)

    def _inside(self, path: str) -> bool:
        return path == self._root or path.startswith(f"{self._root}/")


def _add_link(content: ZipContent, place: str, target: str) -> None:
    if place != target:
        content.files[place] = posixpath.relpath(target or ".", posixpath.dirname(place) or ".").encode()
        content.modes[place] = SYMBOLIC_LINK


def _package_files(folder: str, resolver: Resolver) -> Iterator[str]:
    """The files of a package, but for type declarations, source maps, and other packages' files."""
    root = Path(folder)
    if not root.is_dir():
        yield folder
        return
    linked = package_root(folder) is None
    published = resolver.manifest(folder).get("files") if linked else None
    for path in walk(root, lambda found: found.name in OTHERS and (linked or found.parent == root)):
        inner = path.relative_to(root).as_posix()
        wanted = not isinstance(published, list) or inner == "package.json" or _is_published(inner, published)
        if wanted and not path.name.endswith(UNUSED_SUFFIXES):
            yield path.as_posix()


def _is_published(inner: str, patterns: list[Any]) -> bool:
    """Does a `files` list of a package.json name the file, or a folder that it is in?"""
    for pattern in patterns:
        clean = str(pattern).removeprefix("./").strip("/") or "*"
        if fnmatch.fnmatch(inner, clean.replace("**/", "*")) or fnmatch.fnmatch(inner, f"{clean}/*"):
            return True
    return False
