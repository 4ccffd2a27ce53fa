"""What is in the source distribution and in the wheel, against the files that git tracks."""

from __future__ import annotations

import email
import subprocess
import tarfile
import zipfile
from email.message import Message
from functools import cache
from pathlib import Path
from typing import Final

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "whatschat_ops"
MADE: Final = {"PKG-INFO"}
"""What a source distribution has beside files of the repository."""


def build(directory: Path, root: Path = ROOT) -> tuple[Path, Path]:
    """The source distribution and the wheel of a source tree, built into `directory`."""
    (sdist,) = SdistBuilder(str(root)).build(directory=str(directory), versions=["standard"])
    (wheel,) = WheelBuilder(str(root)).build(directory=str(directory), versions=["standard"])
    return Path(sdist), Path(wheel)


def tracked(folder: str = ".") -> set[str]:
    """The files of the repository that git tracks, and those that would be added."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}


@cache
def contents(archive: Path) -> dict[str, bytes]:
    """Name in the archive, of a source distribution without its folder -> content."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    found = {}
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            stream = sdist.extractfile(member)
            if stream is not None:
                found[member.name.partition("/")[2]] = stream.read()
    return found


def metadata(wheel: Path) -> Message:
    """The core metadata of a wheel."""
    files = contents(wheel)
    (name,) = (name for name in files if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(files[name])


def naming_this_machine(archive: Path) -> list[str]:
    """The files in an archive that name the folder of this repository."""
    places = [str(ROOT).encode(), str(ROOT.resolve()).encode()]
    return [name for name, data in contents(archive).items() if any(place in data for place in places)]
