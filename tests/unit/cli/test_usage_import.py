"""`cost usage import`: what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.usage.test_logs import access
from whatschat_ops.cli.main import main


def test_import_says_what_it_read_and_what_it_could_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text(json.dumps(access("MESSAGE", 0)) + "\nwords\n")
    arguments = ["cost", "usage", "import", str(log), "-o", str(tmp_path / "usage")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "1 file" in out
    assert "a line that is not JSON  1: words" in out
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["files"], found["skipped"], found["rows"]) == (0, 1, 0)


def test_import_of_a_path_that_is_not_there_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", "usage", "import", str(tmp_path / "none"), "-o", str(tmp_path / "usage")]) == 2
    assert "none cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "usage").exists()


def test_athena_without_an_import_in_s3_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "actual", "--from", "logs", "--engine", "athena"]) == 2
    assert "reads one import in S3" in capsys.readouterr().err
