"""Paths as files: a file, a folder with all below it, a glob, an object or prefix in S3.

S3 is read through our own clients: DuckDB's `httpfs` is not in its wheel, and credentials, endpoints and errors stay in one
place. One object at a time is on this machine.
"""

from __future__ import annotations

import glob
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whatschat_ops.errors import NotFound, OpsError, UsageError
from whatschat_ops.files import reporting

if TYPE_CHECKING:
    from whatschat_ops.aws import Aws

S3: Final = "s3://"
_BLOCK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Input:
    """One file. `name` is its path or s3:// address; `version` changes when its content does."""

    name: str
    size_bytes: int
    version: str

    @property
    def in_s3(self) -> bool:
        """Whether it is an object in S3."""
        return self.name.startswith(S3)

    @contextmanager
    def here(self, folder: Path, aws: Aws | None) -> Iterator[Path]:
        """The file on this machine while the block runs; an object of S3 is copied to `folder`."""
        if not self.in_s3:
            yield Path(self.name)
            return
        target = folder / "object"
        try:
            _copy(self, target, _needed(aws))
            yield target
        finally:
            target.unlink(missing_ok=True)


def inputs(paths: Sequence[str], aws: Aws | None = None, *, flag: str) -> tuple[Input, ...]:
    """Every file that the paths name, once, in the order of names. Raises UsageError for a path that names none."""
    found: dict[str, Input] = {}
    for path in paths:
        those = list(_objects(path, _needed(aws)) if path.startswith(S3) else _files(path, flag))
        if not those:
            raise UsageError(f"{path} names no files.", hint=f"Name another path with {flag}.")
        found.update((each.name, each) for each in those)
    return tuple(found[name] for name in sorted(found))


def _files(path: str, flag: str) -> Iterator[Input]:
    with reporting(Path(path), flag=flag):
        if Path(path).is_dir():
            those = [each for each in Path(path).rglob("*") if not _is_hidden(each.relative_to(path))]
        elif not Path(path).exists() and glob.has_magic(path):
            those = [Path(each) for each in glob.iglob(path, recursive=True)]  # noqa: PTH207 - an absolute pattern
        else:
            those = [Path(path)]
            Path(path).stat()
    for file in those:
        with reporting(file, flag=flag):
            if not file.is_dir():
                stat = file.stat()
                yield Input(str(file.absolute()), stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")


def _is_hidden(path: Path) -> bool:
    """Marks of other programs (_SUCCESS, .crc) and files that are being written."""
    return any(part.startswith((".", "_")) for part in path.parts)


def _objects(address: str, aws: Aws) -> Iterator[Input]:
    bucket, _, prefix = address.removeprefix(S3).partition("/")
    if not bucket:
        raise UsageError(f"{address} names no bucket.", hint="For example: s3://BUCKET/logs/")
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in _of_bucket(pages, address):
        for each in page.get("Contents", ()):
            key = str(each["Key"])
            rest = key.removeprefix(prefix).lstrip("/")
            is_file = not key.endswith("/") and not _is_hidden(Path(rest))
            if is_file and (key == prefix or prefix.endswith("/") or not prefix or rest != key):
                yield Input(f"{S3}{bucket}/{key}", int(each["Size"]), str(each["ETag"]))


def _of_bucket(pages: Iterable[Mapping[str, Any]], address: str) -> Iterator[Mapping[str, Any]]:
    try:
        yield from pages
    except NotFound as error:
        raise NotFound(f"{address}: {error.message}", hint="List the buckets: aws s3 ls") from error


def _copy(source: Input, target: Path, aws: Aws) -> None:
    free = shutil.disk_usage(target.parent).free
    if source.size_bytes > free:
        raise OpsError(
            f"{source.name} has {source.size_bytes:,} bytes, and {target.parent} has {free:,} free.",
            hint="Set TMPDIR to a folder with more space.",
        )
    bucket, _, key = source.name.removeprefix(S3).partition("/")
    body = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    with reporting(target, written=True), target.open("wb") as stream:
        for block in body.iter_chunks(_BLOCK_BYTES):
            stream.write(block)


def _needed(aws: Aws | None) -> Aws:
    if aws is None:
        raise UsageError("Files in S3 are not read here.", hint="Copy them to this machine first.")
    return aws
