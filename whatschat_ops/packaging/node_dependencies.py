"""Which production dependencies a Node zip lacks, and their files from the folder's node_modules.

Lambda's Node.js runtimes bring the AWS SDK v3 (docs.aws.amazon.com/lambda, "Building Lambda functions with Node.js",
"Runtime-included SDK versions"), in a version that changes under the function; the embedded AWS brings none.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.node_handlers import SUFFIXES
from whatschat_ops.packaging.node_steps import npm_command, tail
from whatschat_ops.packaging.node_zip import ZipContent, add_file, files_below

IMPORTED: Final = re.compile(rb"""(?:\brequire\s*\(|\bfrom|\bimport\s*\(?)\s*["']([^"'\n]+)["']""")
UNUSED_SUFFIXES: Final = (".d.ts", ".d.mts", ".d.cts", ".map", ".tsbuildinfo")
"""For compilers and debuggers; Lambda runs without them."""

NODE_MODULES: Final = "node_modules"

ELF: Final = b"\x7fELF"
ELF_MACHINES: Final = {62: "x86_64", 183: "arm64"}
"""e_machine of an ELF file (elf.h: EM_X86_64, EM_AARCH64), little-endian at byte 18."""


def missing_dependencies(
    files: Mapping[str, bytes], declared: Iterable[str], *, imported_only: bool
) -> list[str]:
    """The declared dependencies that are not in the zip; `imported_only`: and that its own code imports."""
    missing = {name for name in declared if f"{NODE_MODULES}/{name}/package.json" not in files}
    return sorted(missing & _imported(files) if imported_only else missing)


def dependency_files(folder: Path, say: Callable[[str], None] = lambda _line: None) -> ZipContent:
    """All production dependencies, as they lie in node_modules. Raises OpsError when npm cannot list them."""
    content = ZipContent({})
    for directory in _production_directories(folder, say):
        at = directory.parts.index(NODE_MODULES)
        root = Path(*directory.parts[:at])  # the folder, or that of the workspace it belongs to
        for path, name in files_below(directory, root):
            if not name.endswith(UNUSED_SUFFIXES):
                add_file(content, path, name)
    return content


def compiled_for_another_processor(files: Mapping[str, bytes], architecture: str) -> list[str]:
    """The native add-ons, if none of them can be loaded there (many packages bring one for every system)."""
    addons = sorted(name for name in files if name.endswith(".node"))
    return [] if any(_processor(files[name]) == architecture for name in addons) else addons


def _imported(files: Mapping[str, bytes]) -> set[str]:
    """Package names in `require("…")`, `from "…"` and `import("…")` of the zip's own code."""
    names: set[str] = set()
    for path, content in files.items():
        if path.endswith(SUFFIXES) and NODE_MODULES not in path.split("/"):
            specifiers = (found.decode("utf-8", "replace") for found in IMPORTED.findall(content))
            names |= {_package(specifier) for specifier in specifiers}
    return names


def _package(specifier: str) -> str:
    """`@scope/name` of `@scope/name/deep/file`, `name` of `name/file`."""
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])


def _production_directories(folder: Path, say: Callable[[str], None]) -> list[Path]:
    command = npm_command("ls", "--omit=dev", "--all", "--parseable")
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    directories = [Path(line) for line in done.stdout.splitlines() if NODE_MODULES in Path(line).parts]
    found = sorted(path for path in directories if path.is_dir())
    if not found:
        raise OpsError(
            f"npm lists no installed production dependencies in {folder}:\n{tail(done.stderr)}",
            hint="Put `install` into lambda.source.steps, or set lambda.source.dependencies to runtime.",
        )
    if done.returncode != 0:
        say(f"Warning: npm ls finds fault with the dependencies in {folder}:\n{tail(done.stderr)}")
    return found


def _processor(content: bytes) -> str | None:
    """The processor that an ELF file is for; None for one that we do not know and for another system's file."""
    if not content.startswith(ELF):
        return None
    return ELF_MACHINES.get(int.from_bytes(content[18:20], "little"))
