"""Code as npm's world leaves it (a zip of any layout, or a folder) -> paths, contents and modes.

What differs from build to build without a reason is left behind: times, owners, directory entries, and what macOS
adds. Programs stay programs and symbolic links stay links.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
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


def read_zip(zip_bytes: bytes, name: str) -> ZipContent:
    """The content of a zip. Raises OpsError when it is no zip, or would unpack outside of its directory."""
    content = ZipContent({})
    try:
        with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
            for entry in archive.infolist():
                path = _clean_path(entry.filename, name)
                if not entry.is_dir() and path is not None:
                    content.files[path] = archive.read(entry)
                    _note_mode(content, path, entry.external_attr >> 16)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise OpsError(
            f"{name} cannot be used: it is not a zip that Lambda could unpack ({error})."
        ) from error
    return content


def read_folder(folder: Path) -> ZipContent:
    """`dist` and package.json; without a `dist` all code in the folder. Never node_modules."""
    content = ZipContent({})
    root = folder / DIST if (folder / DIST).is_dir() else folder
    for path, name in files_below(root, folder):
        if root != folder or Path(name).suffix in CODE_SUFFIXES:
            add_file(content, path, name)
    add_file(content, folder / "package.json", "package.json")
    return content


def files_below(root: Path, relative_to: Path) -> list[tuple[Path, str]]:
    """(path, name with forward slashes) of every file below `root`, without node_modules and hidden folders."""
    found = []
    for directory, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != "node_modules" and not name.startswith(".")]
        found += [Path(directory, name) for name in names]
    return [(path, path.relative_to(relative_to).as_posix()) for path in sorted(found) if path.is_file()]


def add_file(content: ZipContent, path: Path, name: str) -> None:
    """Put a file of this machine into the content; a link becomes the file that it points to."""
    content.files[name] = path.read_bytes()
    _note_mode(content, name, path.stat().st_mode)


def _clean_path(raw: str, name: str) -> str | None:
    path = PurePosixPath(raw.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise OpsError(f"{name} cannot be used: {raw!r} in it leads out of the package.")
    return None if "__MACOSX" in path.parts or path.name == ".DS_Store" else path.as_posix()


def _note_mode(content: ZipContent, name: str, mode: int) -> None:
    if stat.S_ISLNK(mode):
        content.modes[name] = SYMBOLIC_LINK
    elif mode & stat.S_IXUSR:
        content.modes[name] = PROGRAM_0755
