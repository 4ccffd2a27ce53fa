"""How a worker process is started: command, environment and directories.

Takes a `LambdaFunction` and the directory of its code. Nothing is inherited from the environment of this process, and
HOME is not the user's home directory: a handler must not find the developer's `~/.aws`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from whatschat_ops.installation import extra_command
from whatschat_ops.local.executor.failures import CannotStart, InvocationFailure
from whatschat_ops.local.interfaces import LambdaFunction
from whatschat_ops.quotas import MAX_FUNCTION_TIMEOUT_S

PYTHON_RUNTIME_MODULES = (
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "runtime_client",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot_restore_py",
    "urllib3",
)
"""Top-level modules of AWS's Python runtimes besides the standard library."""

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything needed to start another worker of a function."""

    function: LambdaFunction
    command: tuple[str, ...]
    runtime_version: str
    code_directory: Path
    endpoint_url: str


@cache
def host_python_modules() -> dict[str, str]:
    """Runtime module -> its directory on this machine. `runtime_client` is native and may be missing."""
    found = {}
    for name in PYTHON_RUNTIME_MODULES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            found[name] = str(origin.parent.parent if spec.submodule_search_locations else origin.parent)
    return found


def launch(
    function: LambdaFunction,
    code_directory: Path,
    endpoint_url: str,
    python_modules: Mapping[str, str],
    api_hosts_file: Path | None = None,
) -> Launch:
    """How to start the function. Raises CannotStart when this machine cannot run its runtime.

    `api_hosts_file` names the hosts of this AWS's APIs; without it, connections to them are not led here.
    """
    callbacks = _callbacks(endpoint_url, api_hosts_file)
    if function.runtime.startswith("python"):
        command, version = _python_command(function, callbacks, python_modules)
    elif function.runtime.startswith("nodejs"):
        command, version = _node_command(function, callbacks)
    else:
        raise _cannot_run(f"runtime {function.runtime} does not run locally; python* and nodejs* do")
    return Launch(function, command, version, code_directory, endpoint_url)


def _callbacks(endpoint_url: str, api_hosts_file: Path | None) -> str:
    url = urlsplit(endpoint_url)
    return json.dumps({"host": url.hostname, "port": url.port, "hostsFile": str(api_hosts_file or "")})


def _python_command(
    function: LambdaFunction, callbacks: str, modules: Mapping[str, str]
) -> tuple[tuple[str, ...], str]:
    if "awslambdaric" not in modules:
        raise _cannot_run(f"awslambdaric is missing; run: {extra_command('local')}")
    script = str(_HERE / "python_bootstrap.py")
    isolated = (sys.executable, "-I", "-S", "-X", "utf8", script)
    command = (*isolated, function.handler, callbacks, json.dumps(dict(modules)))
    return command, f"python:{platform.python_version()}"


def _node_command(function: LambdaFunction, callbacks: str) -> tuple[tuple[str, ...], str]:
    node = shutil.which("node")
    if node is None:
        raise _cannot_run(f"runtime {function.runtime} needs `node` on PATH; install Node.js from nodejs.org")
    return (node, str(_HERE / "node_bootstrap.mjs"), function.handler, callbacks), f"nodejs:{node}"


def _cannot_run(reason: str) -> CannotStart:
    return CannotStart(InvocationFailure("Runtime.InvalidEntrypoint", reason, with_request_id=True))


def environment(launch: Launch, home: Path, runtime_api: str, log_stream: str) -> dict[str, str]:
    """The complete environment of a worker. The function's variables override defaults, never reserved names.

    Names: Lambda guide, "configuration-envvars-runtime". HOME and TMPDIR are a directory that is deleted with the
    worker.
    """
    function = launch.function
    return {
        **_host_necessities(),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_ENDPOINT_URL": launch.endpoint_url,
        # Of our handlers (handlers/aws_api.py), which wait 3 s for AWS: here they wait for a busy machine, and their own time-out decides.
        "WHATSCHAT_OPS_AWS_TIMEOUT_S": str(MAX_FUNCTION_TIMEOUT_S),
        **function.environment,
        **function.credentials,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        **_log_settings(function),
        "LAMBDA_TASK_ROOT": str(launch.code_directory),
        "LAMBDA_RUNTIME_DIR": str(_HERE),
        "_HANDLER": function.handler,
    }


def _log_settings(function: LambdaFunction) -> dict[str, str]:
    """What AWS's runtime clients read to format and filter (aws-lambda-*-runtime-interface-client)."""
    if not function.logging.json:
        return {}
    return {
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": function.logging.application_level,
    }


def _host_necessities() -> dict[str, str]:
    """The variables without which no process runs on this system."""
    if os.name != "nt":
        return {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    root = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return {"PATH": rf"{root}\System32;{root}", "SYSTEMROOT": root}
