"""Where the functions' code comes from: the settings choose between the built-in handlers and the application's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from whatschat_ops.config.lambda_settings import LambdaSettings
from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.errors import ConfigError
from whatschat_ops.packaging.builtin import build_function_zip
from whatschat_ops.packaging.package import FunctionPackage
from whatschat_ops.packaging.wheels import requirement_files


def build_packages(
    settings: LambdaSettings,
    functions: Iterable[str] = ROUTE_FUNCTIONS.values(),
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, FunctionPackage]:
    """Function (`connect`, `disconnect`, `default`) -> its code. `say` is told about every slow step.

    With unchanged sources nothing is downloaded or built again. Raises ConfigError, UsageError, OpsError.
    """
    if settings.source.path is not None:
        if settings.requirements is not None:
            raise ConfigError(
                "lambda.requirements is for the built-in handlers, but lambda.source.path names a Node.js folder.",
                hint="Leave one of them out. The folder's own package.json lists its packages.",
            )
        from whatschat_ops.packaging.node_folder import node_packages

        packages = node_packages(settings, say)
        return {function: packages[function] for function in functions}
    extra = {}
    if settings.requirements is not None:
        extra = requirement_files(Path(settings.requirements), settings.runtime, settings.architecture, say)
    return {
        function: build_function_zip(function, settings.architecture, settings.runtime, extra=extra, say=say)
        for function in functions
    }
