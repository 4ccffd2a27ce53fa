"""Whether the modules of downloaded wheels find what they import when they are loaded, by the rules of Lambda's Python.

Takes path -> source of everything that goes into the zip; begins with each top-level module and follows what is imported at the top of
a module. An import in a function, an `if` or a `try` need not happen, so it is not followed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from whatschat_ops.errors import OpsError

RUNTIME_PACKAGES: Final = frozenset(
    {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "awslambdaric"}
)
"""Of Lambda's Python runtimes: boto3 with its dependencies (docs.aws.amazon.com/lambda, "Building Lambda functions with Python")."""

REMOVED: Final[Mapping[str, frozenset[str]]] = {
    "python3.12": frozenset({"asynchat", "asyncore", "distutils", "imp", "smtpd"}),
    "python3.13": frozenset(
        [
            "aifc",
            "audioop",
            "cgi",
            "cgitb",
            "chunk",
            "crypt",
            "imghdr",
            "lib2to3",
            "mailcap",
            "msilib",
            "nis",
            "nntplib",
            "ossaudiodev",
            "pipes",
            "sndhdr",
            "spwd",
            "sunau",
            "telnetlib",
            "uu",
            "xdrlib",
        ]
    ),
}
"""Modules that the standard library has no longer since that version (docs.python.org/3/whatsnew; PEP 594)."""

ADDED: Final = frozenset({"annotationlib", "compression"})
"""New in 3.14; taken as present."""


def require_imports(files: Mapping[str, bytes], runtime: str) -> None:
    """Raise OpsError that names each module which cannot be loaded, and the file that imports it."""
    modules = {_module(path): path for path in files if path.endswith((".py", ".so"))}
    names = {name[:end] for name in modules for end in _prefixes(name)}
    known = RUNTIME_PACKAGES | _standard_library(runtime) | {name.partition(".")[0] for name in names}
    missing: list[str] = []
    seen: set[str] = set()
    waiting = sorted(name for name in modules if "." not in name)
    while waiting:
        name = waiting.pop()
        if name in seen or not modules[name].endswith(".py"):
            continue
        seen.add(name)
        for wanted, relative in _imports(
            files[modules[name]], name, is_package=modules[name].endswith("/__init__.py")
        ):
            if (wanted not in names) if relative else (wanted.partition(".")[0] not in known):
                missing.append(f"{wanted} (imported by {modules[name]})")
            waiting += [wanted[:end] for end in _prefixes(wanted) if wanted[:end] in modules]
    if missing:
        raise OpsError(
            f"The packages of lambda.requirements cannot be loaded on {runtime}, because modules are missing: "
            f"{', '.join(sorted(set(missing))[:10])}.",
            hint="Add the packages that have them to the file of lambda.requirements.",
        )


def _standard_library(runtime: str) -> frozenset[str]:
    version = int(runtime.rpartition(".")[2])
    gone = {
        name for since, names in REMOVED.items() if version >= int(since.rpartition(".")[2]) for name in names
    }
    # This program may run on a later version than the functions.
    return sys.stdlib_module_names.union(ADDED, *REMOVED.values()) - gone


def _module(path: str) -> str:
    """`a.b` of a/b.py, a/b/__init__.py and a/b.cpython-313-x86_64-linux-gnu.so."""
    *folders, name = path.split("/")
    stem = name.partition(".")[0]
    return ".".join([*folders, stem] if stem != "__init__" else folders)


def _prefixes(name: str) -> Iterator[int]:
    """The lengths of `a`, `a.b` and `a.b.c`."""
    yield from (at for at, letter in enumerate(name) if letter == ".")
    yield len(name)


def _imports(source: bytes, name: str, *, is_package: bool) -> Iterable[tuple[str, bool]]:
    """(module, is it named relative to this one) of the imports at the top of a source; none of one that is not Python 3."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from ((alias.name, False) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            parts = name.split(".") if is_package else name.split(".")[:-1]
            base = parts[: len(parts) - statement.level + 1] if statement.level else []
            module = ".".join([*base, *([statement.module] if statement.module else [])])
            if module:
                yield module, bool(statement.level)
                # A name may be a module of the package; if it is none, it is something that the package defines.
                yield from (
                    (f"{module}.{alias.name}", False)
                    for alias in statement.names
                    if statement.level == 0 or base
                )
