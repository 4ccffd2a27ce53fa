"""The application's Node.js folder -> one package for each function, all with the same zip.

Takes the settings `lambda.source` and runs the folder's own npm steps, in the folder, as a developer would by hand.
Gives the zip that its `package` script makes, whatever its layout, packed again so that the same files are the same
bytes; or, without one, a zip of `dist`. A build is kept in the state directory under a digest of the sources, so
that only a change runs npm again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whatschat_ops.config.lambda_settings import LambdaSettings, SourceSettings
from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.errors import ConfigError, OpsError
from whatschat_ops.packaging.archive import pack
from whatschat_ops.packaging.node_dependencies import (
    compiled_for_another_processor,
    dependency_files,
    missing_dependencies,
)
from whatschat_ops.packaging.node_handlers import handler_names
from whatschat_ops.packaging.node_steps import built_zip, run_steps, source_digest
from whatschat_ops.packaging.node_zip import ZipContent, read_folder, read_zip
from whatschat_ops.packaging.package import FunctionPackage, function_package
from whatschat_ops.packaging.store import existing, stored

FORMAT: Final = "1"
"""Of what is kept; another one repeats every build."""

ZIP_NAME: Final = "function.zip"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """A folder with a package.json, and what to do with it."""

    path: Path
    source: SourceSettings
    manifest: dict[str, Any]
    """The package.json."""

    @property
    def steps(self) -> list[str]:
        """The wanted steps that the folder has; `install` needs no script."""
        scripts = self.manifest.get("scripts") or {}
        return [step for step in self.source.steps if step == "install" or step in scripts]

    @property
    def digest(self) -> str:
        """Of everything that decides the zip and lies in the folder now."""
        chosen = self.source.canonical(without=("handlers", "runtime", "path"))
        made = (
            []
            if "package" in self.steps or self.source.zip is None
            else sorted(self.path.glob(self.source.zip))
        )
        contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in made]
        return hashlib.sha256(
            "\n".join(
                (FORMAT, chosen, source_digest(self.path, builds="build" in self.steps), *contents)
            ).encode()
        ).hexdigest()[:32]


def node_packages(settings: LambdaSettings, say: Say) -> dict[str, FunctionPackage]:
    """Function -> its package, built when the sources changed since the last build.

    Raises ConfigError for a folder or handler that is not there, OpsError with a failed step's own output.
    """
    folder = open_folder(settings.source)
    zip_bytes = _kept_or_built(folder, say)
    content = read_zip(zip_bytes, ZIP_NAME)
    foreign = compiled_for_another_processor(content.files, settings.architecture)
    if foreign:
        say(f"Warning: {foreign[0]} is compiled for another processor than {settings.architecture}.")
    handlers = handler_names(settings.source.handlers, content.files, tuple(ROUTE_FUNCTIONS.values()))
    return {short: function_package(short, handler, zip_bytes) for short, handler in handlers.items()}


def open_folder(source: SourceSettings) -> NodeFolder:
    """The folder of `lambda.source.path`. Raises ConfigError when there is none or its package.json is not JSON."""
    path = Path(source.path or "")
    manifest_path = path / "package.json"
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        what = "has no package.json" if path.is_dir() else "does not exist"
        raise ConfigError(
            f"lambda.source.path: the folder {path} {what}.",
            hint="Set lambda.source.path to the folder of the application's Lambda functions.",
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"lambda.source.path: {manifest_path} cannot be read: {error}.") from error
    if not isinstance(manifest, dict):
        raise ConfigError(f"lambda.source.path: {manifest_path} is not a JSON object.")
    return NodeFolder(path, source, manifest)


def _kept_or_built(folder: NodeFolder, say: Say) -> bytes:
    kept = existing("node", folder.digest)
    if kept is None:
        zip_bytes = _build(folder, say)
        # npm may have written a lock file: what counts is the folder as the next command will find it.
        kept = stored("node", folder.digest, lambda target: _write(target / ZIP_NAME, zip_bytes))
    return (kept / ZIP_NAME).read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _build(folder: NodeFolder, say: Say) -> bytes:
    for step in folder.source.steps:
        if step not in folder.steps:
            say(f"npm run {step}: skipped, {folder.path / 'package.json'} has no such script.")
    started_ns = run_steps(folder.path, folder.steps, folder.source.ignore_build_errors, say)
    content = _content(folder, started_ns)
    content = _with_dependencies(folder, content, say)
    return pack("connect, disconnect and default", content.files, content.modes)


def _content(folder: NodeFolder, started_ns: int) -> ZipContent:
    if "package" in folder.steps:
        made = built_zip(folder.path, folder.source.zip, started_ns)
    elif folder.source.zip is not None:
        made = built_zip(folder.path, folder.source.zip, 0)
    else:
        return _folder_content(folder.path)
    return read_zip(made.read_bytes(), str(made))


def _folder_content(path: Path) -> ZipContent:
    content = read_folder(path)
    if not any(name.endswith((".js", ".mjs", ".cjs")) for name in content.files):
        raise OpsError(
            f"There is nothing to package in {path}: no dist folder and no JavaScript.",
            hint="Add a `build` script to its package.json, and `build` to lambda.source.steps.",
        )
    return content


def _with_dependencies(folder: NodeFolder, content: ZipContent, say: Say) -> ZipContent:
    choice = folder.source.dependencies
    declared = {
        **(folder.manifest.get("dependencies") or {}),
        **(folder.manifest.get("optionalDependencies") or {}),
    }
    missing = missing_dependencies(content.files, declared, imported_only=choice == "auto")
    if choice == "runtime" or not missing:
        return content
    say(f"Adding the production dependencies, which the zip lacks: {', '.join(missing)}.")
    added = dependency_files(folder.path, say)
    return ZipContent({**added.files, **content.files}, {**added.modes, **content.modes})
