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
    file_names: tuple[str, ...]
    size_bytes: int
    unzipped_size_bytes: int


def function_package(function: str, handler: str, zip_bytes: bytes) -> FunctionPackage:
    """The package of `function`, described by its own zip."""
    with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
        entries = archive.infolist()
    return FunctionPackage(
        function=function,
        handler=handler,
        zip_bytes=zip_bytes,
        sha256_base64=base64.b64encode(hashlib.sha256(zip_bytes).digest()).decode("ascii"),
        file_names=tuple(entry.filename for entry in entries),
        size_bytes=len(zip_bytes),
        unzipped_size_bytes=sum(entry.file_size for entry in entries),
    )
