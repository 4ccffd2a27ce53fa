"""The settings with which the embedded AWS is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from whatschat_ops.cli.target import local_options
from whatschat_ops.config import Settings
from whatschat_ops.errors import ConfigError
from whatschat_ops.local.layout import Options


def test_defaults_need_no_arguments() -> None:
    assert local_options(Settings()) == Options()
    assert Options().arguments == []


def test_directory_with_the_sdk_is_lent_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sdk" / "@aws-sdk").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    settings = Settings.of(
        {
            "local": {
                "node_modules": "sdk",
                "enforce_memory": True,
                "log_events_per_group": 50_000,
                "step_functions_lag_s": 2,
            }
        }
    )
    options = local_options(settings)
    kept = ["--log-events-per-group", "50000", "--step-functions-lag-s", "2.0"]
    assert options.arguments == ["--node-modules", str(tmp_path / "sdk"), "--enforce-memory", *kept]


@pytest.mark.parametrize("name", ["absent", "."])
def test_directory_without_the_sdk_is_refused(tmp_path: Path, name: str) -> None:
    settings = Settings.of({"local": {"node_modules": str(tmp_path / name)}})
    with pytest.raises(ConfigError, match=r"local\.node_modules: .* has no directory @aws-sdk"):
        local_options(settings)


def test_new_settings_do_not_change_the_digests_of_saved_plans() -> None:
    changed = Settings.of({"local": {"enforce_memory": True}})
    assert changed.local.canonical_values() == Settings().local.canonical_values()
