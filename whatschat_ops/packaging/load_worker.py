"""The worker of distributed load tests as a zip: the load test of this machine and `websockets`, under their own names.

`websockets` comes from its wheel in pure Python, so the zip is the same for every processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from whatschat_ops.packaging.archive import pack
from whatschat_ops.packaging.package import FunctionPackage, function_package
from whatschat_ops.packaging.pins import WEBSOCKETS
from whatschat_ops.packaging.vendored import pinned_files
from whatschat_ops.packaging.worker import PACKAGE, own_files

MODULES: Final = (
    *("__init__", "choices", "errors", "installation", "message_size", "network", "plurals", "quotas"),
    *("redaction", "worker/__init__", "worker/bucket", "worker/control"),
)
FOLDERS: Final = ("handlers", "load", "load/distributed", "measure", "sockets")
HANDLER: Final = f"{PACKAGE}.load.distributed.handler.handler"


def build_load_worker_zip(function: str, say: Callable[[str], None] = lambda _line: None) -> FunctionPackage:
    """The code of the worker, under the short name `function`. Raises OpsError when `websockets` cannot be had."""
    files = own_files(MODULES, FOLDERS) | pinned_files(WEBSOCKETS, say)
    return function_package(function, HANDLER, pack(function, files))
