"""Code as build tools leave it (a zip of any layout, a wheel, a folder) -> paths, contents and modes.

What differs from build to build without a reason is left behind: times, owners, directory entries, and what macOS
adds. Programs stay programs and symbolic links stay links.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.archive import PROGRAM_0755, SYMBOLIC_LINK

DIST = "dist"
CODE_SUFFIXES = frozenset({".js", ".mjs", ".cjs", ".json", ".node", ".wasm"})


@dataclass(frozen=True, slots=True)
class ZipContent:
    """What a zip has in it; `modes` only of programs and symbolic links."""

    files: dict[str, bytes]
    modes: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, file: bytes, mode: int) -> None:
        """Put in a file of this `st_mode`."""
        self.files[name] = file
        if stat.S_ISLNK(mode):
            self.modes[name] = SYMBOLIC_LINK
        elif mode & stat.S_IXUSR:
            self.modes[name] = PROGRAM_0755


def read_zip(zip_bytes: bytes, name: str) -> ZipContent:
    """The content of a zip. Raises OpsError when it is no zip, or would unpack outside of its directory."""
    content = ZipContent({})
    try:
        with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
            for entry in archive.infolist():
                path = _clean_path(entry.filename, name)
                if not entry.is_dir() and path is not None:
                    content.add(path, archive.read(entry), entry.external_attr >> 16)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise OpsError(
            f"{name} cannot be used: it is not a zip that Lambda could unpack ({error})."
        ) from error
    return content


def read_folder(folder: Path) -> ZipContent:
    """`dist`, whatever is in it, and package.json; without a `dist` all code in the folder, but for its packages and dot folders."""
    content = ZipContent({})
    built = (folder / DIST).is_dir()
    for path in walk(folder / DIST) if built else walk(folder, _holds_no_sources):
        if path.name != ".DS_Store" and (built or path.suffix in CODE_SUFFIXES):
            add_file(content, path, path.relative_to(folder).as_posix())
    add_file(content, folder / "package.json", "package.json")
    return content


def walk(root: Path, skip: Callable[[Path], bool] = lambda _folder: False) -> Iterator[Path]:
    """Every file below `root`, sorted, through links to folders, without the folders that `skip` names and without dead links."""
    for directory, folders, names in os.walk(root, followlinks=True):
        here = Path(directory)
        folders[:] = sorted(name for name in folders if not (skip(here / name) or _leads_back(here / name)))
        yield from (path for name in sorted(names) if (path := here / name).is_file())


def _holds_no_sources(folder: Path) -> bool:
    return folder.name == "node_modules" or folder.name.startswith(".")


def _leads_back(folder: Path) -> bool:
    """Is this a link to a folder that it lies in?"""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def add_file(content: ZipContent, path: Path, name: str) -> None:
    """Put a file of this machine into the content; a link becomes the file that it points to."""
    content.add(name, path.read_bytes(), path.stat().st_mode)


def _clean_path(raw: str, name: str) -> str | None:
    path = PurePosixPath(raw.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise OpsError(f"{name} cannot be used: {raw!r} in it leads out of the package.")
    return None if "__MACOSX" in path.parts or path.name == ".DS_Store" else path.as_posix()
