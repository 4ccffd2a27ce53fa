"""An installed pure-Python distribution -> the files of it that a function needs.

Takes the name of a distribution; gives its `.py` files and its licence as they are listed in its RECORD, so
that nothing is downloaded and nothing that happens to lie beside it comes along. Refuses what could differ
from machine to machine: compiled code, and installations without a RECORD.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

from whatschat_ops.errors import OpsError


def vendored_files(distribution_name: str) -> dict[str, bytes]:
    """Path -> content of the installed distribution. Raises OpsError when it cannot be vendored."""
    try:
        distribution = importlib.metadata.distribution(distribution_name)
    except importlib.metadata.PackageNotFoundError:
        raise OpsError(
            f"The package {distribution_name} cannot be put into the function: it is not installed.",
            hint=f"Run: python -m pip install {distribution_name}",
        ) from None
    _require_pure_python(distribution, distribution_name)
    return {path.as_posix(): normalise_newlines(path.read_binary()) for path in _needed(distribution)}


def normalise_newlines(source: bytes) -> bytes:
    """Text with LF only: a checkout on Windows must not change the zip."""
    return source.replace(b"\r\n", b"\n")


def _needed(distribution: importlib.metadata.Distribution) -> Iterator[importlib.metadata.PackagePath]:
    for path in distribution.files or ():
        outside = path.is_absolute() or ".." in path.parts
        is_licence = path.name.upper().startswith(("LICENSE", "LICENCE"))
        if not outside and (path.suffix == ".py" or is_licence):
            yield path


def _require_pure_python(distribution: importlib.metadata.Distribution, name: str) -> None:
    if not distribution.files:
        why = "its installation has no RECORD that says which files belong to it"
    elif any(path.suffix in {".so", ".pyd", ".dylib"} for path in distribution.files):
        why = "it contains compiled code, which fits one processor and Python only"
    else:
        return
    raise OpsError(
        f"The package {name} cannot be put into the function: {why}.",
        hint=f"Reinstall it with pip: python -m pip install --force-reinstall {name}",
    )
