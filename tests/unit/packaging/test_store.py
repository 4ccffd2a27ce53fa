"""What packaging keeps between commands: made once, whole or not at all, and not without end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from whatschat_ops.packaging import store
from whatschat_ops.packaging.store import existing, stored


def write(content: str, made: list[str]) -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        made.append(content)
        (directory / "file").write_text(content)

    return make


def test_content_is_made_once() -> None:
    made: list[str] = []
    first = stored("kind", "key", write("one", made))
    second = stored("kind", "key", write("two", made))
    assert first == second == existing("kind", "key")
    assert made == ["one"]
    assert (first / "file").read_text() == "one"


def test_failed_making_leaves_nothing() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        stored("kind", "key", fail)
    assert existing("kind", "key") is None


def test_slower_of_two_processes_uses_what_the_faster_made() -> None:
    def overtaken(directory: Path) -> None:
        (directory / "file").write_text("slow")
        stored("kind", "key", write("fast", []))

    found = stored("kind", "key", overtaken)
    assert (found / "file").read_text() == "fast"
    assert [entry.name for entry in found.parent.iterdir()] == ["key"]


def test_only_what_was_used_last_is_kept() -> None:
    for number in range(store.KEPT):
        directory = stored("kind", str(number), write("", []))
        os.utime(directory, (number, number))
    left = directory.parent / f"{store.UNFINISHED}killed"
    left.mkdir()
    os.utime(left, (0, 0))
    assert existing("kind", "0") is not None  # using it makes it young
    stored("kind", "new", write("", []))
    assert existing("kind", "1") is None
    assert all(existing("kind", key) for key in ("0", "2", "new"))
    assert not left.exists()
