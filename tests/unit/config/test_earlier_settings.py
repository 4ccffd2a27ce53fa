"""The settings files of 90f8c14 are read as that version read them.

tests/fixtures/upgrade/settings has its `configs/*.yaml`, and in 90f8c14.json what its own `config show --json` printed for each
(key -> value, with an empty environment).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from whatschat_ops.config.loading import flatten, load_settings

DIRECTORY: Final = Path(__file__).parents[2] / "fixtures" / "upgrade" / "settings"
RECORDED: Final[dict[str, dict[str, Any]]] = json.loads(
    (DIRECTORY / "90f8c14.json").read_text(encoding="utf-8")
)


DEFAULTS_SINCE: Final[dict[str, dict[str, Any]]] = {
    "staging": {"local.port": None},
    "production": {"local.port": None},
}
"""What the file does not say and is another value now: no port is given to an embedded AWS that is not used there."""


@pytest.mark.parametrize("environment", RECORDED)
def test_settings_of_an_earlier_version_have_the_same_values(environment: str) -> None:
    loaded = load_settings(environment, environ={}, directory=DIRECTORY)
    now = json.loads(json.dumps(flatten(loaded.settings)))
    then = {**RECORDED[environment], **DEFAULTS_SINCE.get(environment, {})}
    assert len(then) == 55
    assert {key: now.get(key, "no such key") for key in then} == then
