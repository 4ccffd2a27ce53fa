"""`env check`: the application's existing .env files against the provisioned stack.

Input: paths of files or of folders, settings, `Aws`. Output: one `FileCheck` per file and side. Only reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.config import Settings
from whatschat_ops.environment.comparing import ApplicationFile, Mismatch, compare
from whatschat_ops.environment.dotenv import expanded, read_values
from whatschat_ops.environment.jwt_secret import compare_jwt_secret
from whatschat_ops.environment.render import read_environment
from whatschat_ops.environment.variables import Side
from whatschat_ops.errors import UsageError
from whatschat_ops.files import ARGUMENT, is_regular, read_text, reporting

PLACES: Final = (".env", ".env.local", "apps/server/.env", "apps/web/.env.local")
"""Where the files are in a folder: that of one application, or the repository's."""


CHIME_ADAPTER: Final = "src/infrastructure/adapters/websocket/chime-webrtc.adapter.ts"
"""In the web application (felixzhu97/whatschat at 03620be)."""
_READS_WRAPPED_EVENT: Final = re.compile(r"\{\s*meeting\s*,\s*attendee\s*\}\s*=\s*data\s*;")


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a file says otherwise than the stack. `compared`: the number of variables looked at."""

    path: Path
    side: Side
    compared: int
    mismatches: tuple[Mismatch, ...]


def check_files(paths: Sequence[Path], settings: Settings, aws: Aws, now: datetime) -> list[FileCheck]:
    """Every file, once for each side that it is for.

    Raises UsageError for a file that cannot be read, NotProvisioned when there is no stack.
    """
    files = [file for path in paths for found in _files(path) for file in _read(found)]
    return [_check(file, settings, aws, now) for file in files]


def sides_of(path: Path, values: Collection[str]) -> tuple[Side, ...]:
    """The sides that the file is for, by its variables; by its name if it has none of them."""
    frontend = any(name.startswith("NEXT_PUBLIC_") for name in values)
    backend = any(name.startswith(("AWS_API_GATEWAY_", "AWS_CHIME_")) for name in values)
    if not frontend and not backend:
        frontend = path.name == ".env.local" or path.absolute().parent.name == "web"
    return ((Side.BACKEND,) if backend or not frontend else ()) + ((Side.FRONTEND,) if frontend else ())


def _check(file: ApplicationFile, settings: Settings, aws: Aws, now: datetime) -> FileCheck:
    variables = read_environment(file.side, settings, aws).variables
    mismatches = compare(file, settings, variables)
    if file.side is Side.BACKEND and (secret := compare_jwt_secret(file, settings, aws, now)):
        mismatches.append(secret)
    return FileCheck(file.path, file.side, len(variables), tuple(mismatches))


def _files(path: Path) -> list[Path]:
    with reporting(path, flag=ARGUMENT):
        if not path.is_dir():
            return [path]
    found = [path / place for place in PLACES if (path / place).is_file()]
    if not found:
        raise UsageError(
            f"{path} has none of {', '.join(PLACES)}.", hint="Name the file, or create it with env render."
        )
    return found


def _read(path: Path) -> Iterator[ApplicationFile]:
    values = read_values(read_text(path, flag=ARGUMENT))
    packages = _packages(path.parent / "package.json")
    for side in sides_of(path, values):
        values_of_side = expanded(values) if side is Side.FRONTEND else values
        yield ApplicationFile(path, side, values_of_side, packages, _faulty_adapter(path.parent))


def _faulty_adapter(folder: Path) -> Path | None:
    path = folder / CHIME_ADAPTER
    return path if is_regular(path) and _READS_WRAPPED_EVENT.search(read_text(path)) else None


def _packages(path: Path) -> set[str] | None:
    """The names of all dependencies in a package.json; None when there is no such file."""
    if not is_regular(path):
        return None
    try:
        document = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid JSON: {error}.", hint="Fix the file.") from error
    sections = (
        [document.get(key) for key in ("dependencies", "devDependencies")]
        if isinstance(document, dict)
        else []
    )
    return {name for section in sections if isinstance(section, Mapping) for name in section}
