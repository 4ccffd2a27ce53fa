"""The worker of distributed broadcasts as a zip: the sender and what it imports, under this package's own name.

All of it is pure Python on the standard library (boto3 comes with Lambda's runtime), so the zip is the same for every
processor and is the code that `ws broadcast` runs on this machine, too.
"""

from __future__ import annotations

from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from typing import Final

from whatschat_ops.packaging.archive import pack
from whatschat_ops.packaging.package import FunctionPackage, function_package
from whatschat_ops.packaging.vendored import normalise_newlines

PACKAGE: Final = "whatschat_ops"
MODULES: Final = ("__init__", "errors", "redaction")
FOLDERS: Final = ("sender", "worker")
HANDLER: Final = f"{PACKAGE}.worker.handler.handler"


def build_worker_zip(function: str) -> FunctionPackage:
    """The code of the worker, under the short name `function`. Raises OpsError when Lambda would refuse its size."""
    root = package_files(PACKAGE)
    sources = [root.joinpath(f"{module}.py") for module in MODULES]
    files = {f"{PACKAGE}/{source.name}": _content(source) for source in sources}
    for folder in FOLDERS:
        for source in root.joinpath(folder).iterdir():
            if source.name.endswith(".py"):
                files[f"{PACKAGE}/{folder}/{source.name}"] = _content(source)
    return function_package(function, HANDLER, pack(function, files))


def _content(source: Traversable) -> bytes:
    return normalise_newlines(source.read_bytes())
