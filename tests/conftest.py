"""Every test starts from the same place: no AWS variables, its own state directory, a fixed terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

from tests.json_output import hook
from whatschat_ops.config.loading import ENVIRONMENT_VARIABLES

# How long an example takes says something about the machine, not about the program.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# A shell without job control starts what runs in its background (`pytest &`) with SIGINT ignored, nohup ignores SIGHUP, and
# children inherit that: no command that a test starts could then be interrupted.
for _number, _default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _default)

hook.install()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove what would leak in from the developer's shell."""
    for variable in (*os.environ,):
        if variable in ENVIRONMENT_VARIABLES or variable.startswith(("AWS_", "WHATSCHAT_")):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("JWT_SECRET", raising=False)
    monkeypatch.setenv("WHATSCHAT_OPS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
