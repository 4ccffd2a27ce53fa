"""Where the functions' code comes from: the settings choose between the built-in handlers and the application's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import structs

from whatschat_ops.config.lambda_settings import LambdaSettings
from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.errors import ConfigError
from whatschat_ops.packaging.builtin import NOTHING, build_function_zip
from whatschat_ops.packaging.content import ZipContent
from whatschat_ops.packaging.native import note_not_loadable
from whatschat_ops.packaging.package import FunctionPackage
from whatschat_ops.packaging.private_files import without_private_files
from whatschat_ops.packaging.wheels import requirement_files


def build_packages(
    settings: LambdaSettings,
    functions: Iterable[str] = ROUTE_FUNCTIONS.values(),
    say: Callable[[str], None] = lambda _line: None,
    *,
    rebuild: bool = False,
    include: Sequence[str] = (),
) -> dict[str, FunctionPackage]:
    """Function (`connect`, `disconnect`, `default`) -> its code. `say` is told about every slow step.

    With unchanged sources nothing is downloaded or built again, unless `rebuild`.
    `include` is added to `lambda.source.include`. Raises ConfigError, UsageError, OpsError.
    """
    source = structs.replace(settings.source, include=(*settings.source.include, *include))
    if source.path is not None:
        if settings.requirements is not None:
            raise ConfigError(
                "lambda.requirements is for the built-in handlers, but lambda.source.path names a Node.js folder.",
                hint="Leave one of them out. The folder's own package.json lists its packages.",
            )
        from whatschat_ops.packaging.node.folder import node_packages

        packages = node_packages(structs.replace(settings, source=source), say, rebuild=rebuild)
        return {function: packages[function] for function in functions}
    extra = _requirements(settings, source.include, say, rebuild=rebuild)
    return {
        function: build_function_zip(function, settings.architecture, settings.runtime, extra=extra, say=say)
        for function in functions
    }


def _requirements(
    settings: LambdaSettings, include: Sequence[str], say: Callable[[str], None], *, rebuild: bool
) -> ZipContent:
    if settings.requirements is None:
        return NOTHING
    found = requirement_files(
        Path(settings.requirements), settings.runtime, settings.architecture, say, rebuild=rebuild
    )
    note_not_loadable(found.files, settings.architecture, say)
    return without_private_files(found, include, say)
