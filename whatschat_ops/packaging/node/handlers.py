"""Lambda's handler names for a Node zip: as configured, or found in it. A name that could not run is refused here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Final

from whatschat_ops.config.lambda_settings import HandlerSettings
from whatschat_ops.errors import ConfigError
from whatschat_ops.packaging.node.reach import SUFFIXES

HANDLER: Final = re.compile(r"((?:.*/)?[^./]*)\.(.+)", re.DOTALL)
"""How Lambda's Node.js runtime divides a handler into module and export."""

SHOWN_FILES: Final = 8


def handler_names(
    configured: HandlerSettings, names: Collection[str], functions: Iterable[str]
) -> dict[str, str]:
    """Function -> handler. Raises ConfigError naming what the zip has instead."""
    return {
        function: _checked(function, given, names) if given is not None else _found(function, names)
        for function in functions
        for given in [getattr(configured, function)]
    }


def handler_file(handler: str, names: Collection[str]) -> str:
    """The path of a handler's file in the zip that has one."""
    match = HANDLER.fullmatch(handler)
    module = match[1].removeprefix("./") if match else handler
    return next(f"{module}{suffix}" for suffix in SUFFIXES if f"{module}{suffix}" in names)


def _checked(function: str, handler: str, names: Collection[str]) -> str:
    match = HANDLER.fullmatch(handler)
    module = match[1].removeprefix("./") if match else ""
    if not match or not any(f"{module}{suffix}" in names for suffix in SUFFIXES):
        raise ConfigError(
            f"lambda.source.handlers.{function}: {handler}: the zip has no {module or handler}.js. {_scripts(names)}",
            hint="A handler is the file's path in the zip without .js, a dot, and the exported function's name.",
        )
    return handler


def _found(function: str, names: Collection[str]) -> str:
    candidates = [
        path
        for path in map(PurePosixPath, sorted(names))
        if path.stem == function and path.suffix in SUFFIXES and "node_modules" not in path.parts
    ]
    fewest = min((len(path.parts) for path in candidates), default=0)
    nearest = {str(path.with_suffix("")) for path in candidates if len(path.parts) == fewest}
    if len(nearest) != 1:
        what = f"several files {function}.js" if nearest else f"no file {function}.js"
        raise ConfigError(
            f"The zip has {what}, so the handler of {function} must be named. {_scripts(names)}",
            hint=f"Set lambda.source.handlers.{function}, for example dist/{function}.handler.",
        )
    return f"{nearest.pop()}.handler"


def _scripts(names: Collection[str]) -> str:
    scripts = sorted(name for name in names if name.endswith(SUFFIXES) and "node_modules/" not in name)
    more = f" and {len(scripts) - SHOWN_FILES} more" if len(scripts) > SHOWN_FILES else ""
    return f"In it: {', '.join(scripts[:SHOWN_FILES]) or 'no JavaScript'}{more}."
