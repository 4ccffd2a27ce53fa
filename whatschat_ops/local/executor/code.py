"""Unpacked function code: one directory per code hash, shared by the pools that run it.

Takes deployment packages (zip bytes); gives directories. Mode bits and symbolic links are kept; a package that would
write outside its directory is rejected.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from whatschat_ops.local.executor.failures import CannotStart, InvocationFailure
from whatschat_ops.quotas import MAX_CODE_UNZIPPED_BYTES


@dataclass(slots=True)
class _Package:
    """A package on disk, or being unpacked."""

    unpacking: asyncio.Task[Path]
    users: int = 0
    unused_since: float = 0.0


class CodeStore:
    """Unpacks each package once, and deletes it when it has been unused for some time."""

    def __init__(self, directory: Path, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._clock = clock
        self._packages: dict[str, _Package] = {}
        self._serial = itertools.count()

    async def acquire(self, code_sha256: str, code_zip: bytes) -> Path:
        """The directory with the code; release it after use. Raises CannotStart for an invalid package."""
        package = self._packages.get(code_sha256)
        if package is None:
            # Never the same name twice: the previous directory of this hash may still be being deleted.
            name = f"{hashlib.sha256(code_sha256.encode()).hexdigest()[:32]}-{next(self._serial)}"
            unpacking = asyncio.create_task(asyncio.to_thread(unpack, code_zip, self._directory / name))
            package = self._packages[code_sha256] = _Package(unpacking)
        package.users += 1
        try:
            return await asyncio.shield(package.unpacking)
        except BaseException:
            self.release(code_sha256)
            raise

    def release(self, code_sha256: str) -> None:
        """Release the directory."""
        package = self._packages[code_sha256]
        package.users -= 1
        package.unused_since = self._clock()

    async def sweep(self, unused_for_s: float) -> None:
        """Delete packages that have been unused for that long."""
        now = self._clock()
        old = [
            sha
            for sha, package in self._packages.items()
            if not package.users and now - package.unused_since >= unused_for_s
        ]
        for package in [self._packages.pop(sha) for sha in old]:
            await asyncio.wait([package.unpacking])
            if package.unpacking.exception() is None:
                # What a remaining process keeps open is deleted with the whole directory when the executor is closed.
                await asyncio.to_thread(shutil.rmtree, package.unpacking.result(), ignore_errors=True)


def unpack(code_zip: bytes, target: Path) -> Path:
    """Unpack the zip into `target`, a new directory. Raises CannotStart, and leaves nothing, for an invalid package."""
    target.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(code_zip)) as package:
            _check_size(package)
            for entry in package.infolist():
                _unpack_entry(package, entry, target)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        shutil.rmtree(target)
        raise _bad_package(str(error)) from error
    except CannotStart:
        shutil.rmtree(target)
        raise
    return target


def _check_size(package: zipfile.ZipFile) -> None:
    if sum(entry.file_size for entry in package.infolist()) > MAX_CODE_UNZIPPED_BYTES:
        raise _bad_package(f"Unzipped size must be smaller than {MAX_CODE_UNZIPPED_BYTES} bytes")


def _unpack_entry(package: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path) -> None:
    destination = _inside(root, root.joinpath(*_parts(entry.filename)), entry.filename)
    mode = entry.external_attr >> 16
    if entry.is_dir():
        destination.mkdir(parents=True, exist_ok=True)
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        link = package.read(entry).decode()
        _inside(root, destination.parent / link, entry.filename)
        destination.symlink_to(link)
        return
    with package.open(entry) as source, destination.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    if mode & 0o777:
        destination.chmod(mode & 0o777)


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a name in a zip; Windows tools write backslashes."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise _bad_package(f"'{name}' leads out of the package")
    return path.parts


def _inside(root: Path, path: Path, name: str) -> Path:
    """`path`, if it is inside `root` after resolving the links created so far."""
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise _bad_package(f"'{name}' leads out of the package")
    return path


def _bad_package(reason: str) -> CannotStart:
    return CannotStart(
        InvocationFailure(
            "InvalidZipFileException", f"Lambda could not unzip the deployment package: {reason}"
        )
    )
