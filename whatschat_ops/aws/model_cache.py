"""botocore's service models, kept as a program reads them fastest.

botocore parses 6 MB of JSON for the eight services of a stack, in every process, and two thirds of it are texts that no program
reads. What was read once is kept in the user's cache directory without those texts, in the form that Python keeps compiled
code in (`marshal`). A command uses a few of a service's shapes and operations: each is kept by itself, and read when it is asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import marshal
import os
import sys
import threading
from collections import UserDict
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from botocore.loaders import JSONFileLoader


class CachedFileLoader(JSONFileLoader):  # type: ignore[misc]
    """Reads a model from `directory` if it was read before from the same file, unchanged since.

    A file of the cache has a line that says what it was made of, then the model. The cache may be deleted at any time; where
    it cannot be read or written, everything works as without it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / sys.implementation.cache_tag

    def load_file(self, file_path: str) -> Any:
        """The model of `file_path`, which has no extension. None if there is no such file."""
        for extension in (".json", ".json.gz"):
            source = Path(file_path + extension)
            try:
                found = source.stat()
            except OSError:
                continue
            origin = os.fsencode(f"{source} {found.st_size} {found.st_mtime_ns}\n")
            place = self._directory / _name(source)
            model = _kept(place, origin)
            if model is None:
                model = without_documentation(_read(source))
                _pack(model)
                _keep(place, origin + marshal.dumps(model))
            return _unpacked(model)
        return None


def _name(source: Path) -> str:
    """For example `dynamodb-service-2.json.gz-0a1b2c3d4e5f.entries`: one for each file, of whatever installation."""
    digest = hashlib.sha256(os.fsencode(source)).hexdigest()[:12]
    return f"{source.parent.parent.name}-{source.name}-{digest}.entries"


def _read(source: Path) -> Any:
    content = source.read_bytes()
    return json.loads(gzip.decompress(content) if source.suffix == ".gz" else content)


def _kept(place: Path, origin: bytes) -> Any:
    """What the cache has of a file. None if it has nothing, or something older, or is damaged."""
    try:
        with place.open("rb") as file:
            return marshal.loads(file.read()) if file.readline() == origin else None
    except (OSError, ValueError, TypeError, EOFError):
        return None


class _Entries(UserDict[str, Any], dict[str, Any]):  # type: ignore[misc]
    """A dictionary whose values are read when they are first asked for. A `dict` too, because botocore's extras merge into dicts."""

    @classmethod
    def of(cls, packed: dict[str, bytes]) -> Self:
        entries = cls()
        entries.data = packed
        return entries

    def __getitem__(self, key: str) -> Any:
        value = self.data[key]
        if isinstance(value, bytes):
            value = self.data[key] = marshal.loads(value)
        return value


def _dictionaries(model: Any) -> list[tuple[dict[str, Any], str]]:
    """Those of many entries, and what holds them: a service's shapes and operations, a partition's services."""
    holders = (model, *model.get("partitions", ())) if isinstance(model, dict) else ()
    names = ("shapes", "operations", "services")
    return [(each, name) for each in holders for name in names if isinstance(each.get(name), dict)]


def _pack(model: Any) -> None:
    for holder, name in _dictionaries(model):
        holder[name] = {key: marshal.dumps(value) for key, value in holder[name].items()}


def _unpacked(model: Any) -> Any:
    for holder, name in _dictionaries(model):
        holder[name] = _Entries.of(holder[name])
    return model


def _keep(place: Path, content: bytes) -> None:
    """Put a model into the cache, whole or not at all."""
    partial = place.with_name(f"{place.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(place)
    except OSError:  # a full disk, a home that is not ours: the next run reads botocore's file again
        with suppress(OSError):
            partial.unlink()


def without_documentation(model: Any) -> Any:
    """A service model without its texts for people. Whatever has no shapes and operations stays as it is.

    >>> without_documentation({"shapes": {"Name": {"type": "string", "documentation": "<p>A name.</p>"}}})
    {'shapes': {'Name': {'type': 'string'}}}
    """
    if not isinstance(model, dict):
        return model
    return {
        part: _stripped(value) if part in ("shapes", "operations") else value for part, value in model.items()
    }


def _stripped(part: Any) -> Any:
    """Without the texts that are called `documentation`; a member of that name is no text, and stays."""
    if isinstance(part, dict):
        kept = (item for item in part.items() if item[0] != "documentation" or not isinstance(item[1], str))
        return {key: _stripped(value) for key, value in kept}
    return [_stripped(value) for value in part] if isinstance(part, list) else part
