"""A plan in a file, and what is said of where the settings come from."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.local.conftest import EmbeddedAws
from tests.local.test_provision import run

pytestmark = pytest.mark.local


def test_saved_plan_is_applied_as_told_from_anywhere(own_aws: EmbeddedAws, tmp_path: Path) -> None:
    """The command that `plan --out` suggests works as it stands: the file knows with which settings it was made."""
    assert run(own_aws, "provision", "--yes").returncode == 0
    settings, saved = tmp_path / "my settings.yaml", tmp_path / "p.plan"
    settings.write_text("lambda: {memory_mb: 512}\n")
    planned = run(own_aws, "--config", str(settings), "plan", "--out", str(saved))
    told = re.search(r"To apply exactly this plan: whatschat-ops (.+)$", planned.stderr, re.MULTILINE)
    assert told is not None
    edited = tmp_path / "edited.plan"
    edited.write_text(saved.read_text().replace('"new": 512', '"new": 256'))
    refused = run(own_aws, "provision", str(edited))
    assert refused.returncode == 1 and "was edited after it was saved" in refused.stderr
    bare = run(own_aws, "provision", str(saved))
    assert bare.returncode == 0, bare.stderr
    assert "6 changes" in bare.stdout
    again = run(own_aws, *shlex.split(told[1]))
    assert again.returncode == 0 and "is applied already" in again.stderr
    status = json.loads(run(own_aws, "--config", str(settings), "status", "--json").stdout)
    assert status["in_sync"]
    settings.write_text("lambda: {memory_mb: 1024}\n")
    changed = run(own_aws, "provision", str(saved))
    assert changed.returncode == 1 and "made with other settings" in changed.stderr


def test_changes_to_the_defaults_are_said_where_there_is_no_configuration_file(
    own_aws: EmbeddedAws, tmp_path: Path
) -> None:
    settings = tmp_path / "mine.yaml"
    settings.write_text("lambda: {memory_mb: 512}\n")
    assert run(own_aws, "--config", str(settings), "provision", "--yes").returncode == 0
    assert "configs/local.yaml is not in this directory" in run(own_aws, "plan").stderr
    assert "configs/local.yaml" not in run(own_aws, "--config", str(settings), "plan").stderr
