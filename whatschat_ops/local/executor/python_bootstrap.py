"""Starts a Python function as AWS's runtime does. Runs in the worker, as `python -I -S python_bootstrap.py`.

Arguments: the handler, what `python_callbacks` needs (JSON), and a JSON object {module: directory}. Only the standard library, the function's own code and
those modules can be imported, and nothing else that is installed on the machine, as on AWS. AWS's own runtime client
then serves the function. Imports nothing of this package, which is not on the path.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

DIRECTORY = __file__.removesuffix("python_bootstrap.py")


class RuntimeModules:
    """Finds the modules of AWS's runtime, after the function's own code."""

    def __init__(self, directories: dict[str, str]) -> None:
        self._directories = directories

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Called by importlib; submodules are found by their package's own path."""
        directory = self._directories.get(fullname) if path is None else None
        return None if directory is None else PathFinder.find_spec(fullname, [directory], target)


def end_with_parent() -> None:
    """Kill this process and its children when the executor's end of stdin closes. Handlers read /dev/null."""
    lifeline = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    _thread.start_new_thread(_wait_for_end, (lifeline,))


def _wait_for_end(lifeline: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(lifeline, 1):
            pass
    _end_with_children()


def _end_with_children() -> None:
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, 9)
    os._exit(1)


def load(name: str, file_name: str) -> ModuleType:
    """Import a module of this directory, which is not on the path."""
    spec = spec_from_file_location(name, DIRECTORY + file_name)
    if spec is None or spec.loader is None:
        raise ImportError(file_name)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_runtime_client() -> None:
    """Import AWS's native client, or replace it by the pure Python one where there is none (macOS, Windows)."""
    try:
        import runtime_client  # noqa: F401
    except ImportError:
        load("runtime_client", "pure_runtime_client.py")


def install_callbacks(host: str, port: int, hosts_file: str) -> None:
    """Lead connections to the APIs of the embedded AWS to it."""
    load("_whatschat_callbacks", "python_callbacks.py").Callbacks((host, port), hosts_file).install()


def main() -> None:
    """Serve invocations until killed."""
    handler, callbacks, modules = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
    end_with_parent()
    install_callbacks(callbacks["host"], callbacks["port"], callbacks["hostsFile"])
    sys.meta_path.append(RuntimeModules(modules))
    load_runtime_client()
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    sys.argv = sys.argv[:2]
    own_path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[0:0] = [os.environ["LAMBDA_TASK_ROOT"], *own_path]
    # awslambdaric's main() would fetch each event in a new thread, so that signal handlers run between
    # invocations; AWS sends signals only to functions with extensions, and the thread costs half a millisecond.
    try:
        bootstrap.run(handler, LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]))
    except RuntimeError:  # the Runtime API is gone, and the end of stdin may be noticed only after that
        _end_with_children()


if __name__ == "__main__":
    main()
