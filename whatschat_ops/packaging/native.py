"""Compiled code in a zip that Lambda's machines cannot load.

Reads the headers of ELF files (elf(5)), Mach-O files and Windows' PE files, whatever they are called. Lambda's machines run Linux with
glibc 2.34 (docs.aws.amazon.com/lambda, "Lambda runtimes": Amazon Linux 2023; docs.aws.amazon.com/linux/al2023, "glibc").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

ELF: Final = b"\x7fELF"
ELF_MACHINES: Final = {3: "x86", 40: "arm", 62: "x86_64", 183: "arm64"}
"""e_machine of an ELF file (elf.h: EM_386, EM_ARM, EM_X86_64, EM_AARCH64), at byte 18."""

MACH_O: Final = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""64 bits, 32 bits, and several processors in one file (mach-o/loader.h); the last is also a Java class."""

LIBRARIES: Final = re.compile(r"\.(?:node|dll|exe|dylib|so(?:\.\d+)*)$")
GLIBC: Final = re.compile(rb"GLIBC_2\.(\d+)")
GLIBC_MINOR: Final = 34
MUSL: Final = re.compile(rb"ld-musl-|libc\.musl-")


def not_loadable(files: Mapping[str, bytes], architecture: str) -> list[str]:
    """`path (what it is for)` of each compiled file that Lambda cannot load on `arm64` or `x86_64`, sorted."""
    made_for = {path: _target(path, content, architecture) for path, content in sorted(files.items())}
    return [f"{path} ({target})" for path, target in made_for.items() if target is not None]


def note_not_loadable(files: Mapping[str, bytes], architecture: str, say: Callable[[str], None]) -> None:
    """Warn of each file that is `not_loadable`."""
    foreign = not_loadable(files, architecture)
    if foreign:
        say(f"Warning: compiled code that Lambda cannot load on {architecture}: {', '.join(foreign)}.")


def _target(path: str, content: bytes, architecture: str) -> str | None:
    """What a compiled file is for, if that is not Lambda's machine."""
    if content.startswith(ELF):
        return _elf_target(content, architecture)
    if not LIBRARIES.search(path):
        return None
    if content.startswith(MACH_O):
        return "macOS"
    return "Windows" if content.startswith(b"MZ") else None


def _elf_target(content: bytes, architecture: str) -> str | None:
    order = "big" if content[5:6] == b"\2" else "little"  # EI_DATA
    machine = int.from_bytes(content[18:20], "big" if order == "big" else "little")
    processor = ELF_MACHINES.get(machine, f"processor {machine}")
    if processor != architecture:
        return f"Linux on {processor}"
    if MUSL.search(content):
        return "musl"
    newest = max((int(minor) for minor in GLIBC.findall(content)), default=0)
    return f"glibc 2.{newest}" if newest > GLIBC_MINOR else None
