"""A pinned pure-Python distribution -> the files of it that a function needs, the same on every machine.

Takes them from the installation when that is exactly the pinned one (so that no network is needed), else from the
wheel that pip downloads. Gives `.py` files and licences only, verified against the pin's digest.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Final

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.archive import build_zip
from whatschat_ops.packaging.pins import Pin
from whatschat_ops.packaging.wheels import downloaded_wheels, unpacked

_ANY_PLATFORM: Final = (
    *("--no-deps", "--require-hashes"),
    *("--implementation", "py", "--abi", "none", "--platform", "any"),
)
"""The wheel in pure Python, also of a distribution that has wheels with compiled modules."""


def pinned_files(pin: Pin, say: Callable[[str], None] = lambda _line: None) -> dict[str, bytes]:
    """Path -> content of the pinned version. Raises OpsError when it is neither installed nor to be downloaded."""
    installed = _installed_files(pin)
    if installed is not None and content_digest(installed) == pin.content_sha256:
        return installed
    try:
        wheels = downloaded_wheels(pin.requirement, _ANY_PLATFORM, say)
    except OpsError as error:
        hint = f"Check the network, or run: python -m pip install {pin.name}=={pin.version}"
        raise OpsError(error.message, hint=hint) from error
    files = {
        path: normalise_newlines(content)
        for wheel in wheels
        for path, content in unpacked(wheel).files.items()
        if _is_needed(PurePath(path))
    }
    if content_digest(files) != pin.content_sha256:
        raise OpsError(f"The wheel of {pin.name} {pin.version} has other files than its pin says.")
    return files


def content_digest(files: Mapping[str, bytes]) -> str:
    """One SHA-256 (hexadecimal) over paths and contents."""
    return hashlib.sha256(build_zip(files)).hexdigest()


def normalise_newlines(source: bytes) -> bytes:
    """Text with LF only: a checkout on Windows must not change the zip."""
    return source.replace(b"\r\n", b"\n")


def _installed_files(pin: Pin) -> dict[str, bytes] | None:
    """The needed files of the installation that Python would import; None unless it is the pinned version, with its RECORD.

    Looks for it itself: importing importlib.metadata takes longer than the rest of a package.
    """
    for entry in filter(Path.is_dir, map(Path, sys.path)):
        for name in (path.name.lower() for path in entry.iterdir()):
            if name.startswith(f"{pin.name.lower()}-") and name.endswith(".dist-info"):
                return _files_of(pin, entry)
    return None


def _files_of(pin: Pin, entry: Path) -> dict[str, bytes] | None:
    for folder in (f"{name}-{pin.version}.dist-info" for name in (pin.name.lower(), pin.name)):
        try:
            return _recorded_files(entry / folder / "RECORD")
        except OSError:
            continue  # not there, or not whole: the wheel has the same files
    return None


def _recorded_files(record: Path) -> dict[str, bytes]:
    """Path -> content (PEP 376: path, digest and size on a line, the path in quotes if need be)."""
    rows = csv.reader(record.read_text(encoding="utf-8").splitlines())
    paths = [PurePath(row[0]) for row in rows if row]
    return {
        path.as_posix(): normalise_newlines((record.parent.parent / path).read_bytes())
        for path in paths
        if not (path.is_absolute() or ".." in path.parts) and _is_needed(path)
    }


def _is_needed(path: PurePath) -> bool:
    return path.suffix == ".py" or path.name.upper().startswith(("LICENSE", "LICENCE"))
