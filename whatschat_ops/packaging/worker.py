"""The worker of distributed broadcasts as a zip: the sender and what it imports, under this package's own name.

All of it is pure Python on the standard library (boto3 comes with Lambda's runtime), so the zip is the same for every
processor and is the code that `ws broadcast` runs on this machine, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from whatschat_ops.packaging.archive import pack
from whatschat_ops.packaging.package import FunctionPackage, function_package
from whatschat_ops.packaging.vendored import normalise_newlines

PACKAGE: Final = "whatschat_ops"
ROOT: Final = Path(__file__).parents[1]
MODULES: Final = ("__init__", "errors", "network", "redaction")
FOLDERS: Final = ("measure", "sender", "worker")
HANDLER: Final = f"{PACKAGE}.worker.handler.handler"


def build_worker_zip(function: str) -> FunctionPackage:
    """The code of the worker, under the short name `function`. Raises OpsError when Lambda would refuse its size."""
    return function_package(function, HANDLER, pack(function, own_files(MODULES, FOLDERS)))


def own_files(modules: Sequence[str], folders: Sequence[str]) -> dict[str, bytes]:
    """Path in the zip -> source, of these modules and all modules of these folders of this package."""
    sources = [ROOT / f"{module}.py" for module in modules]
    sources += [source for folder in folders for source in (ROOT / folder).glob("*.py")]
    return {
        f"{PACKAGE}/{source.relative_to(ROOT).as_posix()}": normalise_newlines(source.read_bytes())
        for source in sources
    }
