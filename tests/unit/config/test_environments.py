"""Which configuration file is used, and what a new one contains."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from whatschat_ops.config import load_settings
from whatschat_ops.config.loading import flatten
from whatschat_ops.config.template import template
from whatschat_ops.errors import ConfigError

EMPTY: dict[str, str] = {}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files of two environments, two levels above the working directory."""
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "production.yaml").write_text("lambda:\n  memory_mb: 512\n")
    (configs / "staging.yaml").write_text("lambda:\n  memory_mb: 256\n")
    below = tmp_path / "src" / "app"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def test_file_above_is_found(project: Path) -> None:
    loaded = load_settings("production", environ=EMPTY)
    assert loaded.path == Path("../../configs/production.yaml")
    assert loaded.settings.lambda_.memory_mb == 512
    assert str(loaded.origins["lambda.memory_mb"]) == "../../configs/production.yaml:2"


def test_nearest_directory_with_files_wins(project: Path) -> None:
    nearer = project / "src" / "configs"
    nearer.mkdir()
    assert load_settings("staging", environ=EMPTY).settings.lambda_.memory_mb == 256
    (nearer / "staging.yaml").write_text("lambda:\n  memory_mb: 1024\n")
    assert load_settings("staging", environ=EMPTY).settings.lambda_.memory_mb == 1024


def test_local_needs_no_file(project: Path) -> None:
    assert load_settings(environ=EMPTY).path is None


def test_deleted_working_directory_has_no_file(project: Path) -> None:
    Path.cwd().rmdir()
    assert load_settings(environ=EMPTY).path is None


@pytest.mark.skipif(not hasattr(os, "chown") or os.getuid() != 0, reason="only root can give a file away")
def test_file_above_of_another_user_is_refused(project: Path) -> None:
    os.chown(project / "configs" / "staging.yaml", 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to another user"):
        load_settings("staging", environ=EMPTY)
    assert load_settings("staging", path=project / "configs" / "staging.yaml", environ=EMPTY).path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("prod", "production"), ("Prod", "production"), ("stage", "staging"), ("stagging", "staging"), ("p", "production"),
     ("loca", "local"), ("qa", None), ("europe", None)],
)  # fmt: skip
def test_unknown_environment_is_answered_with_the_one_that_is_meant(
    project: Path, typed: str, meant: str | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(typed, environ=EMPTY)
    asked = re.search(r"Did you mean '(\w+)'\?", caught.value.message)
    assert (asked and asked[1]) == meant
    assert str(caught.value.hint).endswith(f": whatschat-ops init -e {typed}")


def test_new_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_text(template("local", {}))
    created = load_settings("local", directory=tmp_path, environ=EMPTY).settings
    assert created == load_settings("local", directory=tmp_path / "none", environ=EMPTY).settings


def test_every_setting_of_a_new_file_can_be_uncommented(tmp_path: Path) -> None:
    """A line that begins with `#` and no space is a setting; with its default, all of them together are valid."""
    text = re.sub(r"^( *)#(?! )", r"\1", template("local", {}), flags=re.MULTILINE)
    text = text.replace("enabled: false", "enabled: true", 1)  # local.enabled: on in the environment `local`
    (tmp_path / "local.yaml").write_text(text)
    loaded = load_settings("local", directory=tmp_path, environ=EMPTY)
    defaults = load_settings("local", directory=tmp_path / "none", environ=EMPTY)
    assert flatten(loaded.settings) == flatten(defaults.settings)
    assert str(loaded.origins["lambda.memory_mb"]).startswith(f"{tmp_path}/local.yaml:")


def test_what_is_given_is_set_in_a_new_file(tmp_path: Path) -> None:
    given = {"aws.region": "eu-west-1", "aws.profile": "w: x"}
    (tmp_path / "qa.yaml").write_text(template("qa", given))
    loaded = load_settings("qa", directory=tmp_path, environ=EMPTY)
    assert (loaded.settings.aws.region, loaded.settings.aws.profile) == ("eu-west-1", "w: x")
