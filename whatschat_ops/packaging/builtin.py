"""The built-in handlers -> one package for each function.

Takes the function's short name and where it will run; gives the zip with everything that is not part of the
Lambda runtime: the handler's module, the modules it imports, and PyJWT for `connect`. A zip holds no module
that its function does not import, so that a change to one handler deploys one function. The same sources and
the same PyJWT give the same bytes on every machine.
"""

from __future__ import annotations

import ast
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from typing import Final

from whatschat_ops.errors import UsageError
from whatschat_ops.packaging.archive import build_zip, check_size
from whatschat_ops.packaging.vendored import normalise_newlines, vendored_files

SOURCE_PACKAGE: Final = "whatschat_ops.handlers"
PACKAGE_IN_ZIP: Final = "whatschat_handlers"

VENDORED: Final[Mapping[str, tuple[str, ...]]] = {"connect": ("PyJWT",), "disconnect": (), "default": ()}
"""Function -> the distributions it needs beside boto3 (which every Python runtime of Lambda has)."""


@dataclass(frozen=True, slots=True)
class FunctionPackage:
    """The code of one function, ready for CreateFunction and UpdateFunctionCode."""

    function: str
    """`connect`, `disconnect` or `default`."""
    handler: str
    """Lambda's `Handler`, for example `whatschat_handlers.connect.handler`."""
    zip_bytes: bytes = field(repr=False)
    sha256_base64: str
    """Lambda's `CodeSha256`: the base64 of the zip's SHA-256."""
    file_names: tuple[str, ...]
    size_bytes: int
    unzipped_size_bytes: int


def build_function_zip(function: str, architecture: str, runtime: str) -> FunctionPackage:
    """Package the built-in handler of `function` (`connect`, `disconnect`, `default`).

    `architecture` (`arm64`, `x86_64`) and `runtime` (`python3.x`) do not change the bytes, since everything
    in the zip is pure Python; another language's runtime is refused. Raises UsageError for an unknown function
    or runtime, OpsError when PyJWT cannot be vendored or Lambda would refuse the size.
    """
    _check_target(function, architecture, runtime)
    files = _handler_files(function)
    for distribution_name in VENDORED[function]:
        files |= vendored_files(distribution_name)
    zip_bytes = build_zip(files)
    check_size(function, files, zip_bytes)
    return FunctionPackage(
        function=function,
        handler=f"{PACKAGE_IN_ZIP}.{function}.handler",
        zip_bytes=zip_bytes,
        sha256_base64=base64.b64encode(hashlib.sha256(zip_bytes).digest()).decode("ascii"),
        file_names=tuple(sorted(files)),
        size_bytes=len(zip_bytes),
        unzipped_size_bytes=sum(len(content) for content in files.values()),
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
            source = package_files(SOURCE_PACKAGE).joinpath(f"{module}.py").read_bytes()
            sources[module] = normalise_newlines(source)
            waiting.extend(_sibling_imports(sources[module]))
    return {f"{PACKAGE_IN_ZIP}/{module}.py": source for module, source in sources.items()}


def _sibling_imports(source: bytes) -> list[str]:
    """Modules named in `from .module import name` and `from . import module`, wherever they stand."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            modules.extend([node.module] if node.module else [name.name for name in node.names])
    return modules
