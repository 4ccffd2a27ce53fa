"""Packages are unpacked as they are, or rejected."""

from __future__ import annotations

import asyncio
import io
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from whatschat_ops.local.executor import code
from whatschat_ops.local.executor.code import CodeStore, unpack
from whatschat_ops.local.executor.failures import CannotStart

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="mode bits and links are POSIX's")


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def package(*entries: tuple[str | zipfile.ZipInfo, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in entries:
            archive.writestr(name, text)
    return buffer.getvalue()


def test_nested_files_are_unpacked(tmp_path: Path) -> None:
    root = unpack(package(("app.py", "a"), ("lib/", ""), ("lib/deep/b.py", "b")), tmp_path / "x")
    assert (root / "app.py").read_text() == "a"
    assert (root / "lib" / "deep" / "b.py").read_text() == "b"


def test_backslashes_of_windows_tools_are_separators(tmp_path: Path) -> None:
    root = unpack(package(("lib\\b.py", "b")), tmp_path / "x")
    assert (root / "lib" / "b.py").read_text() == "b"


@posix_only
def test_mode_bits_are_kept(tmp_path: Path) -> None:
    root = unpack(
        package((entry("run.sh", stat.S_IFREG | 0o755), "#"), (entry("x", 0o100640), "#")), tmp_path / "x"
    )
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "x").stat().st_mode) == 0o640


@posix_only
def test_link_inside_the_package_is_kept(tmp_path: Path) -> None:
    link = entry("node_modules/.bin/tool", stat.S_IFLNK | 0o777)
    root = unpack(package(("node_modules/tool.js", "x"), (link, "../tool.js")), tmp_path / "x")
    assert (root / "node_modules/.bin/tool").is_symlink()
    assert (root / "node_modules/.bin/tool").read_text() == "x"


@posix_only
@pytest.mark.parametrize("target", ["../../outside", "/etc/passwd"])
def test_link_out_of_the_package_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(CannotStart, match="leads out"):
        unpack(package((entry("link", stat.S_IFLNK | 0o777), target)), tmp_path / "x")


@pytest.mark.parametrize("name", ["../evil.py", "lib/../../evil.py", "/evil.py", "..\\evil.py"])
def test_path_out_of_the_package_is_refused_and_nothing_stays(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotStart, match="leads out") as refused:
        unpack(package(("good.py", ""), (name, "")), tmp_path / "x")
    assert refused.value.failure.error_type == "InvalidZipFileException"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", [b"", b"not a zip", package(("a.py", "x" * 99))[:-30]])
def test_broken_zip_is_refused(tmp_path: Path, broken: bytes) -> None:
    with pytest.raises(CannotStart, match="could not unzip"):
        unpack(broken, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_corrupt_entry_is_refused(tmp_path: Path) -> None:
    damaged = package(("a.py", "contents")).replace(b"contents", b"CONTENTS")
    with pytest.raises(CannotStart, match="could not unzip"):
        unpack(damaged, tmp_path / "x")


def test_too_large_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "MAX_CODE_UNZIPPED_BYTES", 10)
    with pytest.raises(CannotStart, match="Unzipped size"):
        unpack(package(("a.py", "12345678901")), tmp_path / "x")


def test_store_unpacks_once_and_removes_after_the_grace_time(tmp_path: Path) -> None:
    now = [100.0]

    async def scenario() -> None:
        store = CodeStore(tmp_path, lambda: now[0])
        data = package(("a.py", ""))
        first, second = await asyncio.gather(store.acquire("sha", data), store.acquire("sha", data))
        assert first == second
        store.release("sha")
        now[0] = 200.0
        await store.sweep(60)
        assert first.exists(), "one user is left"
        store.release("sha")
        now[0] = 259.0
        await store.sweep(60)
        assert first.exists(), "the grace time is not over"
        now[0] = 260.0
        await store.sweep(60)
        assert not first.exists()
        again = await store.acquire("sha", data)
        assert (again / "a.py").exists()

    asyncio.run(scenario())


def test_invalid_package_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = CodeStore(tmp_path, lambda: 0.0)
        for _ in range(2):
            with pytest.raises(CannotStart):
                await store.acquire("sha", b"broken")
        await store.sweep(0)
        assert await store.acquire("sha", package(("a.py", "")))

    asyncio.run(scenario())
