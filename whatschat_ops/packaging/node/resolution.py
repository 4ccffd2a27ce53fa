"""Which file a specifier means: Node's own algorithms, over any tree of files.

Sources: nodejs.org/api/modules.html ("All together"), nodejs.org/api/esm.html ("Resolution Algorithm Specification") and
nodejs.org/api/packages.html ("Conditional exports"). Takes a specifier, the file that asks and the manner; gives the file.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from whatschat_ops.packaging.node.imports import Import
from whatschat_ops.packaging.node.tree import Tree

NODE_MODULES: Final = "node_modules"
CJS_SUFFIXES: Final = ("", ".js", ".json", ".node")
INDEXES: Final = ("index.js", "index.json", "index.node")

BUILTINS: Final = frozenset(
    [
        "assert",
        "async_hooks",
        "buffer",
        "child_process",
        "cluster",
        "console",
        "constants",
        "crypto",
        "dgram",
        "diagnostics_channel",
        "dns",
        "domain",
        "events",
        "fs",
        "http",
        "http2",
        "https",
        "inspector",
        "module",
        "net",
        "os",
        "path",
        "perf_hooks",
        "process",
        "punycode",
        "querystring",
        "readline",
        "repl",
        "stream",
        "string_decoder",
        "sys",
        "timers",
        "tls",
        "trace_events",
        "tty",
        "url",
        "util",
        "v8",
        "vm",
        "wasi",
        "worker_threads",
        "zlib",
        "_http_agent",
        "_http_client",
        "_http_common",
        "_http_incoming",
        "_http_outgoing",
        "_http_server",
        "_stream_duplex",
        "_stream_passthrough",
        "_stream_readable",
        "_stream_transform",
        "_stream_wrap",
        "_stream_writable",
        "_tls_common",
        "_tls_wrap",
        "assert/strict",
        "dns/promises",
        "fs/promises",
        "inspector/promises",
        "path/posix",
        "path/win32",
        "readline/promises",
        "stream/consumers",
        "stream/promises",
        "stream/web",
        "timers/promises",
        "util/types",
    ]
)
"""`module.builtinModules` of Node.js 20 to 24; others, like `node:test`, are reached with `node:` only."""


class NotFoundError(Exception):
    """No file is what the specifier means."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a specifier means."""

    path: str
    """The file, without links."""
    package: str | None = None
    """`.../node_modules/name`, as it was found (it may be a link); None for a path or a module of the file's own package."""


@dataclass(frozen=True)
class Resolver:
    """Node.js of one runtime (`nodejs22.x`) over a tree."""

    tree: Tree
    runtime: str
    _manifests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def find(self, wanted: Import, asker: str) -> Found | None:
        """What the file `asker` gets; None for a module of Node's own. Raises NotFoundError."""
        specifier, folder = wanted.specifier, posixpath.dirname(asker)
        if is_builtin(specifier):
            return None
        if wanted.kind == "import":
            specifier = specifier.split("?")[0].split("#")[0] if not specifier.startswith("#") else specifier
        if specifier.startswith(("./", "../", "/")) or specifier in (".", ".."):
            return Found(self._path(posixpath.normpath(posixpath.join(folder, specifier)), wanted, specifier))
        if specifier.startswith("#"):
            return self._internal(specifier, folder, wanted)
        return self._bare(specifier, folder, wanted)

    def package(self, name: str, folder: str) -> str | None:
        """`.../node_modules/name` that a file in the folder gets, as it is found."""
        return next(
            (path for path in self._places(name, folder) if self.tree.sort(path) == "directory"), None
        )

    def scope(self, folder: str) -> str | None:
        """The nearest folder, from here upwards, with a package.json."""
        while True:
            if self.tree.sort(f"{folder}/package.json") == "file":
                return folder
            parent = posixpath.dirname(folder)
            if parent == folder or posixpath.basename(folder) == NODE_MODULES:
                return None
            folder = parent

    def manifest(self, folder: str) -> dict[str, Any]:
        """The package.json of a folder; empty when it cannot be read."""
        if folder not in self._manifests:
            path = f"{folder}/package.json"
            try:
                read = (
                    json.loads(self.tree.read(self.tree.real(path))) if self.tree.sort(path) == "file" else {}
                )
            except (OSError, ValueError, RecursionError):
                read = {}
            self._manifests[folder] = read if isinstance(read, dict) else {}
        return self._manifests[folder]

    def _bare(self, specifier: str, folder: str, wanted: Import) -> Found:
        parts = specifier.split("/")
        count = 2 if specifier.startswith("@") else 1
        name, subpath = "/".join(parts[:count]), "/".join([".", *parts[count:]])
        own = self.scope(folder)
        if (
            own is not None
            and self.manifest(own).get("name") == name
            and self.manifest(own).get("exports") is not None
        ):
            return Found(self._exported(own, subpath, wanted))
        for package in self._places(name, folder):
            if self.tree.sort(package) != "directory":
                if count == 1 and wanted.kind == "require" and len(parts) == 1:
                    file = self._file(package)
                    if file is not None:
                        return Found(file, file)
                continue
            if self.manifest(package).get("exports") is not None:
                return Found(self._exported(package, subpath, wanted), package)
            try:
                return Found(self._within(package, subpath, wanted), package)
            except NotFoundError:
                if wanted.kind == "import":
                    raise
        raise NotFoundError(specifier)

    def _places(self, name: str, folder: str) -> Iterator[str]:
        while True:
            if posixpath.basename(folder) != NODE_MODULES:
                yield f"{folder.rstrip('/')}/{NODE_MODULES}/{name}"
            parent = posixpath.dirname(folder)
            if parent == folder:
                return
            folder = parent

    def _within(self, package: str, subpath: str, wanted: Import) -> str:
        """A file of a package without `exports`."""
        path = posixpath.normpath(f"{package}/{subpath}")
        if subpath != "." or wanted.kind == "require":
            return self._path(path, wanted, subpath)
        return self._directory(path) or _missing(subpath)

    def _path(self, path: str, wanted: Import, specifier: str) -> str:
        if wanted.kind != "require":  # ECMAScript modules are named in full
            return self.tree.real(path) if self.tree.sort(path) == "file" else _missing(specifier)
        file = (
            None if specifier.endswith(("/", "/.", "/..")) or specifier in (".", "..") else self._file(path)
        )
        return file or self._directory(path) or _missing(specifier)

    def _file(self, path: str) -> str | None:
        for suffix in CJS_SUFFIXES:
            if self.tree.sort(path + suffix) == "file":
                return self.tree.real(path + suffix)
        return None

    def _directory(self, path: str) -> str | None:
        if self.tree.sort(path) != "directory":
            return None
        main = self.manifest(path).get("main")
        if isinstance(main, str) and main:
            at = posixpath.normpath(f"{path}/{main}")
            found = self._file(at) or self._index(at)
            if found:
                return found
        return self._index(path)

    def _index(self, path: str) -> str | None:
        for name in INDEXES:
            if self.tree.sort(f"{path}/{name}") == "file":
                return self.tree.real(f"{path}/{name}")
        return None

    def _internal(self, specifier: str, folder: str, wanted: Import) -> Found | None:
        package = self.scope(folder)
        table = self.manifest(package).get("imports") if package is not None else None
        if package is None or not isinstance(table, dict):
            return _missing(specifier)
        target = self._matched(specifier, table, wanted)
        if target is None:
            return _missing(specifier)
        if target.startswith("./"):
            return Found(self._exact(package, target))
        return self.find(Import(target, wanted.kind, wanted.guarded, wanted.lazy), f"{package}/package.json")

    def _exported(self, package: str, subpath: str, wanted: Import) -> str:
        exports = self.manifest(package)["exports"]
        plain = not isinstance(exports, dict) or not any(str(key).startswith(".") for key in exports)
        target = self._matched(subpath, {".": exports} if plain else exports, wanted)
        if target is None:
            return _missing(subpath)
        return self._exact(package, target)

    def _exact(self, package: str, target: str) -> str:
        path = posixpath.normpath(f"{package}/{target}")
        return self.tree.real(path) if self.tree.sort(path) == "file" else _missing(target)

    def _matched(self, key: str, table: dict[str, Any], wanted: Import) -> str | None:
        if key in table and "*" not in key:
            return self._target(table[key], "", wanted)
        patterns = [pattern for pattern in table if pattern.count("*") == 1 and _matches(pattern, key)]
        if not patterns:
            return None
        best = max(patterns, key=lambda pattern: (pattern.index("*"), len(pattern)))
        head, tail = best.split("*")
        return self._target(table[best], key[len(head) : len(key) - len(tail)], wanted)

    def _target(self, target: Any, star: str, wanted: Import) -> str | None:
        if isinstance(target, str):
            allowed = target.startswith("./") or wanted.specifier.startswith("#")
            return target.replace("*", star) if allowed else None
        if isinstance(target, list):
            return next((found for item in target if (found := self._target(item, star, wanted))), None)
        if isinstance(target, dict):
            for condition, inner in target.items():
                if condition in self._conditions(wanted):
                    found = self._target(inner, star, wanted)
                    if found is not None or inner is None:
                        return found
        return None

    def _conditions(self, wanted: Import) -> tuple[str, ...]:
        # Lambda starts Node.js 20 and 22 with --no-experimental-require-module, which takes the condition away
        # (docs.aws.amazon.com/lambda, "Building Lambda functions with Node.js").
        synchronous = () if self.runtime in ("nodejs20.x", "nodejs22.x") else ("module-sync",)
        return (
            "node",
            "node-addons",
            "default",
            "require" if wanted.kind == "require" else "import",
            *synchronous,
        )


def _missing(specifier: str) -> NoReturn:
    raise NotFoundError(specifier)


def is_builtin(specifier: str) -> bool:
    """Is this a module of Node's own, or an address that is no file?"""
    return specifier in BUILTINS or specifier.startswith(("node:", "data:", "http:", "https:", "file:"))


def _matches(pattern: str, key: str) -> bool:
    head, tail = pattern.split("*")
    return key.startswith(head) and key.endswith(tail) and len(key) >= len(pattern)
