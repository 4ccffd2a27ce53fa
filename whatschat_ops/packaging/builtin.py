"""The built-in handlers -> one package for each function.

Takes the function's short name and where it will run; gives the zip with everything that is not part of the
Lambda runtime: the handler's module, the modules it imports, and PyJWT for `connect`. A zip holds no module
that its function does not import, so that a change to one handler deploys one function. The same sources give
the same bytes on every machine: PyJWT's version is pinned, whatever version is installed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from whatschat_ops.errors import OpsError, UsageError
from whatschat_ops.packaging.archive import pack
from whatschat_ops.packaging.content import ZipContent
from whatschat_ops.packaging.package import FunctionPackage, function_package
from whatschat_ops.packaging.pins import PYJWT, Pin
from whatschat_ops.packaging.vendored import normalise_newlines, pinned_files

SOURCES: Final = Path(__file__).parents[1] / "handlers"
PACKAGE_IN_ZIP: Final = "whatschat_handlers"

NOTHING: Final = ZipContent({})

VENDORED: Final[Mapping[str, tuple[Pin, ...]]] = {"connect": (PYJWT,), "disconnect": (), "default": ()}
"""Function -> the distributions it needs beside boto3 (which every Python runtime of Lambda has)."""


def build_function_zip(
    function: str,
    architecture: str,
    runtime: str,
    *,
    extra: ZipContent = NOTHING,
    say: Callable[[str], None] = lambda _line: None,
) -> FunctionPackage:
    """Package the built-in handler of `function` (`connect`, `disconnect`, `default`).

    `architecture` (`arm64`, `x86_64`) and `runtime` (`python3.x`) do not change the bytes, since everything
    of ours is pure Python; another language's runtime is refused. `extra` are more packages. Raises
    UsageError for an unknown function or runtime, OpsError when PyJWT cannot be had, when `extra` has another
    version of one of our files, or when Lambda would refuse the size.
    """
    _check_target(function, architecture, runtime)
    files = _handler_files(function)
    for pin in VENDORED[function]:
        files |= pinned_files(pin, say)
    _require_agreement(files, extra.files)
    zip_bytes = pack(function, files | extra.files, extra.modes)
    return function_package(function, f"{PACKAGE_IN_ZIP}.{function}.handler", zip_bytes)


def build_count_zip(function: str) -> FunctionPackage:
    """The code of the scheduled count of open connections, under the short name `function`; ours whatever the others are."""
    zip_bytes = pack(function, _handler_files("open_connections"))
    return function_package(function, f"{PACKAGE_IN_ZIP}.open_connections.handler", zip_bytes)


def _require_agreement(files: Mapping[str, bytes], extra: Mapping[str, bytes]) -> None:
    differing = sorted(path for path in files.keys() & extra.keys() if files[path] != extra[path])
    if differing:
        ours = ", ".join(f"{pin.name}=={pin.version}" for pins in VENDORED.values() for pin in pins)
        raise OpsError(
            f"The additional packages have another {differing[0]} than the built-in handlers, which use {ours}.",
            hint="Take that package out of the file that lambda.requirements names, or pin this very version there.",
        )


def _check_target(function: str, architecture: str, runtime: str) -> None:
    if function not in VENDORED:
        raise UsageError(
            f"There is no built-in function {function!r}: the functions are {', '.join(VENDORED)}."
        )
    if architecture not in ("arm64", "x86_64"):
        raise UsageError(f"Lambda has no architecture {architecture!r}: use arm64 or x86_64.")
    if not runtime.startswith("python3."):
        raise UsageError(
            f"The built-in handlers are Python and cannot run on {runtime}.",
            hint="Set lambda.runtime to python3.13.",
        )


def _handler_files(function: str) -> dict[str, bytes]:
    """Path in the zip -> source of the function's module and of all that it imports from its package."""
    sources: dict[str, bytes] = {}
    waiting = ["__init__", function]
    while waiting:
        module = waiting.pop()
        if module not in sources:
            sources[module] = normalise_newlines((SOURCES / f"{module}.py").read_bytes())
            waiting.extend(_sibling_imports(sources[module]))
    return {f"{PACKAGE_IN_ZIP}/{module}.py": source for module, source in sources.items()}


_SIBLING_IMPORT: Final = re.compile(rb"^[ \t]*from \.(?:(\w+) import |[ \t]*import ([\w, ]+)$)", re.MULTILINE)


def _sibling_imports(source: bytes) -> list[str]:
    """Modules named in `from .module import name` and `from . import module`, wherever they stand.

    Read line by line, because parsing our handlers takes longer than all the rest of packaging them. A test compares.
    """
    modules = []
    for module, names in _SIBLING_IMPORT.findall(source):
        found = module or names
        modules += [name.strip().decode() for name in found.split(b",")]
    return modules
