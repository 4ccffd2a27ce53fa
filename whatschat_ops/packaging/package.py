"""One function's code, ready for CreateFunction and UpdateFunctionCode, made of a zip's bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FunctionPackage:
    """The code of one function."""

    function: str
    """`connect`, `disconnect` or `default`."""
    handler: str
    """Lambda's `Handler`, for example `whatschat_handlers.connect.handler`."""
    zip_bytes: bytes = field(repr=False)
    sha256_base64: str
    """Lambda's `CodeSha256`: the base64 of the zip's SHA-256."""

    @property
    def size_bytes(self) -> int:
        """The size of the zip."""
        return len(self.zip_bytes)

    @property
    def unzipped_size_bytes(self) -> int:
        """The size of its files."""
        return sum(entry.file_size for entry in self._entries())

    @property
    def file_names(self) -> tuple[str, ...]:
        """The paths of its files, in their order."""
        return tuple(entry.filename for entry in self._entries())

    def _entries(self) -> list[zipfile.ZipInfo]:
        with zipfile.ZipFile(io.BytesIO(self.zip_bytes)) as archive:
            return archive.infolist()


def function_package(function: str, handler: str, zip_bytes: bytes) -> FunctionPackage:
    """The package of `function`."""
    sha256 = hashlib.sha256(zip_bytes).digest()
    return FunctionPackage(function, handler, zip_bytes, base64.b64encode(sha256).decode("ascii"))
