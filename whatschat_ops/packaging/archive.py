"""Files -> a zip that Lambda accepts, and that is the same bytes wherever and whenever it is built.

Takes a mapping of paths to contents; gives the zip's bytes. Reads no file and no clock. Entries are stored,
not deflated: zlib's output differs between its versions (and zlib-ng), and the zips are a few hundred KB, so
compression would buy nothing and cost the promise that equal sources have an equal CodeSha256.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from whatschat_ops.errors import OpsError
from whatschat_ops.quotas import MAX_CODE_UNZIPPED_BYTES, MAX_CODE_ZIPPED_BYTES

EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can express."""

UNIX: Final = 3
"""`create_system` of every entry; the standard library would write the building machine's own."""

REGULAR_FILE_0644: Final = 0o100644
PROGRAM_0755: Final = 0o100755
SYMBOLIC_LINK: Final = 0o120777
"""Lambda runs the code as another user: it must be readable by all."""

MEGABYTE: Final = 1024 * 1024


class SizeLimits(NamedTuple):
    """How large a function's code may be, in bytes."""

    zipped_bytes: int
    unzipped_bytes: int


LAMBDA_LIMITS: Final = SizeLimits(MAX_CODE_ZIPPED_BYTES, MAX_CODE_UNZIPPED_BYTES)
"""A direct upload, and its contents with all layers."""


def build_zip(
    files: Mapping[str, bytes], modes: Mapping[str, int] = MappingProxyType({}), *, compress: bool = False
) -> bytes:
    """A zip of `files` (path with forward slashes -> content), sorted by path.

    `modes` has the `st_mode` of what is not a plain file that all may read: programs and symbolic links.
    """
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=9) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, EARLIEST)
            entry.create_system = UNIX
            entry.external_attr = modes.get(path, REGULAR_FILE_0644) << 16
            entry.compress_type = method
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def pack(
    function: str,
    files: Mapping[str, bytes],
    modes: Mapping[str, int] = MappingProxyType({}),
    limits: SizeLimits = LAMBDA_LIMITS,
) -> bytes:
    """The zip that is uploaded. Raises OpsError, naming the largest parts, when Lambda would refuse its size.

    It is deflated only when it is too large otherwise: then equal files have equal bytes where zlib is the same.
    """
    zip_bytes = build_zip(files, modes)
    if len(zip_bytes) > limits.zipped_bytes:
        zip_bytes = build_zip(files, modes, compress=True)
    check_size(function, files, zip_bytes, limits)
    return zip_bytes


def check_size(
    function: str, files: Mapping[str, bytes], zip_bytes: bytes, limits: SizeLimits = LAMBDA_LIMITS
) -> None:
    """Raise OpsError, naming the largest parts, when Lambda would refuse the code for its size."""
    unzipped_bytes = sum(len(content) for content in files.values())
    for what, size_bytes, limit_bytes in (
        ("zipped", len(zip_bytes), limits.zipped_bytes),
        ("unzipped", unzipped_bytes, limits.unzipped_bytes),
    ):
        if size_bytes > limit_bytes:
            raise OpsError(
                f"The code of the function {function} is too large: {_megabytes(size_bytes)} {what}, "
                f"and Lambda accepts {_megabytes(limit_bytes)}.",
                hint=f"Cut the largest parts first: {_largest_parts(files)}.",
            )


def _largest_parts(files: Mapping[str, bytes], count: int = 3) -> str:
    """The largest packages, top-level folders and files, largest first."""
    size_by_part: dict[str, int] = {}
    for path, content in files.items():
        part = _part(path)
        size_by_part[part] = size_by_part.get(part, 0) + len(content)
    largest = sorted(size_by_part.items(), key=lambda item: (-item[1], item[0]))[:count]
    return ", ".join(f"{part} ({_megabytes(size_bytes)})" for part, size_bytes in largest)


def _part(path: str) -> str:
    """`node_modules/@scope/name` and `node_modules/name`, else the top-level folder or file."""
    top, *rest = path.split("/")
    if top != "node_modules" or not rest:
        return top
    return "/".join([top, *rest[: 2 if rest[0].startswith("@") else 1]])


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / MEGABYTE:,.1f} MB"
