"""The application's Node.js folder -> one package for each function, all with the same zip.

Takes the settings `lambda.source` and runs the folder's own steps, in the folder, as a developer would by hand. Gives the zip that its
`package` script makes, whatever its layout, packed again so that the same files are the same bytes; or, without one, a zip of `dist`.
The packages that it lacks are added, and the result is checked. A build is kept in the state directory under a digest of what decides
it, so that only a change runs the steps again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from whatschat_ops.config.lambda_settings import LambdaSettings, SourceSettings
from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.errors import ConfigError, OpsError
from whatschat_ops.packaging.archive import pack
from whatschat_ops.packaging.content import ZipContent, read_folder, read_zip
from whatschat_ops.packaging.native import note_not_loadable
from whatschat_ops.packaging.node.check import check_zip
from whatschat_ops.packaging.node.dependencies import Dependencies, find_dependencies
from whatschat_ops.packaging.node.handlers import handler_file, handler_names
from whatschat_ops.packaging.node.key import build_key, stamp
from whatschat_ops.packaging.node.manager import Project, open_project
from whatschat_ops.packaging.node.reach import SUFFIXES
from whatschat_ops.packaging.node.steps import built_zip, run_steps, shown_step, zips
from whatschat_ops.packaging.package import FunctionPackage, function_package
from whatschat_ops.packaging.private_files import without_private_files
from whatschat_ops.packaging.store import existing, remove, stored

ZIP_NAME: Final = "function.zip"
RECORD_NAME: Final = "build.json"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """A folder with a package.json, and what to do with it."""

    path: Path
    source: SourceSettings
    manifest: dict[str, Any]
    """The package.json."""
    project: Project

    @property
    def steps(self) -> list[str]:
        """The wanted steps that the folder has; `install` needs no script."""
        scripts = self.manifest.get("scripts") or {}
        return [step for step in self.source.steps if step == "install" or step in scripts]

    def key(self) -> str | None:
        """Of everything that decides the zip, as it is now; None when that cannot be told."""
        steps = self.steps
        chosen = [self.source.canonical(without=("path",))]
        if "package" not in steps and self.source.zip is not None:
            chosen += [f"{path} {stamp(str(path))}" for path in sorted(self.path.glob(self.source.zip))]
        return build_key(
            self.project,
            "\n".join(chosen),
            builds="build" in steps,
            packs="package" in steps,
            runs=bool({"build", "package"} & {*steps}),
        )


@dataclass(frozen=True, slots=True)
class Build:
    """A zip, what was warned about it, and the files of node_modules that went in and other zips, with their stamps."""

    zip_bytes: bytes = field(repr=False)
    warnings: list[str]
    inputs: dict[str, list[int]]

    @property
    def is_current(self) -> bool:
        """Are the files that went in still the same?"""
        return all(stamp(path) == then for path, then in self.inputs.items())


def node_packages(settings: LambdaSettings, say: Say, *, rebuild: bool = False) -> dict[str, FunctionPackage]:
    """Function -> its package, built when something changed since the last build, or always with `rebuild`.

    Raises ConfigError for a folder or handler that is not there, OpsError with a failed step's own output or with what is missing.
    """
    folder = open_folder(settings.source)
    build = _kept_or_built(folder, say, rebuild=rebuild)
    content = read_zip(build.zip_bytes, ZIP_NAME)
    for line in build.warnings:
        say(line)
    note_not_loadable(content.files, settings.architecture, say)
    handlers = handler_names(settings.source.handlers, content.files, tuple(ROUTE_FUNCTIONS.values()))
    return {short: function_package(short, handler, build.zip_bytes) for short, handler in handlers.items()}


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
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"lambda.source.path: {manifest_path} cannot be read: {error}.") from error
    if not isinstance(manifest, dict):
        raise ConfigError(f"lambda.source.path: {manifest_path} is not a JSON object.")
    return NodeFolder(path, source, manifest, open_project(path.resolve(), manifest))


def _kept_or_built(folder: NodeFolder, say: Say, *, rebuild: bool) -> Build:
    key = folder.key()
    kept = _kept(key) if key is not None and not rebuild else None
    if kept is not None and kept.is_current:
        return kept
    key, build = _build(folder, say)
    # What changed while the steps ran is not in the zip for certain: then the next command builds again.
    if key is not None and folder.key() == key:
        remove("node", key)
        stored("node", key, lambda target: _write(target, build))
    return build


def _kept(key: str) -> Build | None:
    directory = existing("node", key)
    if directory is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError):  # another command may just replace it
        record = json.loads((directory / RECORD_NAME).read_text(encoding="utf-8"))
        return Build((directory / ZIP_NAME).read_bytes(), record["warnings"], record["inputs"])
    return None


def _write(directory: Path, build: Build) -> None:
    (directory / ZIP_NAME).write_bytes(build.zip_bytes)
    record = {"warnings": build.warnings, "inputs": build.inputs}
    (directory / RECORD_NAME).write_text(json.dumps(record), encoding="utf-8")


def _build(folder: NodeFolder, say: Say) -> tuple[str | None, Build]:
    """The zip, and the key of what it was built from."""
    for step in folder.source.steps:
        if step not in folder.steps:
            shown = shown_step(folder.project.manager, step)
            say(f"{shown}: skipped, {folder.path / 'package.json'} has no such script.")
    installs = [step for step in folder.steps if step == "install"]
    run_steps(folder.project, installs, False, say)  # which may write the lock file
    key = folder.key()
    steps = [step for step in folder.steps if step != "install"]
    started_ns = run_steps(folder.project, steps, folder.source.ignore_build_errors, say)
    made = _made(folder, started_ns)
    own = _folder_content(folder.path) if made is None else read_zip(made.read_bytes(), str(made))
    build = _packed(folder, own, say)
    others = (
        path for path in zips(folder.path, None) if path != made
    )  # no key tells them from the one that is made
    return key, replace(build, inputs={**build.inputs, **{str(path): stamp(str(path)) for path in others}})


def _packed(folder: NodeFolder, own: ZipContent, say: Say) -> Build:
    source, warnings = folder.source, list[str]()
    handlers = handler_names(source.handlers, own.files, tuple(ROUTE_FUNCTIONS.values()))
    entries = sorted({handler_file(handler, own.files) for handler in handlers.values()})
    content, added = own, None
    if source.dependencies != "runtime":
        everything = source.dependencies == "bundle"
        added = find_dependencies(
            own, folder.path, folder.manifest, entries, source.runtime, everything=everything
        )
        content = _with(own, added, say)
    content = without_private_files(content, source.include, warnings.append)
    check_zip(content, entries, source.runtime, folder.manifest, source.optional, added, warnings.append)
    inputs = {path: stamp(path) for path in added.sources} if added else {}
    return Build(pack("connect, disconnect and default", content.files, content.modes), warnings, inputs)


def _made(folder: NodeFolder, started_ns: int) -> Path | None:
    """The zip that the steps made, or that the settings name."""
    if "package" in folder.steps:
        return built_zip(folder.path, folder.source.zip, started_ns)
    return None if folder.source.zip is None else built_zip(folder.path, folder.source.zip, 0)


def _folder_content(path: Path) -> ZipContent:
    content = read_folder(path)
    if not any(name.endswith(SUFFIXES) for name in content.files):
        raise OpsError(
            f"There is nothing to package in {path}: no dist folder and no JavaScript.",
            hint="Add a `build` script to its package.json, and `build` to lambda.source.steps.",
        )
    return content


def _with(own: ZipContent, added: Dependencies, say: Say) -> ZipContent:
    if added.packages:
        say(f"Adding the production dependencies, which the zip lacks: {', '.join(added.packages)}.")
    return ZipContent({**added.content.files, **own.files}, {**added.content.modes, **own.modes})
