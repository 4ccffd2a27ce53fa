"""What goes into `pack` comes out of its zip: contents, modes, links, and no date."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.errors import OpsError
from whatschat_ops.packaging.archive import SizeLimits, pack

MODES = {"bin/run": 0o100755, "lib/link.so": 0o120777}
FILES = {"bin/run": b"#!/bin/sh\n", "lib/link.so": b"link.so.1", "lib/link.so.1": b"\x7fELF", "a.py": b""}


def entries(zip_bytes: bytes) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
        return {entry.filename: entry for entry in archive.infolist()}


@pytest.mark.parametrize("zipped_bytes", [10_000, 600], ids=["stored", "deflated"])
def test_programs_and_links_stay_what_they_are(zipped_bytes: int) -> None:
    files = {**FILES, "large.txt": b"x" * 1_000}
    zip_bytes = pack("f", files, MODES, SizeLimits(zipped_bytes, 100_000))
    found = entries(zip_bytes)
    modes = {name: entry.external_attr >> 16 for name, entry in found.items()}
    assert modes == {**dict.fromkeys(files, 0o100644), **MODES}
    assert stat.S_ISLNK(modes["lib/link.so"])
    assert modes["bin/run"] & stat.S_IXOTH  # Lambda runs the code as another user
    method = zipfile.ZIP_STORED if zipped_bytes == 10_000 else zipfile.ZIP_DEFLATED
    assert {entry.compress_type for entry in found.values()} == {method}
    with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_every_entry_is_of_unix_and_has_the_first_date_that_a_zip_knows() -> None:
    found = entries(pack("f", FILES))
    assert {(entry.date_time, entry.create_system) for entry in found.values()} == {
        ((1980, 1, 1, 0, 0, 0), 3)
    }


@given(st.permutations(sorted(FILES)))
def test_order_of_the_files_decides_nothing(names: list[str]) -> None:
    assert pack("f", {name: FILES[name] for name in names}, MODES) == pack("f", FILES, MODES)


@pytest.mark.parametrize(("unzipped_bytes", "refused"), [(1_000, False), (999, True)])
def test_code_of_exactly_the_largest_size_is_accepted(unzipped_bytes: int, refused: bool) -> None:
    limits = SizeLimits(zipped_bytes=10_000, unzipped_bytes=unzipped_bytes)
    if refused:
        with pytest.raises(OpsError, match="too large"):
            pack("f", {"a.py": b"x" * 1_000}, limits=limits)
    else:
        assert pack("f", {"a.py": b"x" * 1_000}, limits=limits)
