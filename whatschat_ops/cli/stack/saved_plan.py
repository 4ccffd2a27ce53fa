"""Plans in files, as the command line saves and loads them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from whatschat_ops.cli.run import Run
from whatschat_ops.errors import Hint, UsageError

if TYPE_CHECKING:
    from whatschat_ops.provision.planfile import PlanFile


def settings_digest(run: Run) -> str:
    """A digest of all settings, the same wherever they come from."""
    return hashlib.sha256(run.settings.canonical().encode()).hexdigest()


def load_saved(path: Path, has_options: bool) -> PlanFile:
    """The plan in a file. Raises UsageError when there is none, or when options of the plan were given too; OpsError when it was edited."""
    from whatschat_ops.provision.planfile import load_plan

    if has_options:
        raise UsageError(
            "--adopt and --delete-data are part of the plan in the file.",
            hint=Hint(("plan", "--adopt", "--delete-data", "--out", str(path))),
        )
    try:
        saved = load_plan(path)
    except UsageError as error:
        settings = path.suffix in (".yaml", ".yml")
        error.hint = Hint(("provision", "--config", str(path))) if settings else save_again(path)
        raise
    saved.require_unedited(save_again(path))
    return saved


def save_again(path: Path) -> Hint:
    """The command that saves a new plan in that file."""
    return Hint(("plan", "--out", str(path)))
