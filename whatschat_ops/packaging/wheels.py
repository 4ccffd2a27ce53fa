"""Requirements -> the files of their wheels, as they are for Lambda's machines and not for this one.

Takes lines in pip's format; gives paths, contents and modes, without what pip or a wheel writes about the installation. Wheels
are downloaded by pip (so that the user's own index and proxy apply) once per set of requirements, runtime and
architecture, and kept in the state directory. Nothing is compiled and no package's code runs here.

Lambda's Python 3.12 and later run on Amazon Linux 2023, which has glibc 2.34
(docs.aws.amazon.com/lambda, "Lambda runtimes"; docs.aws.amazon.com/linux/al2023, "glibc").
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from whatschat_ops.errors import ConfigError, OpsError
from whatschat_ops.packaging.content import ZipContent
from whatschat_ops.packaging.python_imports import require_imports
from whatschat_ops.packaging.store import remove, stored

WHEEL_ARCHITECTURE: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's word for a processor -> the one in a wheel's name."""

GLIBC_MINORS: Final = range(34, 16, -1)
"""manylinux_2_34 to manylinux_2_17: what glibc 2.34 can run, newest first."""

NOISE: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json"})
"""Of a wheel's .dist-info: how it was installed. METADATA and entry points stay, since libraries read them."""

OUTPUT_LINES: Final = 20
"""Of pip's output that an error shows."""


def requirement_files(
    path: Path,
    runtime: str,
    architecture: str,
    say: Callable[[str], None] = lambda _line: None,
    *,
    rebuild: bool = False,
) -> ZipContent:
    """Everything that the file `path` requires, with its dependencies, as it lies in the zip. `rebuild`: downloaded again.

    Raises ConfigError for a file that cannot be read or names other files, OpsError with pip's own output or when a module that is
    imported is in none of the wheels.
    """
    lines = list(_requirement_lines(path))
    options = _platform_options(runtime, architecture)
    wheels = downloaded_wheels(
        "\n".join(lines),
        options,
        say,
        lambda found: require_imports(_all_unpacked(found).files, runtime),
        rebuild=rebuild,
    )
    _note_unpinned(path, lines, wheels, say)
    return _all_unpacked(wheels)


def _all_unpacked(wheels: Iterable[Path]) -> ZipContent:
    content = ZipContent({})
    for one in map(unpacked, wheels):
        content.files.update(one.files)
        content.modes.update(one.modes)
    return content


def downloaded_wheels(
    requirements: str,
    options: Sequence[str],
    say: Callable[[str], None],
    check: Callable[[list[Path]], None] = lambda _wheels: None,
    *,
    rebuild: bool = False,
) -> list[Path]:
    """The wheels of `requirements`, from the state directory or by `pip download`, sorted by name.

    What was downloaded is kept unless `check` raises.
    """

    def make(target: Path) -> None:
        _download(requirements, options, target, say)
        check(sorted(target.glob("*.whl")))

    key = hashlib.sha256("\n".join((requirements, "", *options)).encode()).hexdigest()[:32]
    if rebuild:
        remove("wheels", key)
    directory = stored("wheels", key, make)
    return sorted(directory.glob("*.whl"))


def unpacked(wheel: Path) -> ZipContent:
    """A wheel's modules, programs and metadata, as an installation lays them out."""
    content = ZipContent({})
    with zipfile.ZipFile(io.BytesIO(wheel.read_bytes())) as archive:
        for entry in archive.infolist():
            target = None if entry.is_dir() else _installed_path(entry.filename)
            if target is not None:
                content.add(target, archive.read(entry), entry.external_attr >> 16)
    return content


def _installed_path(name: str) -> str | None:
    """Where a wheel's file belongs (PEP 427); None for scripts, headers, byte code and records."""
    path = PurePosixPath(name)
    if path.suffix == ".pyc" or "__pycache__" in path.parts or ".." in path.parts or path.is_absolute():
        return None
    top, *rest = path.parts
    if rest and top.endswith(".data"):
        return "/".join(rest[1:]) if rest[0] in ("purelib", "platlib") else None
    return None if top.endswith(".dist-info") and path.name in NOISE else name


def _platform_options(runtime: str, architecture: str) -> list[str]:
    processor = WHEEL_ARCHITECTURE[architecture]
    platforms = [
        *(f"manylinux_2_{minor}_{processor}" for minor in GLIBC_MINORS),
        f"manylinux2014_{processor}",
    ]
    version = runtime.removeprefix("python")
    return [
        *(option for platform in platforms for option in ("--platform", platform)),
        *("--implementation", "cp", "--python-version", version),
    ]


def _requirement_lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file of requirements {path} cannot be read: {error}.", hint="Set lambda.requirements."
        ) from error
    for line in (line.strip() for line in text.replace("\\\n", " ").splitlines()):
        if line.startswith("-"):
            raise ConfigError(
                f"{path}: {line}: only packages can be listed here, each on a line of its own.",
                hint="Write name==version; pip's own settings (PIP_INDEX_URL, pip.conf) say where from.",
            )
        if line and not line.startswith("#"):
            yield line


def _note_unpinned(
    path: Path, lines: Sequence[str], wheels: Sequence[Path], say: Callable[[str], None]
) -> None:
    """Say which packages came in a version that pip chose: another day or machine may choose another one."""
    pinned = {_normal_name(re.split(r"[\s\[=]", line)[0]) for line in lines if "==" in line}
    chosen = [wheel.name.split("-")[:2] for wheel in wheels]
    loose = [f"{name}=={version}" for name, version in chosen if _normal_name(name) not in pinned]
    if loose:
        say(f"{path.name} does not pin {', '.join(loose)}: add them to get the same zips everywhere.")


def _normal_name(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _download(requirements: str, options: Sequence[str], target: Path, say: Callable[[str], None]) -> None:
    names = [line.split()[0] for line in requirements.splitlines()]
    if not names:
        return
    say(f"pip download: {', '.join(names)}")
    listed = target / "requirements.txt"
    listed.write_text(requirements + "\n", encoding="utf-8")
    command = [
        *_pip(names),
        *("download", "--disable-pip-version-check", "--no-input", "--quiet", "--only-binary=:all:"),
        *(*options, "--dest", str(target), "--requirement", str(listed)),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        output = "\n".join((done.stderr + done.stdout).strip().splitlines()[-OUTPUT_LINES:])
        raise OpsError(
            f"pip cannot download {', '.join(names)} (exit code {done.returncode}):\n{output}",
            hint="Check the network and the versions. Lambda needs wheels for manylinux; source-only packages cannot be used.",
        )


def _pip(names: Sequence[str]) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise OpsError(
            f"{', '.join(names)} cannot be downloaded: this Python has no pip.",
            hint=f"Run: {sys.executable} -m ensurepip, or install exactly {', '.join(names)}",
        )
    return [sys.executable, "-m", "pip"]
