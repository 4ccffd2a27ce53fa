"""A pinned pure-Python distribution -> the files of it that a function needs, the same on every machine.

Takes them from the installation when that is exactly the pinned one (so that no network is needed), else from the
wheel that pip downloads. Gives `.py` files and licences only, verified against the pin's digest. Refuses what could
differ from machine to machine: compiled code, installations without a RECORD, changed files.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.archive import build_zip
from whatschat_ops.packaging.pins import Pin
from whatschat_ops.packaging.wheels import downloaded_wheels, unpacked


def pinned_files(pin: Pin, say: Callable[[str], None] = lambda _line: None) -> dict[str, bytes]:
    """Path -> content of the pinned version. Raises OpsError when it is neither installed nor to be downloaded."""
    installed = _installed_files(pin)
    if installed is not None and content_digest(installed) == pin.content_sha256:
        return installed
    try:
        wheels = downloaded_wheels(pin.requirement, ("--no-deps", "--require-hashes"), say)
    except OpsError as error:
        hint = f"Check the network, or run: python -m pip install {pin.name}=={pin.version}"
        raise OpsError(error.message, hint=hint) from error
    files = {
        path: normalise_newlines(content)
        for wheel in wheels
        for path, content in unpacked(wheel).items()
        if _is_needed(PurePath(path))
    }
    if content_digest(files) != pin.content_sha256:
        raise OpsError(f"The wheel of {pin.name} {pin.version} has other files than its pin says.")
    return files


def content_digest(files: Mapping[str, bytes]) -> str:
    """One SHA-256 (hexadecimal) over paths and contents."""
    return hashlib.sha256(build_zip(files)).hexdigest()


def vendored_files(distribution_name: str) -> dict[str, bytes]:
    """Path -> content of the installed distribution. Raises OpsError when it cannot be vendored."""
    try:
        distribution = importlib.metadata.distribution(distribution_name)
    except importlib.metadata.PackageNotFoundError:
        raise OpsError(
            f"The package {distribution_name} cannot be put into the function: it is not installed.",
            hint=f"Run: python -m pip install {distribution_name}",
        ) from None
    return _files_of(distribution, distribution_name)


def normalise_newlines(source: bytes) -> bytes:
    """Text with LF only: a checkout on Windows must not change the zip."""
    return source.replace(b"\r\n", b"\n")


def _installed_files(pin: Pin) -> dict[str, bytes] | None:
    """The installed files, if the pinned version is installed in a way that can be read."""
    try:
        distribution = importlib.metadata.distribution(pin.name)
        return _files_of(distribution, pin.name) if distribution.version == pin.version else None
    except (importlib.metadata.PackageNotFoundError, OpsError, OSError):
        return None  # the wheel has the same files


def _files_of(distribution: importlib.metadata.Distribution, name: str) -> dict[str, bytes]:
    """The needed files that its RECORD lists (PEP 376: path, digest and size on a line, the path in quotes if need be)."""
    record = distribution.read_text("RECORD") or ""
    paths = [PurePath(row[0]) for row in csv.reader(record.splitlines()) if row]
    _require_pure_python(paths, name)
    return {
        path.as_posix(): normalise_newlines(Path(str(distribution.locate_file(path))).read_bytes())
        for path in paths
        if not (path.is_absolute() or ".." in path.parts) and _is_needed(path)
    }


def _is_needed(path: PurePath) -> bool:
    return path.suffix == ".py" or path.name.upper().startswith(("LICENSE", "LICENCE"))


def _require_pure_python(paths: Sequence[PurePath], name: str) -> None:
    if not paths:
        why = "its installation has no RECORD that says which files belong to it"
    elif any(path.suffix in {".so", ".pyd", ".dylib"} for path in paths):
        why = "it contains compiled code, which fits one processor and Python only"
    else:
        return
    raise OpsError(
        f"The package {name} cannot be put into the function: {why}.",
        hint=f"Reinstall it with pip: python -m pip install --force-reinstall {name}",
    )
