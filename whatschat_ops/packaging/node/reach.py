"""Which modules the entry points load, directly and through others.

Takes a resolver and files to begin with; gives every edge that was resolved and every one that was not. What the code can do without
(a guarded `require`, an optional peer) is told apart from what it needs, and so is everything that only such a module loads.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from whatschat_ops.packaging.node.imports import Import, imports
from whatschat_ops.packaging.node.resolution import NODE_MODULES, Found, NotFoundError, Resolver

SUFFIXES: Final = (".js", ".mjs", ".cjs")


@dataclass(frozen=True, slots=True)
class Edge:
    """One file loads another."""

    asker: str
    wanted: Import
    found: Found | None
    """None: there is no such file."""
    optional: bool
    """The program can do without it."""


@dataclass(slots=True)
class Reach:
    """What was found. `edges` hold each file's imports once."""

    edges: dict[tuple[str, Import], Edge] = field(default_factory=dict)
    optional_by_file: dict[str, bool] = field(default_factory=dict)
    """File -> is it loaded in optional ways only?"""

    @property
    def found(self) -> list[tuple[Edge, Found]]:
        """The edges that lead to a file."""
        return [(edge, edge.found) for edge in self.edges.values() if edge.found is not None]

    @property
    def missing(self) -> list[Edge]:
        """What the program needs and does not find, in a stable order."""
        needed = [edge for edge in self.edges.values() if edge.found is None and not edge.optional]
        return sorted(needed, key=lambda edge: (edge.asker, edge.wanted.specifier))


def trace(
    resolver: Resolver,
    entries: Iterable[str],
    wanted: Callable[[Found], bool] = lambda _found: True,
    manifest: Mapping[str, Any] | None = None,
) -> Reach:
    """Follow every import from the entries. `wanted` says whether an optional module is followed.

    `manifest` is the package.json of files that belong to no package in the tree.
    """
    reach = Reach()
    waiting = [(entry, False) for entry in entries]
    while waiting:
        file, optional = waiting.pop()
        known = reach.optional_by_file.get(file)
        if known is False or known == optional:
            continue
        reach.optional_by_file[file] = optional
        if not file.endswith(SUFFIXES):
            continue
        for edge in _edges(resolver, file, optional, manifest):
            if edge.found is not None and edge.optional and edge.found.package and not wanted(edge.found):
                continue
            reach.edges[edge.asker, edge.wanted] = edge
            if edge.found is not None:
                waiting.append((edge.found.path, edge.optional))
    return reach


def _edges(
    resolver: Resolver, file: str, optional: bool, manifest: Mapping[str, Any] | None
) -> Iterable[Edge]:
    can_be_absent = optional_names(owner_manifest(resolver, file) or manifest or {})
    for wanted in imports(resolver.tree.read(file)):
        may_lack = optional or wanted.guarded or package_name(wanted.specifier) in can_be_absent
        try:
            found = resolver.find(wanted, file)
        except NotFoundError:
            yield Edge(file, wanted, None, may_lack)
        else:
            if found is not None:
                yield Edge(file, wanted, found, may_lack)


def package_name(specifier: str) -> str:
    """`@scope/name` of `@scope/name/deep/file`, `name` of `name/file`."""
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])


def optional_names(manifest: Mapping[str, Any]) -> set[str]:
    """What a package.json calls optional."""
    peers = table(manifest, "peerDependenciesMeta")
    optional_peers = {name for name, meta in peers.items() if isinstance(meta, dict) and meta.get("optional")}
    return optional_peers | set(table(manifest, "optionalDependencies"))


def table(manifest: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object of a package.json; empty when it is absent or something else."""
    value = manifest.get(name)
    return value if isinstance(value, dict) else {}


def package_root(path: str) -> str | None:
    """`.../node_modules/name` around a file; None outside of node_modules."""
    parts = path.split("/")
    if NODE_MODULES not in parts:
        return None
    at = len(parts) - 1 - parts[::-1].index(NODE_MODULES)
    name = (
        parts[at + 1 : at + 3]
        if parts[at + 1 : at + 2] and parts[at + 1].startswith("@")
        else parts[at + 1 : at + 2]
    )
    return "/".join([*parts[: at + 1], *name])


def owner_manifest(resolver: Resolver, file: str) -> dict[str, Any]:
    """The package.json of the package that a file belongs to."""
    root = package_root(file) or resolver.scope(posixpath.dirname(file))
    return resolver.manifest(root) if root is not None else {}
